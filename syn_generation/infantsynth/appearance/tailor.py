"""Meshes of garments: cut from the fabric, laid on the wearer, with bands and hems that show their thickness."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_matrix

from infantsynth.appearance import drape
from infantsynth.appearance.anatomy import PARTS, Anatomy
from infantsynth.appearance.cutting import Cut, rim, whole
from infantsynth.appearance.fabric import Fabric, vertex_normals
from infantsynth.appearance.garment import Garment
from infantsynth.spec import Material, Mesh

Array = np.ndarray

CLOTH_THICKNESS = 0.0012  # m, also the step from one layer to the next
BAND_THICKNESS = 0.0008  # m, what a trim or hem adds
TUCKED = 0.02  # m; how far a garment reaches under the edge of the one worn over it


@dataclass(frozen=True)
class Shell:
    """A cloth's outer side before it is cut: points (W, 3) m of the fabric and what lies beneath them (W, 3) m."""

    outer: Array
    skin: Array


def over(fabric: Fabric, wearer: drape.Wearer, shell: Shell, field: Array) -> drape.Wearer:
    """The wearer for the next layer: what a garment covers, ``field`` (W,) > 0, counts as skin."""
    on = field > -0.004
    away = wearer.normals * (2 * BAND_THICKNESS)  # room for the bands
    skin = np.where(on[:, None], shell.outer + away, wearer.skin).astype(np.float32)
    normals = vertex_normals(skin, fabric.faces)
    height = np.einsum("ij,ij->i", wearer.bridged - skin, normals)
    bridged = wearer.bridged + np.maximum(-height, 0)[:, None] * normals
    return replace(wearer, skin=skin, normals=normals, bridged=bridged)


def sew(
    anatomy: Anatomy,
    fabric: Fabric,
    shell: Shell,
    garment: Garment,
    material: Material,
    above: tuple[Garment, ...] = (),
) -> Mesh:
    """The mesh of a garment in the atlas' texture coordinates, cut out of its shell.

    above: garments worn over it; what lies well under them is left out, so that it cannot show through.
    """
    field = garment.inside(anatomy, fabric.at)
    for over_it in above:
        field = np.minimum(field, TUCKED * anatomy.scale - over_it.inside(anatomy, fabric.at))
    piece = whole(fabric.uv_faces, len(fabric.split)).trim(field[fabric.split])
    meshes = [_solid(fabric, piece, shell, 0.0, anatomy.scale)]
    for name, trim in garment.trims.items():
        band = piece.trim(trim.width * anatomy.scale - garment.edges[name](anatomy, fabric.at)[fabric.split])
        if len(band.faces):
            meshes.append(_solid(fabric, band, shell, BAND_THICKNESS * anatomy.cloth_scale, anatomy.scale))
    vertices, faces, coords, source = (
        np.concatenate([*arrays]) for arrays in zip(*_offset_faces(meshes), strict=True)
    )
    return Mesh("garment", vertices, faces, material, coords, source)


def make_shell(
    anatomy: Anatomy, fabric: Fabric, wearer: drape.Wearer, garment: Garment, rng: np.random.Generator
) -> Shell:
    """Lay a garment's cloth on the posed body."""
    scale = anatomy.cloth_scale
    ease = np.full(fabric.carry.shape[0], garment.ease * scale)
    pin = np.zeros(len(ease))
    height = drape.folds(anatomy, fabric, wearer, rng, min(1.0, garment.ease / 0.008), garment.stiffness)
    for name, extra in garment.flare.items():
        distance = garment.edges[name](anatomy, fabric.at) / scale
        ease += extra * scale * np.exp(-np.clip(distance, 0, None) / 0.03)
    for name in garment.elastic:
        distance = garment.edges[name](anatomy, fabric.at)
        near = np.exp(-0.5 * (np.clip(distance, 0, None) / (0.012 * scale)) ** 2)
        pin = np.maximum(pin, near)
        ease *= 1 - 0.9 * near
        height = height + drape.gathers(anatomy, fabric, rng, distance, 0.03 * scale)
    ease += bulge(anatomy, fabric) * garment.bulge * scale
    thickness = CLOTH_THICKNESS * scale
    slack = np.full(len(ease), garment.sag * scale)
    return Shell(drape.lay(fabric, wearer, thickness, ease, height, slack, pin), wearer.skin)


