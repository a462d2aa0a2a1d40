"""Grow hair: paint for the scalp beneath, and strands, from bare down to short hair."""

from dataclasses import dataclass

import numpy as np

from infantsynth.appearance.anatomy import Anatomy, Coordinates
from infantsynth.appearance.garment import Canvas
from infantsynth.appearance.skin import SkinTone, texture_noise
from infantsynth.appearance.studio import Studio
from infantsynth.appearance.swatch import smooth_step, solid_noise
from infantsynth.spec import Material, Mesh, face_normals, vertex_normals

Array = np.ndarray

# colours sRGB (3,), with how deep a skin they still occur on
_COLORS = (
    ((0.055, 0.045, 0.042), 1.0),
    ((0.10, 0.075, 0.06), 1.0),
    ((0.19, 0.13, 0.09), 0.75),
    ((0.31, 0.22, 0.14), 0.45),
    ((0.50, 0.38, 0.24), 0.3),
    ((0.68, 0.55, 0.37), 0.2),
    ((0.45, 0.25, 0.13), 0.25),
)
_STRAND_TEXTURE = 32


@dataclass(frozen=True)
class Hair:
    """A head of hair: style; color sRGB (3,); length in m; density 0 bald .. 1 thick; strands: how many; curl 0..1;
    hairline: height of the forehead's hairline above the eyes, in distances of the eyes."""

    style: str
    color: Array
    length: float
    density: float
    strands: int
    curl: float
    hairline: float


# style: probability for infants and adults, length in m, density, strands
_STYLES: dict[str, tuple[float, float, tuple[float, float], tuple[float, float], int]] = {
    "bald": (0.12, 0.03, (0.0, 0.0), (0.0, 0.12), 0),
    "fuzz": (0.30, 0.07, (0.004, 0.008), (0.2, 0.55), 3500),
    "short": (0.36, 0.5, (0.010, 0.020), (0.6, 0.95), 6000),
    "full": (0.22, 0.4, (0.022, 0.042), (0.8, 1.0), 8000),
}


def draw_hair(anatomy: Anatomy, tone: SkinTone, rng: np.random.Generator) -> Hair:
    """Draw hair that goes with age and skin."""
    names = list(_STYLES)
    weights = np.array([_STYLES[name][1 if anatomy.adult else 0] for name in names])
    style = names[rng.choice(len(names), p=weights / weights.sum())]
    _, _, length, density, strands = _STYLES[style]
    fitting = [color for color, deepest in _COLORS if tone.depth <= deepest]
    color = np.array(fitting[rng.integers(len(fitting))]) * rng.uniform(0.85, 1.2)
    if anatomy.adult and rng.random() < 0.12:
        color = np.full(3, rng.uniform(0.4, 0.75))  # grey
    curl = rng.uniform(0.5, 1.0) if rng.random() < 0.15 + 0.6 * tone.depth else rng.uniform(0.0, 0.35)
    return Hair(
        style,
        np.clip(color, 0, 1),
        float(rng.uniform(*length)) * anatomy.cloth_scale,
        float(rng.uniform(*density)),
        strands,
        float(curl),
        float(rng.uniform(0.85, 1.15)),
    )


