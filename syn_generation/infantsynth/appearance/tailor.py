"""Make meshes of garments: lay cloth on the posed body, cut it, add bands and hems."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_matrix, identity

from infantsynth.appearance.anatomy import PARTS, Anatomy, panel
from infantsynth.appearance.garment import Garment
from infantsynth.appearance.studio import Fabric
from infantsynth.appearance.swatch import solid_noise
from infantsynth.spec import Material, Mesh, face_edges, vertex_normals

Array = np.ndarray

STRAIN_SPREAD = 8  # smoothing steps on the compression, so that folds do not follow single edges
CLOTH_THICKNESS = 0.0012  # m, also the step from one layer to the next
BAND_THICKNESS = 0.0008  # m, what a trim or hem adds
TUCKED = 0.02  # m; how far a garment reaches under the edge of the one worn over it


@dataclass(frozen=True)
class Cut:
    """A piece of a surface of N vertices: faces (F, 3) int32 into G vertices, each a mean of the N by ``carry``.

    carry: (G, N) sparse, rows sum to 1.
    """

    faces: Array
    carry: csr_matrix

    def trim(self, field: Array) -> "Cut":
        """Return what lies where ``field`` (N,) is positive."""
        return cut(self.faces, self.carry @ field, self.carry)


def whole(faces: Array, count: int) -> Cut:
    """Return the uncut surface of ``count`` vertices."""
    return Cut(faces, identity(count, dtype=np.float32, format="csr"))


def cut(faces: Array, field: Array, carry: csr_matrix) -> Cut:
    """Keep the part of a surface where ``field`` (G,) > 0; crossing triangles are cut at the zero line."""
    field = np.where(field == 0, -1e-9, field)
    inside = field > 0
    kept = inside[faces].sum(axis=1)
    turned = [_turn(faces[kept == n], inside, n) for n in (1, 2)]
    edges = np.concatenate(
        [_edges(turned[0], 0, 1), _edges(turned[0], 0, 2), _edges(turned[1], 0, 2), _edges(turned[1], 1, 2)]
    )
    crossing, inverse = np.unique(edges, axis=0, return_inverse=True)
    one, two = len(turned[0]), len(turned[1])
    made = len(field) + inverse.reshape(-1)
    a, b = made[:one], made[one : 2 * one]
    c, d = made[2 * one : 2 * one + two], made[2 * one + two :]
    pieces = [
        faces[kept == 3],
        np.stack([turned[0][:, 0], a, b], axis=1),
        np.stack([turned[1][:, 0], turned[1][:, 1], d], axis=1),
        np.stack([turned[1][:, 0], d, c], axis=1),
    ]
    lerp = _lerp(crossing, field, carry)
    return _compact(np.concatenate(pieces), lerp)


def _turn(faces: Array, inside: Array, count: int) -> Array:
    """Rotate faces so that the one vertex inside comes first, or the one outside last."""
    flags = inside[faces]
    odd = (flags if count == 1 else ~flags).argmax(axis=1)
    start = odd if count == 1 else (odd + 1) % 3
    order = (start[:, None] + np.arange(3)) % 3
    return np.take_along_axis(faces, order, axis=1)


def _edges(faces: Array, i: int, j: int) -> Array:
    return np.sort(faces[:, [i, j]], axis=1)


def _lerp(crossing: Array, field: Array, carry: csr_matrix) -> csr_matrix:
    """Return rows of ``carry`` for old vertices, then for the points where edges (E, 2) cross the zero of ``field``."""
    from_, to = field[crossing[:, 0]], field[crossing[:, 1]]
    share = (from_ / (from_ - to)).astype(np.float32)
    count = len(crossing)
    rows = np.repeat(np.arange(count), 2)
    data = np.stack([1 - share, share], axis=1).ravel()
    step = csr_matrix((data, (rows, crossing.ravel())), shape=(count, len(field)))
    new = step @ carry
    indptr = np.concatenate([carry.indptr, carry.indptr[-1] + new.indptr[1:]])
    stacked = (np.concatenate([carry.data, new.data]), np.concatenate([carry.indices, new.indices]), indptr)
    return csr_matrix(stacked, shape=(carry.shape[0] + count, carry.shape[1]))


def _compact(faces: Array, carry: csr_matrix) -> Cut:
    used = np.zeros(carry.shape[0], dtype=bool)
    used[faces] = True
    index = np.cumsum(used) - 1
    return Cut(index[faces].astype(np.int32), carry[np.nonzero(used)[0]])


def rim(faces: Array, place: Array) -> Array:
    """Return edges (E, 2) at the border of a surface, each in the order in which its one face has them.

    place (G,): number of the place of each vertex; those that a texture seam parts have the same.
    """
    edges = face_edges(faces).astype(np.int64)
    placed = place[edges].astype(np.int64)
    span = int(placed.max(initial=0)) + 1
    forth = placed[:, 0] * span + placed[:, 1]
    back = placed[:, 1] * span + placed[:, 0]
    return edges[~np.isin(forth, back) & (forth != back)].astype(np.int32)


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


def measure_wearer(fabric: Fabric, rest: Array, posed: Array, faces: Array) -> Wearer:
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


def lay_cloth(
    fabric: Fabric,
    wearer: Wearer,
    thickness: Array | float,
    ease: Array,
    folds: Array,
    slack: Array,
    pin: Array,
) -> Array:
    """Return positions (W, 3) m of a cloth on the body.

    thickness: least distance from the skin. ease: further distance where the cloth is free (W,). folds: up and
    down of the cloth (W,). slack: how far it sags when it hangs free (W,). pin: 0 free .. 1 tight to the skin as
    under elastic (W,). All in m but pin.
    """
    base = wearer.bridged * (1 - pin[:, None]) + wearer.skin * pin[:, None]
    normals = vertex_normals(base, fabric.faces).astype(np.float32)
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
    """Draw heights (W,) m of folds: rings where the body bends, and creases wherever the cloth has room.

    looseness: 0 skin-tight .. 1 baggy. stiffness: 0 jersey .. 1 denim; stiff cloth folds broader.
    """
    at, scale = fabric.at, anatomy.cloth_scale
    wave = (0.016 + 0.012 * stiffness) * scale
    _, along = panel(anatomy, at)
    warp = solid_noise(rng, at.rest, 4 * wave)
    ring = np.sin(2 * np.pi * (along / wave + 0.45 * warp))
    bend = 0.16 * wave * wearer.pushed * _crest(ring) * (0.5 + looseness)
    limb = at.part >= 2
    squeezed = np.column_stack([at.rest[:, 0], at.rest[:, 1], at.rest[:, 2] * np.where(limb, 1.8, 1.0)])
    diagonal = squeezed @ _shear(rng)
    crease = 1.2 - 2.0 * np.abs(solid_noise(rng, diagonal, 3.2 * wave, 2))
    amplitude = (0.0004 + 0.0016 * looseness) * scale
    return (bend + amplitude * np.clip(crease, -1.2, 1.2) * (0.5 + 0.8 * wearer.pushed)).astype(np.float32)


def _crest(wave: Array) -> Array:
    """Return broad valleys and narrow ridges out of a sine, mean about 0."""
    return 2 * ((0.5 + 0.5 * wave) ** 1.8) - 0.75


def _shear(rng: np.random.Generator) -> Array:
    """Draw a stretch of space along one slanting direction of the trunk's front, (3, 3)."""
    angle = rng.choice([-1, 1]) * rng.uniform(0.3, 1.1)
    direction = np.array([np.cos(angle), 0.2, np.sin(angle)])
    direction /= np.linalg.norm(direction)
    return np.eye(3) - 0.6 * np.outer(direction, direction)


