"""Authored postures: directions of limbs in the body's frame (x its left, -y its front, z to its head).

Limbs are written for the left side; the right one mirrors them. Each posture mixes its arms, legs, spines and
heads freely, so a handful of entries gives many poses.
"""

from dataclasses import dataclass

Direction = tuple[float, float, float]


@dataclass(frozen=True)
class Limb:
    """Directions of the upper and the lower half of a limb (any length).

    weight: how often it is drawn. held: how often muscles keep it there; else it sinks until it rests on something.
    planted: the part ("hand", "foot", ...) that is put on the ground, "" for none.
    """

    upper: Direction
    lower: Direction
    weight: float = 1.0
    held: float = 0.1
    planted: str = ""


@dataclass(frozen=True)
class Bend:
    """Rotation vector of a chain of joints in all, rad: mean and deviation. +x flexes, +z turns to the left."""

    mean: Direction
    sd: Direction = (0.1, 0.08, 0.08)


@dataclass(frozen=True)
class Variant:
    """One way of taking a posture.

    arms, legs: names in ARMS and LEGS that may be mixed. alike: how often both sides get the same entry.
    root: tilt of the body about its left-right axis, deg: 0 upright, -90 on the back, 90 on the belly.
    roll: turn about the long axis before tilting, deg, mean and deviation; 90 brings the left side down.
    weight: how often it is drawn. erect: spine and head are held, else they lie down.
    """

    name: str
    arms: tuple[str, ...]
    legs: tuple[str, ...]
    spine: Bend
    head: Bend
    root: tuple[float, float]
    roll: tuple[float, float] = (0.0, 5.0)
    alike: float = 0.5
    weight: float = 1.0
    erect: bool = False


ARMS: dict[str, Limb] = {
    "up_w": Limb((0.85, 0.12, 0.25), (0.25, 0.0, 0.95)),
    "overhead": Limb((0.6, 0.1, 0.75), (-0.1, -0.1, 0.95), 0.6),
    "aside": Limb((0.95, 0.1, -0.2), (0.75, -0.15, 0.5)),
    "down": Limb((0.5, 0.12, -0.85), (0.3, -0.1, -0.95)),
    "bent_down": Limb((0.6, 0.1, -0.75), (0.25, -0.75, 0.35), held=0.3),
    "to_mouth": Limb((0.55, -0.35, -0.75), (-0.5, -0.55, 0.75), held=0.6),
    "on_belly": Limb((0.5, -0.05, -0.85), (-0.6, -0.6, -0.35), held=0.1),
    "reach_up": Limb((0.35, -0.9, 0.05), (0.05, -0.97, 0.15), held=1.0),
    "reach_across": Limb((0.1, -0.85, -0.15), (-0.45, -0.75, 0.2), 0.6, held=1.0),
    "prop": Limb((0.35, -0.9, 0.1), (-0.1, -0.35, 0.93), held=1.0, planted="forearm"),
    "push_up": Limb((0.35, -0.9, 0.1), (0.12, -0.98, 0.12), held=1.0, planted="hand"),
    "beside_head": Limb((0.8, -0.25, 0.45), (0.05, -0.25, 0.95)),
    "swim": Limb((0.85, 0.0, 0.35), (0.75, -0.05, 0.65), held=0.4),
    "back_down": Limb((0.5, 0.02, -0.85), (0.3, -0.05, -0.95)),
    "front": Limb((0.15, -0.85, -0.3), (0.0, -0.7, 0.6), held=0.3),
    "front_low": Limb((0.2, -0.7, -0.65), (-0.05, -0.95, 0.05)),
    "front_straight": Limb((0.1, -0.95, 0.1), (0.0, -0.95, 0.3), held=0.4),
    "lap": Limb((0.4, -0.25, -0.88), (-0.1, -0.8, -0.5), held=0.3),
    "hold_toy": Limb((0.45, -0.4, -0.8), (-0.35, -0.85, 0.2), held=1.0),
    "prop_front": Limb((0.3, -0.55, -0.75), (0.0, -0.35, -0.93), held=0.8, planted="hand"),
    "prop_side": Limb((0.6, 0.1, -0.8), (0.35, 0.0, -0.93), 0.6, held=0.8, planted="hand"),
    "wave": Limb((0.8, -0.35, 0.35), (0.25, -0.35, 0.9), 0.7, held=1.0),
    "crawl": Limb((0.12, -0.94, -0.3), (0.02, -0.94, -0.34), held=1.0, planted="hand"),
    "crawl_ahead": Limb((0.15, -0.98, 0.05), (0.02, -0.98, 0.1), held=1.0, planted="hand"),
    "guard": Limb((0.65, -0.4, 0.1), (0.25, -0.75, 0.6), held=1.0),
    "hold_rail": Limb((0.3, -0.75, -0.5), (0.0, -0.98, -0.05), held=1.0),
    "hang": Limb((0.3, -0.05, -0.95), (0.15, -0.25, -0.95), held=1.0),
    "hang_bent": Limb((0.35, 0.08, -0.93), (0.1, -0.85, -0.3), held=1.0),
    "hip": Limb((0.7, 0.2, -0.65), (-0.6, -0.35, -0.6), 0.4, held=1.0),
}