def scalp(anatomy: Anatomy, at: Coordinates, hairline: float) -> Array:
    """Return the distance inside the hairline, m, at points of the rest pose; negative on face, ears and neck."""
    face = anatomy.face
    unit = float(np.linalg.norm(face[1] - face[2]))
    eyes, ears = face[1:3].mean(axis=0), face[3:5].mean(axis=0)
    y = at.rest[..., 1]
    front, back = eyes[1], ears[1] + 1.2 * unit
    # the line runs from the forehead down in front of the ears, over them, and down to the nape
    knots_y = np.array([front, ears[1] - 0.55 * unit, ears[1] - 0.25 * unit, ears[1] + 0.35 * unit, back])
    knots_z = eyes[2] + unit * np.array([hairline, 0.62 * hairline, 0.34, 0.05, -0.55])
    line = np.interp(y, knots_y, knots_z)
    aside = np.clip(np.abs(at.rest[..., 0]) / unit - 0.55, 0, None) * (y < ears[1] - 0.3 * unit)
    above = at.rest[..., 2] - line - 0.28 * unit * np.clip(0.55 - aside, 0, 0) + 0.15 * unit * aside
    ear = np.min([np.linalg.norm((at.rest - p) / (0.45, 0.42, 0.62), axis=-1) for p in face[3:5]], axis=0)
    outside_ear = np.where(np.abs(at.rest[..., 0]) > 0.97 * np.abs(face[3, 0]), ear - unit, unit)
    return np.minimum(np.minimum(above * 0.8, outside_ear), (at.head - 0.5) * 4 * unit)


def paint_scalp(studio: Studio, canvas: Canvas, hair: Hair, rng: np.random.Generator) -> None:
    """Paint hair as seen between the strands: a soft hairline and streaks of its colour."""
    if hair.density <= 0:
        return
    depth = studio.atlas.image(scalp(studio.anatomy, studio.anatomy.at, hair.hairline))
    index = np.nonzero((depth > -0.01 * studio.anatomy.scale).ravel())[0]
    size = studio.atlas.size
    ragged = texture_noise(rng, size, 24.0, 1.2).ravel()[index]
    streak = texture_noise(rng, size, 5.0, 1.0).ravel()[index]
    edge = smooth_step(-0.004, 0.016, depth.ravel()[index] / studio.anatomy.scale + 0.003 * ragged)
    share = edge * hair.density * np.clip(0.80 + 0.12 * streak, 0, 1)
    flat, relief = canvas.color.reshape(-1, 3), canvas.relief.reshape(-1)
    tint = hair.color[None] * (1 + 0.2 * streak)[:, None]
    flat[index] += ((tint - flat[index]) * share[:, None]).astype(np.float32)
    relief[index] += (2.5e-4 * share * streak).astype(np.float32)


def hair_meshes(
    studio: Studio, vertices: Array, hair: Hair, hatted: bool, rng: np.random.Generator
) -> list[Mesh]:
    """Draw strands rooted on the scalp of the posed body (V, 3): tapering ribbons of three joints. None under a hat."""
    if not hair.strands or hatted:
        return []
    roots, normals, source = _roots(studio, vertices, hair, rng)
    points = _grow(studio, vertices, hair, roots, normals, rng)
    return [_ribbons(hair, points, normals, source, studio.anatomy.cloth_scale, rng)]


