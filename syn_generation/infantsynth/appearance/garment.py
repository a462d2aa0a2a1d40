"""Describe garments: where each ends on the body, and what is painted on it."""

from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np

from infantsynth.appearance.anatomy import BEYOND, PARTS, Anatomy, Coordinates
from infantsynth.appearance.cloth import DRAWINGS, stamp
from infantsynth.appearance.studio import Studio
from infantsynth.appearance.swatch import NOISE_LIMIT, Swatch, away_from, noise_field, print_colors

Array = np.ndarray

# distance of points from an edge, m, positive on the cloth's side
Edge = Callable[[Anatomy, Coordinates], Array]
THIGH = 0.30  # share of the leg, from the hip joint, that is always cloth
WIDEST_COLLAR, DEEPEST_COLLAR = 1.8, 0.024  # as in garment.collar; no neckline goes beyond
ARMHOLE = -0.10  # arm coordinate up to which the trunk is always cloth
SEAM_WIDTH = 0.0018  # m


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
        """Return the distance from the nearest edge, m, positive on the cloth."""
        return np.minimum.reduce([edge(anatomy, at) for edge in self.edges.values()])


def sleeve(to: float) -> Edge:
    """Return sleeves down to ``to``: 0.03 none, 0.25 short, 0.5 to the elbow, 1 to the wrist."""
    return lambda anatomy, at: (to - at.arm) * anatomy.arm_length


def legs(to: float) -> Edge:
    """Return legs down to ``to``: 0.3 shorts, 0.5 knee, 1 ankle."""
    return lambda anatomy, at: (to - at.leg) * anatomy.leg_length


def trunk_height(anatomy: Anatomy, level: float) -> float:
    """Return the rest height z, m, of a level of the trunk: 0 at the hip joints, 1 at the shoulder joints."""
    low, high = anatomy.joints["left_hip"][2], anatomy.joints["left_shoulder"][2]
    return float(low + level * (high - low))


def below(level: float) -> Edge:
    """Keep nothing above a level of the trunk, and no arms."""

    def edge(anatomy: Anatomy, at: Coordinates) -> Array:
        height = trunk_height(anatomy, level) - at.rest[..., 2]
        return np.minimum(height, (-0.02 - at.arm) * anatomy.arm_length)

    return edge


def above(level: float) -> Edge:
    """Keep nothing below a level of the trunk; arms are left alone."""

    def edge(anatomy: Anatomy, at: Coordinates) -> Array:
        height = at.rest[..., 2] - trunk_height(anatomy, level)
        return np.where(_is_arm(at), 1.0, height)

    return edge


def _is_arm(at: Coordinates) -> Array:
    return (at.part == PARTS.index("left_arm")) | (at.part == PARTS.index("right_arm"))


