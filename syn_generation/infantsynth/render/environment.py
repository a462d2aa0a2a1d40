"""Light from everywhere: directions of an environment picture, and the light that surfaces get from it."""

from functools import lru_cache

import numpy as np

from infantsynth.spec import AreaLight, Environment

Array = np.ndarray


def picture_directions(height: int, width: int, turn: float) -> tuple[Array, Array]:
    """Unit directions (H, W, 3) and solid angles (H, 1) in sr of an equirectangular picture's pixels.

    Row 0 is up (+z); seen from inside, the picture's middle lies at azimuth ``turn`` from +x towards +y.
    """
    polar = (np.arange(height) + 0.5) / height * np.pi
    azimuth = turn - ((np.arange(width) + 0.5) / width - 0.5) * 2 * np.pi
    sine, cosine = np.sin(polar)[:, None], np.cos(polar)[:, None]
    around = np.stack([sine * np.cos(azimuth), sine * np.sin(azimuth), cosine + 0 * azimuth], axis=-1)
    return around, sine * (np.pi / height) * (2 * np.pi / width)


def seen(environment: Environment, directions: Array) -> Array:
    """Radiance (N, 3) that comes from unit directions (N, 3)."""
    radiance = np.asarray(environment.radiance, dtype=np.float32)
    if radiance.ndim == 1:
        return np.broadcast_to(radiance, (len(directions), 3))
    height, width = radiance.shape[:2]
    row = np.arccos(np.clip(directions[:, 2], -1, 1)) / np.pi * height - 0.5
    azimuth = np.arctan2(directions[:, 1], directions[:, 0])
    column = ((environment.turn - azimuth) / (2 * np.pi) + 0.5) % 1.0 * width - 0.5
    left, top = np.floor(column).astype(int), np.floor(row).astype(int)
    aside, down = (column - left)[:, None].astype(np.float32), (row - top)[:, None].astype(np.float32)
    upper, lower = (
        radiance[line, left % width] * (1 - aside) + radiance[line, (left + 1) % width] * aside
        for line in (np.clip(top, 0, height - 1), np.clip(top + 1, 0, height - 1))
    )
    return upper * (1 - down) + lower * down


def harmonics(directions: Array) -> Array:
    """The nine real spherical harmonics up to degree 2 at unit directions (..., 3): (..., 9)."""
    x, y, z = np.moveaxis(directions, -1, 0)
    terms = [0 * x + 0.282095, 0.488603 * y, 0.488603 * z, 0.488603 * x, 1.092548 * x * y, 1.092548 * y * z,
             0.315392 * (3 * z * z - 1), 1.092548 * x * z, 0.546274 * (x * x - y * y)]  # fmt: skip
    return np.stack(terms, axis=-1)


class Dome:
    """Irradiance of an environment on surfaces of any direction (Ramamoorthi and Hanrahan 2001)."""

    _COSINE = np.array([np.pi, *[2 * np.pi / 3] * 3, *[np.pi / 4] * 5])  # the cosine lobe in the same terms

    def __init__(self, environment: Environment) -> None:
        radiance = np.asarray(environment.radiance, dtype=np.float64)
        if radiance.ndim == 1:
            self.terms = np.zeros((9, 3))
            self.terms[0] = radiance * 0.282095 * 4 * np.pi
        else:
            basis, solid = _basis(*radiance.shape[:2], environment.turn)
            self.terms = np.einsum("hwk,hwc->kc", basis * solid[..., None], radiance)

    def irradiance(self, normals: Array) -> Array:
        """Irradiance (N, 3) on surfaces with unit normals (N, 3)."""
        lobes = harmonics(normals) @ (self._COSINE[:, None] * self.terms).astype(normals.dtype)
        return np.maximum(lobes, 0)


@lru_cache(maxsize=4)
def _basis(height: int, width: int, turn: float) -> tuple[Array, Array]:
    directions, solid = picture_directions(height, width, turn)
    return harmonics(directions), solid


def light_axes(light: AreaLight) -> tuple[Array, Array, Array]:
    """Unit vectors (3,) along a light's width, along its height, and the way it shines."""
    ahead = np.asarray(light.target, dtype=np.float64) - light.centre
    ahead = ahead / np.linalg.norm(ahead)
    across = np.cross([0.0, 0.0, 1.0], ahead)
    if np.linalg.norm(across) < 1e-6:
        across = np.array([1.0, 0.0, 0.0])
    across = across / np.linalg.norm(across)
    return across, np.cross(ahead, across), ahead


def incident(lights: tuple[AreaLight, ...], environment: Environment, place: Array, normal: Array) -> Array:
    """Irradiance (3,) at a place (3,) m on a surface with unit normal (3,), nothing in the way: a light meter."""
    total = Dome(environment).irradiance(np.asarray(normal)[None])[0]
    for light in lights:
        ray = np.asarray(light.centre) - place
        distance = np.linalg.norm(ray)
        ray = ray / distance
        cosines = max(float(ray @ normal), 0) * max(float(-ray @ light_axes(light)[2]), 0)
        total = total + np.asarray(light.radiance) * (light.size[0] * light.size[1] * cosines / distance**2)
    return total
