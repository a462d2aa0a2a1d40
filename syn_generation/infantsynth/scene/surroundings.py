"""Draw light and backgrounds, procedural or from the user's files."""

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from fidip.errors import DataError
from fidip.pixels import read_rgb
from infantsynth.appearance.swatch import noise_field
from infantsynth.appearance.textures import procedural_color
from infantsynth.spec import AreaLight, Environment

Array = np.ndarray

RADIANCE_SUFFIXES = (".hdr", ".exr")
_BEHIND = 0.05  # m that a lamp stands behind the camera at least
_HEIGHT = 128  # px that environment images are brought to: light needs no more
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


def temperature(kelvin: float) -> Array:
    """Return linear RGB (3,), mean 1, of a black body of 2000..12000 K: Planck's law at 600, 540 and 450 nm, 6500 K white."""

    def radiated(k: float) -> Array:
        wavelength = np.array([600e-9, 540e-9, 450e-9])
        return wavelength**-5 / (np.exp(1.4388e-2 / (wavelength * k)) - 1)

    color = radiated(kelvin) / radiated(6500.0)
    return color / color.mean()


@dataclass(frozen=True)
class Lighting:
    """lights and environment of a scene; name: what was drawn, for the record."""

    lights: tuple[AreaLight, ...]
    environment: Environment
    name: str

    def seen_from(self, viewpoint: Array) -> "Lighting":
        """Return the same light without a lamp before the camera at (3,) m: lamps are black from behind and hide the scene."""
        return replace(self, lights=tuple(_behind(light, viewpoint) for light in self.lights))