def _roots(
    studio: Studio, vertices: Array, hair: Hair, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    """Draw roots (S, 3) m, normals (S, 3) and nearest body vertex (S,), spread evenly by area over the scalp."""
    inside = scalp(studio.anatomy, studio.anatomy.at, hair.hairline)
    depth = inside[studio.faces].mean(axis=1)
    faces = studio.faces[depth > 0]
    corner = vertices[faces]
    area = np.linalg.norm(face_normals(vertices, faces), axis=1)
    thin = smooth_step(0.0, 0.012 * studio.anatomy.scale, depth[depth > 0]) * 0.8 + 0.2
    weight = area * thin
    count = round(hair.strands * (0.4 + 0.6 * hair.density))
    pick = rng.choice(len(faces), count, p=weight / weight.sum())
    share = rng.dirichlet(np.ones(3), count).astype(np.float32)
    normal = vertex_normals(vertices, studio.faces)
    along = np.einsum("si,sic->sc", share, normal[faces[pick]])
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    root = np.einsum("si,sic->sc", share, corner[pick])
    return root, along, faces[pick, share.argmax(axis=1)].astype(np.int32)


def _grow(
    studio: Studio, vertices: Array, hair: Hair, roots: Array, normals: Array, rng: np.random.Generator
) -> Array:
    """Draw points of the strands (S, 4, 3) m: away from the whorl at the crown, bending down to the head."""
    rest, face = studio.anatomy.at.rest, studio.anatomy.face
    unit = np.linalg.norm(face[1] - face[2])
    crown = face[1:3].mean(axis=0) + unit * np.array([rng.uniform(-0.2, 0.2), 2.0, 1.45])
    whorl = vertices[((rest - crown) ** 2).sum(axis=1).argmin()]
    flow = roots - whorl
    flow -= np.einsum("sc,sc->s", flow, normals)[:, None] * normals
    flow /= np.maximum(np.linalg.norm(flow, axis=1, keepdims=True), 1e-9)
    side = np.cross(normals, flow)
    swirl = rng.normal(0, 0.25, (len(roots), 1)) + 0.35 * rng.choice([-1, 1])
    clump = solid_noise(rng, roots / studio.anatomy.scale, 0.02)[:, None]
    heading = flow + (swirl + 0.35 * clump) * side
    heading /= np.linalg.norm(heading, axis=1, keepdims=True)
    length = hair.length * rng.uniform(0.6, 1.1, (len(roots), 1)) * (1 + 0.15 * clump)
    lift = np.array([0.75, 0.42, 0.12]) * rng.uniform(0.6, 1.2)
    points = [roots - 0.0008 * normals]
    for joint in range(3):
        wave = hair.curl * rng.normal(0, 1.1, (len(roots), 1))
        rise = lift[joint] + 0.35 * hair.curl * rng.normal(0, 1, (len(roots), 1))
        direction = heading + rise * normals + wave * side
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        points.append(points[-1] + direction * length / 3)
    return np.stack(points, axis=1)


def _ribbons(
    hair: Hair, points: Array, normals: Array, source: Array, scale: float, rng: np.random.Generator
) -> Mesh:
    count = len(points)
    width = (0.0011 if hair.style == "full" else 0.0008 if hair.style == "short" else 0.0005) * scale
    along = points[:, -1] - points[:, 0]
    side = (
        np.cross(along, normals) + 0.4 * rng.normal(0, 1, (count, 3)) * np.linalg.norm(along, axis=1)[:, None]
    )
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-12)
    taper = np.array([1.0, 0.9, 0.6]) * width / 2
    left = points[:, :3] - side[:, None] * taper[None, :, None]
    right = points[:, :3] + side[:, None] * taper[None, :, None]
    vertices = np.concatenate([left, right, points[:, 3:]], axis=1)  # 7 a strand
    quads = [(0, 3, 4), (0, 4, 1), (1, 4, 5), (1, 5, 2), (2, 5, 6)]
    faces = (np.arange(count)[:, None, None] * 7 + np.array(quads)[None]).reshape(-1, 3)
    column = (rng.integers(0, _STRAND_TEXTURE, count) + 0.5) / _STRAND_TEXTURE
    height = np.array([0.03, 0.35, 0.7, 0.03, 0.35, 0.7, 0.97])
    coords = np.stack([np.repeat(column, 7), np.tile(height, count)], axis=1)
    return Mesh(
        "hair",
        vertices.reshape(-1, 3).astype(np.float32),
        faces.astype(np.int32),
        Material(_strand_colors(hair, rng), 0.45, 0.5),
        coords.astype(np.float32),
        np.repeat(source, 7).astype(np.int32),
    )


def _strand_colors(hair: Hair, rng: np.random.Generator) -> Array:
    """Draw the texture (T, T, 3): a strand a column, root at the bottom."""
    tone = 1 + rng.normal(0, 0.14, (1, _STRAND_TEXTURE, 1))
    tip = np.linspace(1.25, 0.75, _STRAND_TEXTURE)[:, None, None]  # row 0 is the tip: bleached
    return np.clip(hair.color * tone * tip, 0, 1).astype(np.float32)