LEGS: dict[str, Limb] = {
    "frog": Limb((0.75, -0.35, -0.6), (-0.35, 0.2, -0.9)),
    "frog_wide": Limb((0.85, -0.2, -0.45), (-0.75, 0.1, -0.65)),
    "half_bent": Limb((0.45, -0.55, -0.7), (-0.1, 0.45, -0.88), held=0.3),
    "stretched": Limb((0.25, -0.1, -0.97), (0.05, 0.05, -0.99)),
    "kick_high": Limb((0.3, -0.93, 0.05), (-0.05, -0.5, -0.85), held=0.9),
    "kick_straight": Limb((0.25, -0.75, -0.6), (0.05, -0.7, -0.7), held=0.9),
    "feet_up": Limb((0.55, -0.75, 0.35), (-0.25, -0.9, 0.35), 0.6, held=1.0),
    "knees_up": Limb((0.45, -0.85, -0.1), (-0.2, 0.0, -0.98), held=0.8),
    "crook": Limb((0.3, -0.6, -0.75), (0.02, 0.65, -0.75)),
    "prone_flat": Limb((0.3, 0.03, -0.95), (0.1, 0.06, -0.99)),
    "prone_frog": Limb((0.8, -0.2, -0.55), (0.1, 0.15, -0.97)),
    "prone_heel_up": Limb((0.3, 0.0, -0.95), (0.0, 0.8, -0.5), 0.6, held=0.8),
    "prone_tucked": Limb((0.35, -0.85, -0.35), (0.0, 0.3, -0.95), 0.6),
    "side_bent": Limb((0.1, -0.8, -0.55), (0.0, 0.5, -0.85)),
    "side_loose": Limb((0.08, -0.45, -0.88), (0.02, 0.35, -0.93)),
    "ring": Limb((0.68, -0.72, -0.12), (-0.6, -0.75, -0.15)),
    "tailor": Limb((0.75, -0.62, -0.15), (-0.85, -0.3, -0.15)),
    "straddle": Limb((0.45, -0.88, -0.1), (0.25, -0.95, -0.08)),
    "long_sit": Limb((0.2, -0.97, -0.1), (0.05, -0.98, -0.1), 0.7),
    "side_sit": Limb((0.6, -0.78, -0.12), (0.55, 0.55, -0.2), 0.4),
    "crawl": Limb((0.22, -0.93, -0.35), (0.03, 0.37, -0.92), held=1.0, planted="shank"),
    "crawl_back": Limb((0.22, -0.72, -0.65), (0.05, 0.33, -0.93), held=1.0, planted="shank"),
    "crawl_ahead": Limb((0.22, -0.98, 0.05), (0.03, 0.37, -0.92), held=1.0, planted="shank"),
    "bear": Limb((0.2, -0.98, -0.1), (0.08, -0.95, -0.25), 0.4, held=1.0, planted="foot"),
    "stand": Limb((0.16, -0.12, -0.98), (0.03, 0.1, -0.99), held=1.0, planted="foot"),
    "stand_wide": Limb((0.3, -0.2, -0.93), (0.08, 0.2, -0.97), held=1.0, planted="foot"),
    "step": Limb((0.12, -0.4, -0.9), (0.03, 0.2, -0.97), 0.6, held=1.0, planted="foot"),
    "squat": Limb((0.42, -0.85, -0.12), (0.02, 0.45, -0.88), 0.6, held=1.0, planted="foot"),
    "chair": Limb((0.25, -0.95, -0.12), (0.04, 0.05, -0.99), held=1.0),
}