def _files(folder: Path, suffixes: tuple[str, ...], what: str) -> list[Path]:
    """List the files of a folder with some suffixes. Raises DataError where there are none."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes)
    if not files:
        raise DataError(
            f"{folder} holds no {what} image ({', '.join(suffixes)}); leave the option out or add some"
        )
    return files


class LightSource:
    """A folder of environment images (.hdr or .exr, equirectangular). Raises DataError where it holds none."""

    def __init__(self, folder: Path) -> None:
        self.files = _files(folder, RADIANCE_SUFFIXES, "environment")

    def draw(self, rng: np.random.Generator) -> tuple[Environment, str]:
        """Draw one of them, turned at random and brought to mean radiance 1; and its name."""
        path = self.files[rng.integers(len(self.files))]
        return Environment(read_environment(path), float(rng.uniform(-np.pi, np.pi))), path.name


def read_environment(path: Path) -> Array:
    """Return radiance (H, 2 H, 3) float32, linear RGB, mean 1. Raises DataError for a file that is no such image."""
    image = _read_exr(path) if path.suffix.lower() == ".exr" else _read_hdr(path)
    if image is None or image.ndim != 3 or image.shape[2] < 3 or image.dtype != np.float32:
        raise DataError(f"environment {path} is no image of radiance (.hdr, .exr); replace it")
    rgb = np.maximum(np.nan_to_num(image[..., :3]), 0)
    small = cv2.resize(rgb, (2 * _HEIGHT, _HEIGHT), interpolation=cv2.INTER_AREA)
    return (small / max(float(small.mean()), 1e-9)).astype(np.float32)


def _read_hdr(path: Path) -> Array | None:
    """Linear RGB (H, W, 3) float32; None for what is no such image."""
    data = np.fromfile(path, dtype=np.uint8)
    try:
        image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    except cv2.error:
        return None
    return image if image is None or image.ndim != 3 else image[..., 2::-1]


def _read_exr(path: Path) -> Array | None:
    """Linear RGB (H, W, 3) float32; None for what is no such image. OpenCV is built without OpenEXR, Mitsuba has it."""
    import mitsuba

    if mitsuba.variant() is None:
        mitsuba.set_variant("scalar_rgb")
    try:
        bitmap = mitsuba.Bitmap(str(path))
    except RuntimeError:
        return None
    rgb = bitmap.convert(mitsuba.Bitmap.PixelFormat.RGB, mitsuba.Struct.Type.Float32, srgb_gamma=False)
    return np.array(rgb)


def _dome(rng: np.random.Generator, color: Array) -> Array:
    """Draw light from everywhere, brighter from above or from one side: (32, 64, 3)."""
    height = np.linspace(1, -1, 32)[:, None]
    around = np.linspace(0, 2 * np.pi, 64, endpoint=False)[None, :]
    side = np.cos(around - rng.uniform(0, 2 * np.pi)) * np.sqrt(1 - height**2)
    shade = 1 + rng.uniform(0, 0.6) * height + rng.uniform(0, 0.5) * side
    return (np.maximum(shade, 0.15)[..., None] * color).astype(np.float32)


def draw_lighting(
    centre: Array, scale: float, outdoors: bool, rng: np.random.Generator, source: LightSource | None = None
) -> Lighting:
    """Draw lamps, windows and dome about a body at ``centre`` (3,) m; scale: distances in units of a 0.7 m body's.

    The key light outshines the dome 0.5 to 6 times on the body, so that shadows are soft or crisp.
    """
    kelvin = rng.uniform(4800, 9000) if outdoors else float(np.exp(rng.uniform(np.log(2700), np.log(7500))))
    tint = temperature(kelvin)
    ambient = rng.uniform(0.25, 0.6)
    if source is not None:
        drawn, name = source.draw(rng)
        environment = Environment(drawn.radiance * np.float32(ambient), drawn.turn)
    else:
        fill = temperature(float(np.clip(kelvin * rng.uniform(0.8, 1.5), 2500, 12000)))
        environment, name = Environment(_dome(rng, fill * ambient), 0.0), "dome"
    lights = []
    style = (
        "sun"
        if outdoors and rng.random() < 0.5
        else str(rng.choice(["ceiling", "window", "lamp", "flash"], p=[0.4, 0.33, 0.2, 0.07]))
    )
    strength = ambient * np.pi * rng.uniform(0.5, 4.5 if style != "sun" else 8.0)
    lights.append(_light(style, centre, scale, strength * tint, rng))
    if rng.random() < 0.4:
        lights.append(
            _light(
                "lamp",
                centre,
                scale,
                strength * rng.uniform(0.1, 0.4) * temperature(rng.uniform(2700, 7000)),
                rng,
            )
        )
    return Lighting(tuple(lights), environment, f"{name}+{style}")


def _light(style: str, centre: Array, scale: float, irradiance: Array, rng: np.random.Generator) -> AreaLight:
    """Draw a rectangle that gives about ``irradiance`` (3,) where the body is."""
    elevation, distance, side = {
        "ceiling": (rng.uniform(60, 88), rng.uniform(1.5, 2.4), rng.uniform(0.25, 0.9)),
        "window": (rng.uniform(20, 50), rng.uniform(1.3, 2.2), rng.uniform(0.7, 1.4)),
        "lamp": (rng.uniform(25, 75), rng.uniform(0.9, 1.8), rng.uniform(0.06, 0.25)),
        "flash": (rng.uniform(55, 88), rng.uniform(1.0, 1.6), 0.05),
        "sun": (rng.uniform(25, 80), 3.5, 0.12),
    }[style]
    azimuth, tilt = rng.uniform(-np.pi, np.pi), np.radians(elevation)
    direction = np.array([np.cos(tilt) * np.cos(azimuth), np.cos(tilt) * np.sin(azimuth), np.sin(tilt)])
    reach = distance * max(scale, 0.8)
    size = (side * scale, side * rng.uniform(0.5, 1.2) * scale)
    radiance = irradiance * reach**2 / (size[0] * size[1])
    return AreaLight(centre + direction * reach, centre, size, radiance.astype(np.float64))


def _behind(light: AreaLight, viewpoint: Array) -> AreaLight:
    """Return the light so far away that it has the viewpoint before it; larger with the distance, so that it gives as much."""
    reach = float(np.linalg.norm(light.centre - light.target))
    toward = (light.centre - light.target) / reach
    growth = (float((viewpoint - light.target) @ toward) + _BEHIND) / reach
    if growth <= 1:
        return light
    size = (light.size[0] * growth, light.size[1] * growth)
    return replace(light, centre=light.target + toward * reach * growth, size=size)


class BackgroundSource:
    """A folder of images without persons. Raises DataError where it holds none."""

    def __init__(self, folder: Path) -> None:
        self.files = _files(folder, IMAGE_SUFFIXES, "background")

    def draw(self, size: tuple[int, int], rng: np.random.Generator) -> tuple[Array, str]:
        """Draw a random part of a random image at ``size`` (width, height), RGB uint8 (H, W, 3); and its name.

        Small images are enlarged to cover it.
        """
        path = self.files[rng.integers(len(self.files))]
        image = read_rgb(path)
        if rng.random() < 0.5:
            image = np.ascontiguousarray(image[:, ::-1])
        return random_window(image, size, rng), path.name


def random_window(image: Array, size: tuple[int, int], rng: np.random.Generator) -> Array:
    """Draw a random window of an image (H, W, 3) that has the aspect of ``size``, scaled to it."""
    height, width = image.shape[:2]
    largest = min(width / size[0], height / size[1])
    scale = largest * rng.uniform(0.7, 1.0)
    window = max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)
    x, y = rng.integers(0, width - window[0] + 1), rng.integers(0, height - window[1] + 1)
    part = image[y : y + window[1], x : x + window[0]]
    way = cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR
    return cv2.resize(part, size, interpolation=way)


def procedural_background(size: tuple[int, int], rng: np.random.Generator) -> tuple[Array, str]:
    """Draw a made-up background: a surface seen flat, or floor and wall with soft light. RGB uint8 (H, W, 3); its name."""
    width, height = size
    side = 256
    below = str(rng.choice(["sheet", "carpet", "wood", "cloth", "tile"]))
    image = _tiled(procedural_color(below, rng, side), size, rng.uniform(0.8, 2.2))
    name = below
    if rng.random() < 0.5:
        wall = _tiled(procedural_color("wall", rng, side), size, rng.uniform(0.8, 2.0))
        line = height * rng.uniform(0.1, 0.6) + (np.arange(width) - width / 2) * rng.normal(0, 0.05)
        above = np.clip(line[None, :] - np.arange(height)[:, None] + 0.5, 0, 1)[..., None]
        image, name = image * (1 - above) + wall * above, f"wall+{below}"
    light = cv2.resize(noise_field(rng, 64, 40, 2.5), size, interpolation=cv2.INTER_CUBIC)
    lit = np.clip(image * (1 + 0.15 * light[..., None]), 0, 1)
    return np.rint(lit * 255).astype(np.uint8), name


def _tiled(tile: Array, size: tuple[int, int], zoom: float) -> Array:
    """Return a tile (S, S, 3) repeated over an image of ``size``, each drawn ``zoom`` times its size."""
    scaled = cv2.resize(tile, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_LINEAR)
    times = -(-size[1] // len(scaled)), -(-size[0] // len(scaled)), 1
    return np.tile(scaled, times)[: size[1], : size[0]]
