"""How cloth lies on a posed body: it bridges hollows, stands off by its looseness, sags, and folds where it is pushed."""

from dataclasses import dataclass

import numpy as np

from infantsynth.appearance import noise
from infantsynth.appearance.anatomy import Anatomy
from infantsynth.appearance.fabric import Fabric, vertex_normals
from infantsynth.appearance.panels import panel

Array = np.ndarray

STRAIN_SPREAD = 8  # smoothing steps on the compression, so that folds do not follow single edges


@dataclass(frozen=True)
class Wearer:
    """A posed body under its clothes, on the fabric's W vertices.

    skin (W, 3) m and normals (W, 3) of the body, or of the cloth already on it; bridged (W, 3): the body with its
    hollows filled; pushed (W,): how far the skin is compressed by the pose, 0 none .. 1.
    """

    skin: Array
    normals: Array
    bridged: Array
    pushed: Array


def measure(fabric: Fabric, rest: Array, posed: Array, faces: Array) -> Wearer:
    """Prepare a posed body: rest and posed vertices (V, 3) m of the same shape, faces (F, 3) of the body."""
    skin = fabric.refine(posed, vertex_normals(posed, faces))
    normals = vertex_normals(skin, fabric.faces)
    a, b = fabric.edges.T
    relaxed = fabric.carry @ rest
    length = np.linalg.norm(skin[a] - skin[b], axis=1)
    free = np.maximum(np.linalg.norm(relaxed[a] - relaxed[b], axis=1), 1e-6)
    shortening = np.clip(1 - length / free, 0, 1)
    total = np.bincount(a, shortening, len(skin)) + np.bincount(b, shortening, len(skin))
    pushed = (
        total / np.maximum(np.bincount(a, minlength=len(skin)) + np.bincount(b, minlength=len(skin)), 1)
    ).astype(np.float32)
    bridged = skin
    for _ in range(STRAIN_SPREAD):
        pushed = 0.4 * pushed + 0.6 * (fabric.smoother @ pushed)
    for _ in range(14):
        bridged = 0.35 * bridged + 0.65 * (fabric.smoother @ bridged)
    return Wearer(skin, normals, _outside(bridged, skin, normals, 0.0), np.clip(2.5 * pushed, 0, 1))


def _outside(points: Array, skin: Array, normals: Array, gap: Array | float) -> Array:
    """Move points (W, 3) along the skin's normals to at least ``gap`` m above it."""
    height = np.einsum("ij,ij->i", points - skin, normals)
    return points + np.maximum(gap - height, 0)[:, None] * normals


def lay(
    fabric: Fabric,
    wearer: Wearer,
    thickness: Array | float,
    ease: Array,
    folds: Array,
    slack: Array,
    pin: Array,
) -> Array:
    """Positions (W, 3) m of a cloth on the body.

    thickness: least distance from the skin. ease: further distance where the cloth is free (W,). folds: up and
    down of the cloth (W,). slack: how far it sags when it hangs free (W,). pin: 0 free .. 1 tight to the skin as
    under elastic (W,). All in m but pin.
    """
    base = wearer.bridged * (1 - pin[:, None]) + wearer.skin * pin[:, None]
    normals = vertex_normals(base, fabric.faces)
    hangs = np.clip(-normals[:, 2], -1, 1)  # 1 under the body, -1 on top of it
    free = ease * (0.75 + 0.45 * hangs)
    cloth = base + normals * (thickness + free + folds)[:, None]
    cloth[:, 2] -= slack * np.clip(hangs + 0.35, 0, 1)
    soft = cloth
    for _ in range(2):
        soft = 0.5 * soft + 0.5 * (fabric.smoother @ soft)
    cloth = soft + normals * (folds * 0.6)[:, None]  # smoothing takes some of the folds away
    return _outside(cloth, wearer.skin, wearer.normals, thickness).astype(np.float32)


def folds(
    anatomy: Anatomy,
    fabric: Fabric,
    wearer: Wearer,
    rng: np.random.Generator,
    looseness: float,
    stiffness: float,
) -> Array:
    """Heights (W,) m of folds: rings where the body bends, and creases wherever the cloth has room.

    looseness: 0 skin-tight .. 1 baggy. stiffness: 0 jersey .. 1 denim; stiff cloth folds broader.
    """
    at, scale = fabric.at, anatomy.cloth_scale
    wave = (0.016 + 0.012 * stiffness) * scale
    _, along = panel(anatomy, at)
    warp = noise.solid(rng, at.rest, 4 * wave)
    ring = np.sin(2 * np.pi * (along / wave + 0.45 * warp))
    bend = 0.16 * wave * wearer.pushed * _crest(ring) * (0.5 + looseness)
    limb = at.part >= 2
    squeezed = np.column_stack([at.rest[:, 0], at.rest[:, 1], at.rest[:, 2] * np.where(limb, 1.8, 1.0)])
    diagonal = squeezed @ _shear(rng)
    crease = 1.2 - 2.0 * np.abs(noise.solid(rng, diagonal, 3.2 * wave, 2))
    amplitude = (0.0004 + 0.0016 * looseness) * scale
    return (bend + amplitude * np.clip(crease, -1.2, 1.2) * (0.5 + 0.8 * wearer.pushed)).astype(np.float32)


def _crest(wave: Array) -> Array:
    """Broad valleys and narrow ridges out of a sine, mean about 0."""
    return 2 * ((0.5 + 0.5 * wave) ** 1.8) - 0.75


def _shear(rng: np.random.Generator) -> Array:
    """Stretches space along one slanting direction of the trunk's front, (3, 3)."""
    angle = rng.choice([-1, 1]) * rng.uniform(0.3, 1.1)
    direction = np.array([np.cos(angle), 0.2, np.sin(angle)])
    direction /= np.linalg.norm(direction)
    return np.eye(3) - 0.6 * np.outer(direction, direction)


def gathers(anatomy: Anatomy, fabric: Fabric, rng: np.random.Generator, edge: Array, reach: float) -> Array:
    """Heights (W,) m of the ripples that elastic makes across an edge. edge (W,): distance from it, m."""
    round_, _ = panel(anatomy, fabric.at)
    wave = rng.uniform(0.010, 0.016) * anatomy.cloth_scale
    warp = noise.solid(rng, fabric.at.rest, 3 * wave)
    near = np.exp(-0.5 * ((edge - 0.5 * reach) / (0.45 * reach)) ** 2)
    return (0.09 * wave * near * np.sin(2 * np.pi * (round_ / wave + 0.3 * warp))).astype(np.float32)