def bulge(anatomy: Anatomy, fabric: Fabric) -> Array:
    """Where a nappy pads the body: (W,) 0..1, most under the seat and between the legs."""
    hip = (anatomy.joints["left_hip"] + anatomy.joints["right_hip"]) / 2
    size = 0.06 * anatomy.scale
    offset = (fabric.at.rest - hip) / size
    offset[:, 2] = np.where(offset[:, 2] > 0, offset[:, 2] * 0.9, offset[:, 2] * 1.3)
    pad = np.exp(-0.5 * (offset**2 * np.array([0.55, 0.25, 1.0])).sum(axis=1))
    arms = fabric.at.part == PARTS.index("left_arm"), fabric.at.part == PARTS.index("right_arm")
    return np.where(arms[0] | arms[1], 0.0, pad).astype(np.float32)


def _solid(
    fabric: Fabric, piece: Cut, shell: Shell, raised: float, scale: float
) -> tuple[Array, Array, Array, Array]:
    """Vertices, faces, texture coordinates and sources of a piece with its rim turned in towards the skin."""
    outer_all = shell.outer
    if raised:
        away = shell.outer - shell.skin
        outer_all = shell.outer + raised * away / np.maximum(
            np.linalg.norm(away, axis=1, keepdims=True), 1e-9
        )
    outer = piece.carry @ outer_all[fabric.split]
    inner = piece.carry @ shell.skin[fabric.split]
    coords = piece.carry @ fabric.coords
    source = _nearest(piece.carry, fabric.source[fabric.split])
    border = rim(piece.faces, _identity(piece.carry, fabric.split))
    edge, index = np.unique(border, return_inverse=True)
    depth = inner[edge] - outer[edge]
    far = np.linalg.norm(depth, axis=1, keepdims=True)
    turned = outer[edge] + depth * np.minimum(1.0, 0.006 * scale / np.maximum(far, 1e-9)) * 0.98
    first, second = border.T
    below = index.reshape(border.shape) + len(outer)
    strip = np.concatenate(
        [np.stack([second, first, below[:, 0]], axis=1), np.stack([second, below[:, 0], below[:, 1]], axis=1)]
    )
    return (
        np.concatenate([outer, turned]).astype(np.float32),
        np.concatenate([piece.faces, strip]).astype(np.int32),
        np.concatenate([coords, coords[edge]]).astype(np.float32),
        np.concatenate([source, source[edge]]),
    )


def _nearest(carry: csr_matrix, source: Array) -> Array:
    """For each row of ``carry`` the source of the vertex with the largest share."""
    row = np.repeat(np.arange(carry.shape[0]), np.diff(carry.indptr))
    order = np.lexsort((carry.data, row))
    return source[carry.indices[order[carry.indptr[1:] - 1]]].astype(np.int32)


def _identity(carry: csr_matrix, vertex: Array) -> Array:
    """Numbers (G,) that are equal for points that coincide on the body though a seam of the texture parts them."""
    lots = np.random.default_rng(0).random(int(vertex.max()) + 1)
    place = np.round(carry.astype(np.float64) @ lots[vertex], 5)
    return np.unique(place, return_inverse=True)[1].reshape(-1)


def _offset_faces(meshes: list[tuple[Array, Array, Array, Array]]) -> list[tuple[Array, Array, Array, Array]]:
    starts = np.cumsum([0, *(len(mesh[0]) for mesh in meshes)])
    return [
        (vertices, (faces + start).astype(np.int32), coords, source)
        for (vertices, faces, coords, source), start in zip(meshes, starts, strict=False)
    ]
