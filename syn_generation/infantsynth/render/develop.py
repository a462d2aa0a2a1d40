"""Turn radiance into an image as a camera would: exposure, sRGB, and its faults."""

from dataclasses import dataclass

import cv2
import numpy as np

from infantsynth.render.lighting import incident
from infantsynth.spec import SceneSpec

Array = np.ndarray

_WHITE = 0.8  # linear value of a white surface that faces the camera where the person is
_ADAPTED = 0.75  # how far the colour of the light is taken out: cameras leave some of a warm lamp's warmth
SHOULDER = 0.75  # linear value above which highlights are rolled off instead of cut
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)  # of linear sRGB (Rec. 709)


def metered(spec: SceneSpec) -> Array:
    """Return gains (3,) on linear RGB radiance, as from a light meter held towards the camera where the person is.

    The light is metered, not what it falls on: dark skin stays dark and a white sheet white, and the gains do not
    depend on how the scene is drawn.
    """
    place = spec.body.keypoints.mean(axis=0)
    toward = spec.camera.centre - place
    light = incident(spec.lights, spec.environment, place, toward / np.linalg.norm(toward))
    bright = max(float(light @ LUMINANCE), 1e-6)
    tint = np.maximum(light / bright, 0.05) ** _ADAPTED
    tint = tint / (tint @ LUMINANCE)
    return (_WHITE * np.pi / bright / tint).astype(np.float32)


def to_linear(srgb: Array) -> Array:
    """Convert sRGB values 0..1 to linear ones (IEC 61966-2-1), float32."""
    value = np.asarray(srgb, dtype=np.float32)
    return np.where(value <= 0.04045, value / 12.92, ((np.maximum(value, 0) + 0.055) / 1.055) ** 2.4).astype(
        np.float32
    )


def to_srgb(linear: Array) -> Array:
    """Convert linear values to sRGB ones (IEC 61966-2-1), float32, cut to 0..1."""
    value = np.clip(np.asarray(linear, dtype=np.float32), 0, 1)
    return np.where(value <= 0.0031308, value * 12.92, 1.055 * value ** (1 / 2.4) - 0.055).astype(np.float32)


def roll_off(linear: Array) -> Array:
    """Bend values above ``SHOULDER`` so that they near 1 without reaching it; smooth to the first derivative."""
    rest = 1 - SHOULDER
    over = np.maximum(linear - SHOULDER, 0)
    return np.where(linear > SHOULDER, SHOULDER + rest * (1 - np.exp(-over / rest)), linear)


def develop_radiance(radiance: Array, gains: Array) -> Array:
    """Return radiance (..., 3) times ``gains`` (3,) as sRGB 0..1."""
    return to_srgb(roll_off(np.maximum(radiance, 0) * np.asarray(gains, dtype=np.float32)))


def compose(image: Array, cover: Array, background: Array | None) -> Array:
    """Return RGB uint8 (H, W, 3) of a sRGB image (H, W, 3) in 0..1, over a background (H, W, 3) uint8.

    cover (H, W): 0..1 how much of a pixel is drawn; where it is 0, the background's own bytes remain. Mixed in
    linear light, as lenses mix.
    """
    drawn = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    if background is None:
        return drawn
    edge = (cover > 0) & (cover < 1)
    share = cover[edge][:, None]
    mixed = to_linear(image[edge]) * share + to_linear(background[edge] / np.float32(255)) * (1 - share)
    result = np.where((cover > 0)[..., None], drawn, background)
    result[edge] = np.rint(to_srgb(mixed) * 255).astype(np.uint8)
    return result


@dataclass(frozen=True)
class CameraFaults:
    """How strong each fault is at most, or its spread; 0 leaves it out.

    exposure: standard deviation in stops. tint: of the gains of red and blue, as a logarithm. blur: largest standard
    deviation of an unsharp lens, px at an image of 640 px width; motion: share of images shaken, along up to
    ``shake`` px. vignette: largest loss of light in the corners. noise: largest standard deviation of sensor noise at
    middle grey, in sRGB units of 0..1. contrast: spread of the tone curve's steepness, saturation: of the colours'.
    """

    exposure: float = 0.3
    tint: float = 0.06
    blur: float = 1.0
    motion: float = 0.06
    shake: float = 7.0
    vignette: float = 0.3
    noise: float = 0.024
    contrast: float = 0.18
    saturation: float = 0.15