def collar(wide: float = 1.0, deep: float = 0.0, pointed: float = 0.0) -> Edge:
    """Return a neckline.

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
    """Return a rounded flap on the chest: half of its width in widths of the neck, its length in trunk heights."""

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


def required(anatomy: Anatomy, at: Coordinates) -> Array:
    """Find which points must be cloth: the trunk within neckline and armholes, the hips, the thighs. Bool, shape of at."""
    trunk = (at.part == PARTS.index("trunk")) & (at.arm < ARMHOLE)
    # interpolation rounds, also where no bone of the leg moves
    leg = (at.leg > BEYOND + 1e-3) & (at.leg <= THIGH)
    return (trunk | leg) & (collar(WIDEST_COLLAR, DEEPEST_COLLAR)(anatomy, at) > 0)


def covered(anatomy: Anatomy, at: Coordinates, garments: tuple[Garment, ...]) -> Array:
    """Find which points are painted as cloth: under a garment, or required to be. Bool, shape of at."""
    worn = [garment.inside(anatomy, at) > 0 for garment in garments]
    return np.logical_or.reduce([required(anatomy, at), *worn])


@dataclass
class Canvas:
    """A texture in the making: color (S, S, 3) sRGB and relief (S, S) m."""

    color: Array
    relief: Array

    def lay(self, color: Array, share: Array, height: float = 0.0) -> None:
        """Put a colour (3,) over the texture by ``share`` (S, S) 0..1, raised by ``height`` m."""
        self.color += (np.asarray(color, np.float32) - self.color) * share[..., None]
        if height:
            self.relief += (height * share).astype(np.float32)

    def shade(self, share: Array, factor: float, height: float = 0.0) -> None:
        """Darken or brighten by ``factor`` where ``share`` (S, S) says so."""
        self.color *= (1 + (factor - 1) * share)[..., None].astype(np.float32)
        self.relief += (height * share).astype(np.float32)


def tile_over(swatch: Swatch, round_: Array, along: Array, scale: float, shift: Array) -> tuple[Array, Array]:
    """Return colour (S, S, 3) and relief (S, S) of a tile laid out over panel coordinates in m; shift (2,) in tiles."""
    size = len(swatch.color)
    pitch = size / (swatch.metres * scale)
    x = np.mod(round_ * pitch + shift[0] * size, size).astype(np.float32)
    y = np.mod(-along * pitch + shift[1] * size, size).astype(np.float32)
    both = np.concatenate([swatch.color, swatch.relief[..., None]], axis=-1)
    laid = cv2.remap(both, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return laid[..., :3], laid[..., 3]


def soft_line(distance: Array, width: float) -> Array:
    """Return a soft line of ``width`` m round the zero of a distance (S, S) m."""
    return np.clip(1.5 - np.abs(distance) / (0.5 * width), 0, 1)


def paint_garment(studio: Studio, garment: Garment, skin: Array, rng: np.random.Generator) -> Canvas:
    """Draw the texture of a garment, its mean kept away from the colour of the ``skin`` (3,)."""
    scale = studio.anatomy.cloth_scale
    color, relief = tile_over(garment.cloth, studio.round, studio.along, scale, rng.random(2))
    canvas = Canvas(np.ascontiguousarray(color), np.ascontiguousarray(relief))
    _creases(studio, canvas, rng, garment)
    _seams(studio, canvas)
    if garment.motif:
        _print(studio, canvas, garment, rng)
    edges = {name: edge(studio.anatomy, studio.texels) for name, edge in garment.edges.items()}
    for name, distance in edges.items():
        _finish_edge(studio, canvas, garment, name, distance)
    if garment.fastening:
        _fasten(studio, canvas, garment, rng)
    inside = np.minimum.reduce(list(edges.values())) > 0
    worn = canvas.color[inside]
    if len(worn):
        canvas.color[inside] = away_from(worn, skin)
    np.clip(canvas.color, 0, 1, out=canvas.color)
    return canvas


def _creases(studio: Studio, canvas: Canvas, rng: np.random.Generator, garment: Garment) -> None:
    """Add fine creases that the mesh is too coarse for, as relief and a trace of shade."""
    scale = studio.anatomy.cloth_scale
    wave = noise_field(rng, 256, 14.0, 1.8, (1.8, 1.0))
    ridge = (1 - 1.6 * np.abs(wave) / NOISE_LIMIT - 0.35).astype(np.float32)
    blank = np.zeros((256, 256, 3), np.float32)
    height = tile_over(Swatch(blank, ridge, 0.28), studio.round, studio.along, scale, rng.random(2))[1]
    depth = (0.0006 + 0.03 * garment.ease) * scale
    canvas.relief += depth * height
    canvas.color *= (1 + 0.05 * (height - 0.3))[..., None]


def _seams(studio: Studio, canvas: Canvas) -> None:
    """Draw side seams of the trunk, seams of armholes and under sleeves."""
    anatomy, at = studio.anatomy, studio.texels
    width = max(SEAM_WIDTH, 2 * studio.texel)
    trunk = at.part == PARTS.index("trunk")
    half_turn = np.pi * 0.068 * anatomy.scale
    side = soft_line(np.abs(studio.round) - half_turn / 2, width) * trunk
    armhole = soft_line((at.arm - 0.02) * anatomy.arm_length, width) * (at.leg < 0)
    limb = at.part >= PARTS.index("left_arm")
    under = soft_line(np.abs(studio.round) - np.abs(studio.round[limb]).max(initial=1.0), 2 * width) * limb
    canvas.shade(np.clip(side + armhole + under, 0, 1), 0.90, -0.0004)


def _finish_edge(studio: Studio, canvas: Canvas, garment: Garment, name: str, distance: Array) -> None:
    """Draw the band of an edge, or a hem with its stitches."""
    scale = studio.anatomy.scale
    soft = studio.texel
    width = max(SEAM_WIDTH, 2 * studio.texel)
    if name in garment.trims:
        trim = garment.trims[name]
        band = np.clip((trim.width * scale - distance) / soft + 0.5, 0, 1)
        canvas.lay(trim.color, band)
        if trim.ribbed:
            pitch = max(0.0042 * studio.anatomy.cloth_scale, 4 * studio.texel)
            # ribs run across the band: round the neck and the limbs alike
            rib = 0.5 + 0.5 * np.cos(2 * np.pi * studio.round / pitch)
            canvas.shade(band * rib, 0.90, -0.0004)
        canvas.shade(soft_line(distance - trim.width * scale, width), 0.84, -0.0004)
        return
    hem = 0.011 * scale
    canvas.shade(soft_line(distance - hem, width), 0.88, -0.0004)
    canvas.shade(np.clip((hem - distance) / soft + 0.5, 0, 1) * 1.0, 0.985, 0.0004)


def _front(studio: Studio) -> Array:
    """Return the distance in front of the trunk's axis, m (S, S); negative behind."""
    return studio.anatomy.joints["spine2"][1] - studio.texels.rest[..., 1]