_STRAIGHT = Bend((0.05, 0.0, 0.0))
_ANY_HEAD = Bend((0.05, 0.0, 0.0), (0.15, 0.12, 0.55))
_ON_CHEEK = Bend((-0.1, 0.0, 1.15), (0.1, 0.1, 0.15))
_LIFTED = Bend((-0.55, 0.0, 0.0), (0.15, 0.1, 0.3))
_LYING_ARMS = ("up_w", "overhead", "aside", "down", "bent_down", "to_mouth", "on_belly")
_SITTING_ARMS = ("lap", "hold_toy", "prop_front", "reach_up", "to_mouth", "wave")

INFANT: dict[str, tuple[Variant, ...]] = {
    "supine": (
        Variant("rest", _LYING_ARMS, ("frog", "frog_wide", "half_bent", "stretched", "crook"), _STRAIGHT, _ANY_HEAD,
                (-90, 3), weight=1.3),
        Variant("kick", (*_LYING_ARMS, "reach_up"), ("kick_high", "kick_straight", "knees_up", "half_bent",
                "stretched"), Bend((0.12, 0.0, 0.0)), _ANY_HEAD, (-90, 4), alike=0.35),
        Variant("reach", ("reach_up", "reach_across", "to_mouth"), ("knees_up", "frog", "crook", "half_bent"),
                Bend((0.1, 0.0, 0.0)), Bend((0.15, 0.0, 0.0), (0.1, 0.1, 0.3)), (-90, 4), alike=0.4, weight=0.6),
        Variant("feet", ("reach_up",), ("feet_up",), Bend((0.3, 0.0, 0.0)), Bend((0.25, 0.0, 0.0)), (-88, 4),
                alike=0.9, weight=0.3),
    ),
    "prone": (
        Variant("rest", ("beside_head", "back_down", "swim", "up_w"), ("prone_flat", "prone_frog", "prone_tucked"),
                Bend((-0.02, 0.0, 0.0)), _ON_CHEEK, (90, 3)),
        Variant("prop", ("prop", "beside_head"), ("prone_flat", "prone_frog", "prone_heel_up"),
                Bend((-0.35, 0.0, 0.0)), _LIFTED, (80, 4), alike=0.85, erect=True),
        Variant("push_up", ("push_up",), ("prone_flat", "prone_frog"), Bend((-0.6, 0.0, 0.0)),
                Bend((-0.35, 0.0, 0.0), (0.15, 0.1, 0.35)), (75, 4), alike=1.0, weight=0.7, erect=True),
        Variant("swim", ("swim", "back_down"), ("prone_flat", "prone_heel_up"), Bend((-0.35, 0.0, 0.0)), _LIFTED,
                (85, 3), alike=0.8, weight=0.5, erect=True),
    ),
    "side": (
        Variant("curled", ("front", "front_low", "to_mouth", "front_straight"), ("side_bent", "side_loose"),
                Bend((0.25, 0.0, 0.0)), Bend((0.15, 0.0, 0.0), (0.15, 0.1, 0.2)), (-90, 3), (90, 12), alike=0.2),
        Variant("rolling", ("front_straight", "front", "reach_across", "beside_head"), ("side_bent", "side_loose",
                "stretched"), Bend((0.05, 0.0, 0.25)), _ANY_HEAD, (-90, 3), (105, 12), alike=0.1, weight=0.7),
    ),
    "sitting": (
        Variant("floor", _SITTING_ARMS, ("ring", "tailor", "straddle", "long_sit"), Bend((0.3, 0.0, 0.0)),
                Bend((-0.12, 0.0, 0.0), (0.2, 0.12, 0.4)), (0, 5), alike=0.7, erect=True),
        Variant("tripod", ("prop_front",), ("ring", "straddle", "tailor"), Bend((0.55, 0.0, 0.0)),
                Bend((-0.35, 0.0, 0.0), (0.15, 0.1, 0.3)), (14, 4), alike=1.0, weight=0.5, erect=True),
        Variant("leaning", ("prop_side", "hold_toy", "lap"), ("ring", "side_sit", "straddle"), Bend((0.2, 0.0, 0.1)),
                _ANY_HEAD, (0, 5), alike=0.1, weight=0.4, erect=True),
    ),
    "crawling": (
        Variant("all_fours", ("crawl", "crawl_ahead"), ("crawl", "crawl_back", "crawl_ahead"),
                Bend((-0.12, 0.0, 0.0)), Bend((-0.65, 0.0, 0.0), (0.2, 0.1, 0.3)), (68, 5), alike=0.5, erect=True),
        Variant("bear", ("crawl_ahead",), ("bear",), Bend((0.1, 0.0, 0.0)), Bend((-0.5, 0.0, 0.0), (0.2, 0.1, 0.3)),
                (88, 5), alike=0.9, weight=0.15, erect=True),
    ),
    "standing": (
        Variant("free", ("guard", "hang_bent", "hang", "wave"), ("stand", "stand_wide"), Bend((0.0, 0.0, 0.0)),
                _ANY_HEAD, (4, 3), alike=0.6, erect=True),
        Variant("holding", ("hold_rail", "front_low"), ("stand", "stand_wide"), Bend((0.05, 0.0, 0.0)), _ANY_HEAD,
                (8, 3), alike=0.8, erect=True),
        Variant("squat", ("front_low", "hold_toy"), ("squat",), Bend((0.35, 0.0, 0.0)), _ANY_HEAD, (14, 4),
                alike=0.9, weight=0.3, erect=True),
    ),
}  # fmt: skip

ADULT: dict[str, tuple[Variant, ...]] = {
    **INFANT,
    "standing": (
        Variant("free", ("hang", "hang_bent", "hip", "wave", "hold_toy", "front_low", "reach_up"), ("stand", "step"),
                Bend((0.03, 0.0, 0.0)), _ANY_HEAD, (2, 3), alike=0.4, erect=True),
        Variant("wide", ("hang", "guard", "wave", "overhead", "aside"), ("stand_wide", "step"), Bend((0.1, 0.0, 0.0)),
                _ANY_HEAD, (4, 4), alike=0.4, weight=0.5, erect=True),
    ),
    "sitting": (
        Variant("chair", ("lap", "hold_toy", "hang_bent"), ("chair",), Bend((0.1, 0.0, 0.0)), _ANY_HEAD, (0, 5),
                alike=0.6, erect=True),
        Variant("floor", ("lap", "hold_toy", "prop_side"), ("tailor", "long_sit", "straddle"), Bend((0.3, 0.0, 0.0)),
                _ANY_HEAD, (0, 5), alike=0.7, weight=0.6, erect=True),
    ),
}  # fmt: skip

POSTURES = ("supine", "prone", "side", "sitting", "crawling", "standing")
