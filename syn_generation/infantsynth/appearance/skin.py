"""Skin: tones over the human range, redness, mottling, and the fine relief that keeps it from looking like plastic."""

from dataclasses import dataclass

import cv2
import numpy as np

from infantsynth.appearance import noise
from infantsynth.appearance.cloth_paint import Canvas
from infantsynth.appearance.color import to_lab, to_rgb
from infantsynth.appearance.fabric import vertex_normals
from infantsynth.appearance.studio import Studio

Array = np.ndarray

# Lab along the range of human skin, light to dark; between neighbours every tone is likely
_TONES = np.array(
    [
        [77.0, 11.5, 15.0],
        [72.0, 13.5, 18.0],
        [67.0, 14.5, 21.0],
        [60.0, 15.0, 22.0],
        [51.0, 15.5, 21.0],
        [42.0, 14.5, 18.0],
        [33.0, 12.0, 14.0],
        [27.0, 9.5, 10.5],
    ]
)


@dataclass(frozen=True)
class SkinTone:
    """Colour of the skin: depth 0 light .. 1 dark, its mean sRGB (3,), and that of lips, sRGB (3,)."""

    depth: float
    color: Array
    lips: Array


def draw_tone(rng: np.random.Generator) -> SkinTone:
    """A tone of skin, every depth about as likely as every other."""
    depth = float(rng.beta(0.9, 1.1))
    at = depth * (len(_TONES) - 1)
    base = np.array([np.interp(at, np.arange(len(_TONES)), channel) for channel in _TONES.T])
    lab = base + rng.normal(0, 1, 3) * (1.5, 1.2, 1.6)
    lips = lab * (0.86, 1.0, 0.8) + (0, 9.0 - 4.0 * depth, 1.0)
    return SkinTone(depth, to_rgb(lab).astype(np.float64), to_rgb(lips).astype(np.float64))


def spots(points: Array, centres: Array, radius: float) -> Array:
    """Soft discs 0..1 round ``centres`` (K, 3) at points (N, 3): (N,) float32; all in m."""
    away = ((points[:, None] - np.atleast_2d(centres)) ** 2).sum(axis=-1).min(axis=1)
    return np.exp(-away / radius**2).astype(np.float32)


def texture_noise(rng: np.random.Generator, size: int, wavelength: float, slope: float = 1.2) -> Array:
    """Noise (size, size) over a texture; it repeats and breaks at seams, so it is for fine, faint detail."""
    tile = noise.field(rng, 256, wavelength, slope)
    repeats = -(-size // 256)
    return np.tile(tile, (repeats, repeats))[:size, :size]


def paint_skin(studio: Studio, tone: SkinTone, rng: np.random.Generator) -> Canvas:
    """The whole body's skin."""
    size, scale, rest = studio.atlas.size, studio.anatomy.scale, studio.anatomy.at.rest
    slow = noise.solid(rng, rest, 0.07 * scale)
    patchy = rng.uniform(0.3, 1.0) * (1 - 0.6 * tone.depth)
    redness = studio.atlas.image(0.5 * patchy * slow + _warm_places(studio, rng))
    grain = texture_noise(rng, size, 16.0)
    redness += np.float32(0.30 * patchy) * grain
    np.clip(redness, -1, 2.2, out=redness)
    light = 1 - 0.012 * grain
    color = np.empty((size, size, 3), dtype=np.float32)
    for channel, share in enumerate((0.008, 0.062, 0.058)):
        color[..., channel] = tone.color[channel] * light * (1 - np.float32(share) * redness)
    relief = (4e-5 * grain + 1.6e-5 * texture_noise(rng, size, 4.0, 1.0)) * np.float32(np.sqrt(scale))
    canvas = Canvas(color, relief)
    _palms_and_soles(studio, canvas, tone)
    _nails(studio, canvas, tone)
    if studio.anatomy.adult or rng.random() < 0.15:
        _moles(studio, canvas, rng)
    return canvas


def _warm_places(studio: Studio, rng: np.random.Generator) -> Array:
    """Where blood shows: cheeks, nose, ears, hands, feet, knees, elbows; (V,) about 0..2."""
    face, at = studio.anatomy.face, studio.anatomy.at
    unit = float(np.linalg.norm(face[1] - face[2]))
    nose = face[0]
    cheek = np.array([nose + unit * np.array([sign * 0.72, 0.42, -0.22]) for sign in (-1, 1)])
    warm = rng.uniform(0.5, 2.0) * spots(at.rest, cheek, 0.42 * unit)
    warm += rng.uniform(0.2, 1.0) * spots(at.rest, nose, 0.22 * unit)
    warm += rng.uniform(0.5, 1.4) * spots(at.rest, face[3:5], 0.4 * unit)
    warm += 0.7 * np.clip(at.hand + at.foot, 0, 1)
    joints = [studio.anatomy.joints[f"{s}_{j}"] for s in ("left", "right") for j in ("knee", "elbow")]
    return warm + 0.5 * spots(at.rest, np.array(joints), 0.045 * studio.anatomy.scale)


def _palms_and_soles(studio: Studio, canvas: Canvas, tone: SkinTone) -> None:
    """Paler than the rest, the more so the darker the skin."""
    at = studio.anatomy.at
    normal = vertex_normals(at.rest, studio.faces)
    sole = at.foot * noise.step(0.2, 0.6, -normal[:, 2])
    pale = sole
    for side in ("left", "right"):
        wrist, elbow = studio.anatomy.joints[f"{side}_wrist"], studio.anatomy.joints[f"{side}_elbow"]
        along = (wrist - elbow) / np.linalg.norm(wrist - elbow)
        inner = np.cross(np.array([0.0, -1.0, 0.0]), along) * (1 if side == "left" else -1)
        mine = at.hand * (np.sign(at.rest[:, 0]) == np.sign(wrist[0]))
        pale = np.maximum(pale, mine * noise.step(0.2, 0.6, normal @ inner.astype(np.float32)))
    light = to_rgb(to_lab(tone.color) + np.array([4 + 22 * tone.depth, 3.0, -2.0], dtype=np.float32))
    canvas.lay(light, 0.75 * studio.atlas.image(pale.astype(np.float32)))


def _nails(studio: Studio, canvas: Canvas, tone: SkinTone) -> None:
    if "nails" in studio.regions:
        pink = to_rgb(to_lab(tone.color) * (1, 1, 0.6) + (5 + 8 * tone.depth, 5.0, 0))
        canvas.lay(pink, 0.8 * studio.atlas.image(studio.regions["nails"]), 1.5e-4)


def _moles(studio: Studio, canvas: Canvas, rng: np.random.Generator) -> None:
    size = studio.atlas.size
    marks = np.zeros((size, size), dtype=np.uint8)
    for _ in range(int(rng.integers(1, 12))):
        cv2.circle(
            marks,
            tuple(int(i) for i in rng.integers(0, size, 2)),
            int(rng.integers(1, 3)),
            255,
            -1,
            cv2.LINE_AA,
        )
    canvas.shade(marks.astype(np.float32) / 255 * 0.6, 0.5)
