"""What cameras do to a picture: exposure, white balance, blur, vignetting, sensor noise and a tone curve."""

from dataclasses import dataclass

import cv2
import numpy as np

from infantsynth.render.film import LUMINANCE, to_linear, to_srgb

Array = np.ndarray


@dataclass(frozen=True)
class CameraFaults:
    """How strong each fault is at most, or its spread; 0 leaves it out.

    exposure: standard deviation in stops. tint: of the gains of red and blue, as a logarithm. blur: largest standard
    deviation of an unsharp lens, px at a picture of 640 px width; motion: share of pictures shaken, along up to
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


def develop(picture: Array, rng: np.random.Generator, faults: CameraFaults | None = None) -> Array:
    """The picture (H, W, 3) RGB uint8 as a camera would have taken it; the same for the same generator state."""
    faults = faults or CameraFaults()
    light = to_linear(np.asarray(picture, dtype=np.float32) / 255)
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
    """Out of focus a little, or shaken along a line."""
    scale = light.shape[1] / 640
    sigma, shaken = rng.random() ** 2 * faults.blur * scale, rng.random() < faults.motion
    length, angle = rng.uniform(0.3, 1) * faults.shake * scale, rng.uniform(0, np.pi)
    if sigma > 0.15:
        light = cv2.GaussianBlur(light, (0, 0), sigma)
    if shaken and length > 1:
        light = cv2.filter2D(light, -1, _stroke(length, angle), borderType=cv2.BORDER_REFLECT)
    return light


def _stroke(length: float, angle: float) -> Array:
    """A kernel that smears along a line of ``length`` px; sums to 1."""
    half = int(np.ceil(length / 2))
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
    along, aside = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    kernel = np.clip(length / 2 + 0.5 - np.abs(along), 0, 1) * np.clip(1 - np.abs(aside), 0, 1)
    return kernel / kernel.sum()


def _falloff(shape: tuple[int, ...], loss: float) -> Array:
    """Light (H, W, 1) that is left, 1 in the middle and 1 - loss in the corners."""
    y, x = np.linspace(-1, 1, shape[0]), np.linspace(-1, 1, shape[1])
    radius = (x[None] ** 2 + y[:, None] ** 2) / 2
    return (1 - loss * radius**1.5)[..., None].astype(np.float32)


def _sensor_noise(light: Array, rng: np.random.Generator, strength: float) -> Array:
    """Shot noise, which grows with the root of the light, and read noise, somewhat spread by demosaicing."""
    if strength <= 0:
        return np.zeros_like(light)
    grain = rng.standard_normal(light.shape, dtype=np.float32)
    soft = cv2.GaussianBlur(grain, (0, 0), 0.8)
    grain = 0.6 * grain + 0.4 * soft / max(float(soft.std()), 1e-6)
    grain += (
        0.5 * (grain @ LUMINANCE)[..., None]
    )  # brightness is noisier than colour once a camera has cleaned up
    grey = 0.18  # middle grey; the sRGB curve is there 1.1 times as steep as the line from black to white
    return strength / 1.1 * np.sqrt(0.85 * np.maximum(light, 0) / grey + 0.15) * grain


def _tone(light: Array, steep: float, vivid: float) -> Array:
    """SRGB 0..1 through a curve of steepness ``steep`` about the middle, colours made ``vivid`` times as strong."""
    value = to_srgb(light)
    power = np.float32(steep)
    value = np.where(value < 0.5, 0.5 * (2 * value) ** power, 1 - 0.5 * (2 - 2 * value) ** power)
    grey = (value @ LUMINANCE)[..., None]
    return np.clip(grey + (value - grey) * np.float32(vivid), 0, 1)
