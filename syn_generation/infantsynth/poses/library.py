"""Read the authored postures, directions of limbs and ways of taking each posture, from postures.yaml."""

from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import yaml

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


def _variants(entries: list[dict[str, Any]]) -> tuple[Variant, ...]:
    """Build the ways of taking one posture."""
    made = []
    for entry in entries:
        bends = {name: Bend(**_tuples(entry[name])) for name in ("spine", "head")}
        made.append(Variant(**{**_tuples(entry), **bends}))
    return tuple(made)


def _tuples(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}


_CONTENT = yaml.safe_load((files("infantsynth.poses") / "data" / "postures.yaml").read_text(encoding="utf-8"))

POSTURES = ("supine", "prone", "side", "sitting", "crawling", "standing")
ARMS, LEGS = (
    {name: Limb(**_tuples(limb)) for name, limb in _CONTENT[kind].items()} for kind in ("arms", "legs")
)
INFANT = {posture: _variants(entries) for posture, entries in _CONTENT["infant"].items()}
ADULT = INFANT | {posture: _variants(entries) for posture, entries in _CONTENT["adult"].items()}