def _fasten(studio: Studio, canvas: Canvas, garment: Garment, rng: np.random.Generator) -> None:
    anatomy, at = studio.anatomy, studio.texels
    scale = anatomy.scale
    x, z = at.rest[..., 0], at.rest[..., 2]
    low = trunk_height(anatomy, -0.12) if "leg" in garment.edges else trunk_height(anatomy, 0.05)
    lean = rng.choice([-1.0, 1.0]) if garment.fastening == "zip" and "leg" in garment.edges else 0.0
    drift = lean * 0.62 * np.clip(low + 0.07 * scale - z, 0, None)  # towards one leg, as on sleepers
    front = (_front(studio) > 0) & (at.head < 0.5)
    if not lean:
        front &= z > low
    beside = x - drift
    top = anatomy.neck[0][2] - anatomy.neck[1][2] - 0.004 * scale
    metal = (
        np.array([0.72, 0.72, 0.74])
        if rng.random() < 0.5
        else np.clip(canvas.color[front].mean(axis=0) * 0.8, 0, 1)
    )
    if garment.fastening == "zip":
        reach = front & (z > anatomy.joints["left_knee"][2] * 0.8)
        canvas.shade(soft_line(np.abs(beside) - 0.007 * scale, SEAM_WIDTH * scale) * reach, 0.88, -0.0004)
        teeth = soft_line(beside, max(0.0035 * scale, 2.5 * studio.texel)) * reach
        canvas.lay(metal, teeth * (0.75 + 0.25 * np.cos(2 * np.pi * z / (0.004 * scale))), 0.0012)
        return
    canvas.shade(soft_line(beside - 0.011 * scale, SEAM_WIDTH * scale) * front, 0.87, -0.0005)
    spacing = (0.030 if garment.fastening == "buttons" else 0.042) * anatomy.cloth_scale
    below = top - z
    phase = np.mod(below, spacing) - spacing / 2
    radius = 0.0045 * anatomy.cloth_scale
    away = np.hypot(beside, phase)
    disc = np.clip((radius - away) / studio.texel + 0.5, 0, 1) * front
    tone = np.array([0.93, 0.92, 0.88]) if rng.random() < 0.6 else metal
    canvas.shade(np.clip((radius * 1.35 - away) / studio.texel + 0.5, 0, 1) * front, 0.80)
    canvas.lay(tone, disc, 0.0015)


def _print(studio: Studio, canvas: Canvas, garment: Garment, rng: np.random.Generator) -> None:
    """Draw a motif on the chest."""
    anatomy, at = studio.anatomy, studio.texels
    ground = canvas.color[_front(studio) > 0].mean(axis=0)
    size = 256
    drawn = np.zeros((size, size, 3), np.uint8)
    shape = DRAWINGS[garment.motif]()
    colors = print_colors(rng, ground, 3)
    image = np.empty((size, size, 3), np.uint8)
    image[:] = np.rint(ground * 255)
    centre = np.array([size / 2, size / 2])
    stamp(image, shape, colors, centre, size * 0.42, 0.0)
    stamp(drawn, shape, [np.ones(3)] * 3, centre, size * 0.42, 0.0)
    half = rng.uniform(0.026, 0.042) * anatomy.scale
    height = trunk_height(anatomy, rng.uniform(0.55, 0.7))
    x = ((at.rest[..., 0] / half + 1) * size / 2).astype(np.float32)
    y = ((1 - (at.rest[..., 2] - height) / half) * size / 2).astype(np.float32)
    laid = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    share = (
        cv2.remap(drawn[..., 0], x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT).astype(np.float32)
        / 255
    )
    share *= (_front(studio) > 0) & (at.part == 0)
    canvas.color += (laid.astype(np.float32) / 255 - canvas.color) * share[..., None] * 0.92
