"""Infants of a given age, length, mass and head: Anny's baby with an infant's proportions and fat."""

from dataclasses import dataclass, field

import numpy as np

from infantsynth.body.bake.flesh import fat_offsets
from infantsynth.body.bake.growth import Growth, growth_at, growth_deviations
from infantsynth.body.bake.proportions import Segments, bone_length, bone_targets, scale_segments
from infantsynth.body.bake.rig import Rig
from infantsynth.body.bake.source import Source
from infantsynth.body.measures import edges_among, head_girth, height, mass

Array = np.ndarray

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
    """The infant in the middle, between girls and boys."""
    return Person(months, 0.5, growth_at(months))


def draw_infant(rng: np.random.Generator, months: float | None = None) -> Person:
    """An infant of this age, or of any, with the variety of the WHO's children in size."""
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
    """Vertices (V, 3) and joints (J, 3) in m of this infant, standing at rest."""
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
    """The edges of the head's skin, without ears and what lies inside."""
    inside = sum(source.regions[name] for name in ("ears", "eyes", "mouth", "tongue"))
    return edges_among(source.faces, (rig.weights[:, rig.joint("head")] > 0.5) & (inside < 0.3))


def _fattened(source: Source, rig: Rig, vertices: Array, joints: Array, target: float) -> Array:
    """The body with as much fat as makes it weigh its mass: Newton's method, as mass is smooth in fat."""
    eyes = (source.keypoints[1:3] @ vertices).mean(axis=0)
    lips = source.regions["lips"] > 0.5
    offsets = fat_offsets(rig, vertices, joints, source.faces, eyes, vertices[lips].mean(axis=0))
    fat = 0.0
    for _ in range(4):
        now, more = (mass(vertices + amount * offsets, source.faces) for amount in (fat, fat + 0.05))
        fat += 0.05 * (target - now) / (more - now)
    return vertices + fat * offsets