NO_FAULTS = CameraFaults(0, 0, 0, 0, 0, 0, 0, 0, 0)


def add_camera_faults(image: Array, rng: np.random.Generator, faults: CameraFaults | None = None) -> Array:
    """Draw the image (H, W, 3) RGB uint8 as a camera would have taken it; the same for the same generator state."""
    faults = faults or CameraFaults()
    light = to_linear(np.asarray(image, dtype=np.float32) / 255)
    gains = np.exp(
        np.array([1.0, 0.0, -1.0]) * rng.normal(0, 1) * faults.tint + rng.normal(0, faults.tint / 3, 3)
    )
    light = light * (gains * 2 ** (rng.normal(0, 1) * faults.exposure)).astype(np.float32)
    light = _blurred(light, rng, faults)
    light = light * _falloff(light.shape, rng.random() ** 2 * faults.vignette)
    light = light + _sensor_noise(light, rng, rng.random() ** 1.5 * faults.noise)
    steep = float(np.exp(np.clip(rng.normal(0, 1), -2, 2) * faults.contrast))
    vivid = float(np.exp(np.clip(rng.normal(0, 1), -2, 2) * faults.saturation))
    return np.rint(_tone(light, steep, vivid) * 255).astype(np.uint8)


def _blurred(light: Array, rng: np.random.Generator, faults: CameraFaults) -> Array:
    """Blur a little, out of focus or shaken along a line."""
    scale = light.shape[1] / 640
    sigma, shaken = rng.random() ** 2 * faults.blur * scale, rng.random() < faults.motion
    length, angle = rng.uniform(0.3, 1) * faults.shake * scale, rng.uniform(0, np.pi)
    if sigma > 0.15:
        light = cv2.GaussianBlur(light, (0, 0), sigma)
    if shaken and length > 1:
        light = cv2.filter2D(light, -1, _stroke(length, angle), borderType=cv2.BORDER_REFLECT)
    return light


def _stroke(length: float, angle: float) -> Array:
    """Return a kernel that smears along a line of ``length`` px; sums to 1."""
    half = int(np.ceil(length / 2))
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
    along, aside = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    kernel = np.clip(length / 2 + 0.5 - np.abs(along), 0, 1) * np.clip(1 - np.abs(aside), 0, 1)
    return kernel / kernel.sum()


def _falloff(shape: tuple[int, ...], loss: float) -> Array:
    """Return light (H, W, 1) that is left, 1 in the middle and 1 - loss in the corners."""
    y, x = np.linspace(-1, 1, shape[0]), np.linspace(-1, 1, shape[1])
    radius = (x[None] ** 2 + y[:, None] ** 2) / 2
    return (1 - loss * radius**1.5)[..., None].astype(np.float32)


def _sensor_noise(light: Array, rng: np.random.Generator, strength: float) -> Array:
    """Draw shot noise, which grows with the root of the light, and read noise, somewhat spread by demosaicing."""
    if strength <= 0:
        return np.zeros_like(light)
    grain = rng.standard_normal(light.shape, dtype=np.float32)
    soft = cv2.GaussianBlur(grain, (0, 0), 0.8)
    grain = 0.6 * grain + 0.4 * soft / max(float(soft.std()), 1e-6)
    # brightness is noisier than colour once a camera has cleaned up
    grain += 0.5 * (grain @ LUMINANCE)[..., None]
    grey = 0.18  # middle grey; the sRGB curve is there 1.1 times as steep as the line from black to white
    return strength / 1.1 * np.sqrt(0.85 * np.maximum(light, 0) / grey + 0.15) * grain


def _tone(light: Array, steep: float, vivid: float) -> Array:
    """Bend sRGB 0..1 through a curve of steepness ``steep`` about the middle, colours made ``vivid`` times as strong."""
    value = to_srgb(light)
    power = np.float32(steep)
    value = np.where(value < 0.5, 0.5 * (2 * value) ** power, 1 - 0.5 * (2 - 2 * value) ** power)
    grey = (value @ LUMINANCE)[..., None]
    return np.clip(grey + (value - grey) * np.float32(vivid), 0, 1)
