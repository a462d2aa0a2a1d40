"""Garments: where each begins and ends on the body, and how it is made. Lengths in m on the template body."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from infantsynth.appearance.anatomy import PARTS, Anatomy, Coordinates
from infantsynth.appearance.swatch import Swatch

Array = np.ndarray
Edge = Callable[
    [Anatomy, Coordinates], Array
]  # distance of points from an edge, m, positive on the cloth's side


@dataclass(frozen=True)
class Trim:
    """A band along an edge: width in m on an infant, colour sRGB (3,), whether it is ribbed."""

    width: float
    color: Array
    ribbed: bool = True


@dataclass(frozen=True)
class Garment:
    """One piece of clothing that follows the body.

    edges: where it ends; it is all that is on the inner side of each. trims: bands along edges, by edge name.
    elastic: edges that are gathered. ease: looseness in m on an infant; flare: what is added towards an edge, in
    m, by edge name. sag: how far it hangs, m. stiffness: 0 jersey .. 1 denim.
    fastening: "zip", "buttons", "snaps" or "". motif: name of a chest print or "". bulge: of a nappy beneath, m.
    """

    name: str
    cloth: Swatch
    edges: dict[str, Edge]
    trims: dict[str, Trim] = field(default_factory=dict)
    elastic: tuple[str, ...] = ()
    ease: float = 0.002
    flare: dict[str, float] = field(default_factory=dict)
    sag: float = 0.0
    stiffness: float = 0.0
    fastening: str = ""
    motif: str = ""
    bulge: float = 0.0

    def inside(self, anatomy: Anatomy, at: Coordinates) -> Array:
        """Distance from the nearest edge, m, positive on the cloth."""
        return np.minimum.reduce([edge(anatomy, at) for edge in self.edges.values()])


def sleeve(to: float) -> Edge:
    """Sleeves down to ``to``: 0.03 none, 0.25 short, 0.5 to the elbow, 1 to the wrist."""
    return lambda anatomy, at: (to - at.arm) * anatomy.arm_length


def legs(to: float) -> Edge:
    """Legs down to ``to``: 0.3 shorts, 0.5 knee, 1 ankle."""
    return lambda anatomy, at: (to - at.leg) * anatomy.leg_length


def trunk_height(anatomy: Anatomy, level: float) -> float:
    """Rest height z, m, of a level of the trunk: 0 at the hip joints, 1 at the shoulder joints."""
    low, high = anatomy.joints["left_hip"][2], anatomy.joints["left_shoulder"][2]
    return float(low + level * (high - low))


def below(level: float) -> Edge:
    """Nothing above a level of the trunk, and no arms."""

    def edge(anatomy: Anatomy, at: Coordinates) -> Array:
        height = trunk_height(anatomy, level) - at.rest[..., 2]
        return np.minimum(height, (-0.02 - at.arm) * anatomy.arm_length)

    return edge


def above(level: float) -> Edge:
    """Nothing below a level of the trunk; arms are left alone."""

    def edge(anatomy: Anatomy, at: Coordinates) -> Array:
        height = at.rest[..., 2] - trunk_height(anatomy, level)
        return np.where(_is_arm(at), 1.0, height)

    return edge


def _is_arm(at: Coordinates) -> Array:
    return (at.part == PARTS.index("left_arm")) | (at.part == PARTS.index("right_arm"))


def collar(wide: float = 1.0, deep: float = 0.0, pointed: float = 0.0) -> Edge:
    """A neckline.

    wide: of the opening, 1 close to the neck. deep: how much lower it is in front than behind, m on an infant.
    pointed: depth of a V below it, m on an infant.
    """

    def edge(anatomy: Anatomy, at: Coordinates) -> Array:
        centre, half = anatomy.neck
        offset = at.rest - centre
        forward = np.clip(-offset[..., 1] / half[1], -1, 1)
        x, y = offset[..., 0] / (wide * half[0]), offset[..., 1] / (wide * half[1])
        z = (offset[..., 2] + deep * anatomy.scale * np.clip(forward, 0, 1)) / (wide * half[2])
        ring = (np.sqrt(x * x + y * y + z * z) - 1) * wide * half[2]
        if pointed:
            drop = wide * half[2] + pointed * anatomy.scale
            slope = drop / (wide * half[0])
            vee = (slope * np.abs(offset[..., 0]) - offset[..., 2] - drop) / np.hypot(1, slope)
            ring = np.where(offset[..., 1] < 0, np.minimum(ring, vee), ring)
        return np.minimum(ring, (0.5 - at.head) * 0.08 * anatomy.scale)

    return edge


def front(half_width: float, length: float) -> Edge:
    """A rounded flap on the chest: half of its width in widths of the neck, its length in trunk heights."""

    def edge(anatomy: Anatomy, at: Coordinates) -> Array:
        (_, _, low), half = anatomy.neck[0], anatomy.neck[1]
        wide = half_width * half[0] * 1.3
        long = length * (trunk_height(anatomy, 1.0) - trunk_height(anatomy, 0.0))
        offset = at.rest - np.array([0.0, 0.0, low])
        across, down = np.abs(offset[..., 0]) / wide, np.clip(-offset[..., 2], 0, None) / long
        inside = (1 - (across**4 + down**4) ** 0.25) * min(wide, long)
        ahead = anatomy.neck[0][1] + 0.3 * half[1] - at.rest[..., 1]
        return np.where(_is_arm(at), -1.0, np.minimum(inside, ahead))

    return edge
