"""From radiance to a picture: exposure, highlights, the sRGB curve, and what lies behind."""

import numpy as np

Array = np.ndarray

SHOULDER = 0.75  # linear value above which highlights are rolled off instead of cut
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)  # of linear sRGB (Rec. 709)


def to_linear(srgb: Array) -> Array:
    """SRGB values 0..1 to linear ones (IEC 61966-2-1), float32."""
    value = np.asarray(srgb, dtype=np.float32)
    return np.where(value <= 0.04045, value / 12.92, ((np.maximum(value, 0) + 0.055) / 1.055) ** 2.4).astype(
        np.float32
    )


def to_srgb(linear: Array) -> Array:
    """Linear values to sRGB ones (IEC 61966-2-1), float32, cut to 0..1."""
    value = np.clip(np.asarray(linear, dtype=np.float32), 0, 1)
    return np.where(value <= 0.0031308, value * 12.92, 1.055 * value ** (1 / 2.4) - 0.055).astype(np.float32)


def roll_off(linear: Array) -> Array:
    """Bend values above ``SHOULDER`` so that they near 1 without reaching it; smooth to the first derivative."""
    rest = 1 - SHOULDER
    over = np.maximum(linear - SHOULDER, 0)
    return np.where(linear > SHOULDER, SHOULDER + rest * (1 - np.exp(-over / rest)), linear)


def develop_radiance(radiance: Array, gains: Array) -> Array:
    """Radiance (..., 3) times ``gains`` (3,) as sRGB 0..1."""
    return to_srgb(roll_off(np.maximum(radiance, 0) * np.asarray(gains, dtype=np.float32)))


def compose(picture: Array, cover: Array, background: Array | None) -> Array:
    """RGB uint8 (H, W, 3) of a sRGB picture (H, W, 3) in 0..1, over a background (H, W, 3) uint8.

    cover (H, W): 0..1 how much of a pixel is drawn; where it is 0, the background's own bytes remain. Mixed in
    linear light, as lenses mix.
    """
    drawn = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    if background is None:
        return drawn
    edge = (cover > 0) & (cover < 1)
    share = cover[edge][:, None]
    mixed = to_linear(picture[edge]) * share + to_linear(background[edge] / np.float32(255)) * (1 - share)
    result = np.where((cover > 0)[..., None], drawn, background)
    result[edge] = np.rint(to_srgb(mixed) * 255).astype(np.uint8)
    return result