def gathers(anatomy: Anatomy, fabric: Fabric, rng: np.random.Generator, edge: Array, reach: float) -> Array:
    """Draw heights (W,) m of the ripples that elastic makes across an edge. edge (W,): distance from it, m."""
    round_, _ = panel(anatomy, fabric.at)
    wave = rng.uniform(0.010, 0.016) * anatomy.cloth_scale
    warp = solid_noise(rng, fabric.at.rest, 3 * wave)
    near = np.exp(-0.5 * ((edge - 0.5 * reach) / (0.45 * reach)) ** 2)
    return (0.09 * wave * near * np.sin(2 * np.pi * (round_ / wave + 0.3 * warp))).astype(np.float32)


@dataclass(frozen=True)
class Shell:
    """A cloth's outer side before it is cut: points (W, 3) m of the fabric and what lies beneath them (W, 3) m."""

    outer: Array
    skin: Array


def over(fabric: Fabric, wearer: Wearer, shell: Shell, field: Array) -> Wearer:
    """Return the wearer for the next layer: what a garment covers, ``field`` (W,) > 0, counts as skin."""
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
    """Return the mesh of a garment in the atlas' texture coordinates, cut out of its shell.

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
    start, shifted = 0, []
    for vertices, faces, coords, source in meshes:
        shifted.append((vertices, faces + start, coords, source))
        start += len(vertices)
    vertices, faces, coords, source = (np.concatenate(parts) for parts in zip(*shifted, strict=True))
    return Mesh("garment", vertices, faces, material, coords, source)


def make_shell(
    anatomy: Anatomy, fabric: Fabric, wearer: Wearer, garment: Garment, rng: np.random.Generator
) -> Shell:
    """Lay a garment's cloth on the posed body."""
    scale = anatomy.cloth_scale
    ease = np.full(fabric.carry.shape[0], garment.ease * scale)
    pin = np.zeros(len(ease))
    height = folds(anatomy, fabric, wearer, rng, min(1.0, garment.ease / 0.008), garment.stiffness)
    for name, extra in garment.flare.items():
        distance = garment.edges[name](anatomy, fabric.at) / scale
        ease += extra * scale * np.exp(-np.clip(distance, 0, None) / 0.03)
    for name in garment.elastic:
        distance = garment.edges[name](anatomy, fabric.at)
        near = np.exp(-0.5 * (np.clip(distance, 0, None) / (0.012 * scale)) ** 2)
        pin = np.maximum(pin, near)
        ease *= 1 - 0.9 * near
        height = height + gathers(anatomy, fabric, rng, distance, 0.03 * scale)
    ease += bulge(anatomy, fabric) * garment.bulge * scale
    thickness = CLOTH_THICKNESS * scale
    slack = np.full(len(ease), garment.sag * scale)
    return Shell(lay_cloth(fabric, wearer, thickness, ease, height, slack, pin), wearer.skin)


def bulge(anatomy: Anatomy, fabric: Fabric) -> Array:
    """Find where a nappy pads the body: (W,) 0..1, most under the seat and between the legs."""
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
    """Return vertices, faces, texture coordinates and sources of a piece with its rim turned in towards the skin."""
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
    """Find for each row of ``carry`` the source of the vertex with the largest share."""
    row = np.repeat(np.arange(carry.shape[0]), np.diff(carry.indptr))
    order = np.lexsort((carry.data, row))
    return source[carry.indices[order[carry.indptr[1:] - 1]]].astype(np.int32)


def _identity(carry: csr_matrix, vertex: Array) -> Array:
    """Return numbers (G,) that are equal for points that coincide on the body though a seam of the texture parts them."""
    lots = np.random.default_rng(0).random(int(vertex.max()) + 1)
    place = np.round(carry.astype(np.float64) @ lots[vertex], 5)
    return np.unique(place, return_inverse=True)[1].reshape(-1)
