"""Joint names and body parts, the same for every body model; which joint belongs to which part and side."""

from collections.abc import Sequence

import numpy as np

Array = np.ndarray

_LIMB_PARTS = ("upper_arm", "forearm", "hand", "thigh", "shank", "foot")
PART_NAMES = ("head", "trunk", *(f"{side}_{part}" for side in ("left", "right") for part in _LIMB_PARTS))

_PART_OF = {
    "pelvis": "trunk",
    "spine": "trunk",
    "collar": "trunk",
    "neck": "head",
    "head": "head",
    "jaw": "head",
    "eye": "head",
    "shoulder": "upper_arm",
    "elbow": "forearm",
    "wrist": "hand",
    "hand": "hand",
    "finger": "hand",
    "hip": "thigh",
    "knee": "shank",
    "ankle": "foot",
    "foot": "foot",
}


def split_side(name: str) -> tuple[str, str]:
    """A joint's side ("left", "right" or "") and its name without it."""
    for side in ("left", "right"):
        if name.startswith(f"{side}_"):
            return side, name.removeprefix(f"{side}_")
    return "", name


def part_of_joint(name: str) -> str:
    """The part that a joint moves: one of PART_NAMES. Raises KeyError for a joint that no body here has."""
    side, plain = split_side(name)
    family = plain.rstrip("0123456789_")
    part = _PART_OF[family]
    return f"{side}_{part}" if part in _LIMB_PARTS else part


def parts_by_weight(joint_names: Sequence[str], weights: Array) -> Array:
    """The part of each vertex (V,) int8, index in PART_NAMES: where most of its skinning weights (V, J) lie."""
    share = np.zeros((len(weights), len(PART_NAMES)), dtype=np.float64)
    for joint, name in enumerate(joint_names):
        share[:, PART_NAMES.index(part_of_joint(name))] += weights[:, joint]
    return share.argmax(axis=1).astype(np.int8)


def mirror_order(joint_names: Sequence[str]) -> Array:
    """Permutation (J,) that swaps the joints of left and right."""
    swap = {"left": "right", "right": "left", "": ""}
    place = {name: index for index, name in enumerate(joint_names)}
    order = []
    for name in joint_names:
        side, plain = split_side(name)
        order.append(place[f"{swap[side]}_{plain}" if side else plain])
    return np.array(order)
