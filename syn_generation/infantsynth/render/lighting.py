"""Compute the light that surfaces get: environment, lamps, soft shadows, nooks."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from infantsynth.render.zbuffer import rasterise
from infantsynth.spec import AreaLight, Camera, Environment, Mesh, look_at

Array = np.ndarray

_SIDE = 768  # px of a shadow map
_WIDEST = np.deg2rad(110)  # field of view of a shadow map
_TAPS = 16
_OFFSET = 0.004  # m along the normal: a surface does not shade itself
_REACH = 0.14  # m: how far away things make a nook dim


def environment_directions(height: int, width: int, turn: float) -> tuple[Array, Array]:
    """Return unit directions (H, W, 3) and solid angles (H, 1) in sr of an equirectangular image's pixels.

    Row 0 is up (+z); seen from inside, the image's middle lies at azimuth ``turn`` from +x towards +y.
    """
    polar = (np.arange(height) + 0.5) / height * np.pi
    azimuth = turn - ((np.arange(width) + 0.5) / width - 0.5) * 2 * np.pi
    sine, cosine = np.sin(polar)[:, None], np.cos(polar)[:, None]
    around = np.stack([sine * np.cos(azimuth), sine * np.sin(azimuth), cosine + 0 * azimuth], axis=-1)
    return around, sine * (np.pi / height) * (2 * np.pi / width)


def radiance_seen(environment: Environment, directions: Array) -> Array:
    """Return radiance (N, 3) that comes from unit directions (N, 3)."""
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
    """Return the nine real spherical harmonics up to degree 2 at unit directions (..., 3): (..., 9)."""
    x, y, z = np.moveaxis(directions, -1, 0)
    terms = [
        0 * x + 0.282095,
        0.488603 * y,
        0.488603 * z,
        0.488603 * x,
        1.092548 * x * y,
        1.092548 * y * z,
        0.315392 * (3 * z * z - 1),
        1.092548 * x * z,
        0.546274 * (x * x - y * y),
    ]
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
        """Return irradiance (N, 3) on surfaces with unit normals (N, 3)."""
        lobes = harmonics(normals) @ (self._COSINE[:, None] * self.terms).astype(normals.dtype)
        return np.maximum(lobes, 0)


@lru_cache(maxsize=4)
def _basis(height: int, width: int, turn: float) -> tuple[Array, Array]:
    directions, solid = environment_directions(height, width, turn)
    return harmonics(directions), solid


def light_axes(light: AreaLight) -> tuple[Array, Array, Array]:
    """Return unit vectors (3,) along a light's width, along its height, and the way it shines."""
    ahead = np.asarray(light.target, dtype=np.float64) - light.centre
    ahead = ahead / np.linalg.norm(ahead)
    across = np.cross([0.0, 0.0, 1.0], ahead)
    if np.linalg.norm(across) < 1e-6:
        across = np.array([1.0, 0.0, 0.0])
    across = across / np.linalg.norm(across)
    return across, np.cross(ahead, across), ahead


def incident(lights: tuple[AreaLight, ...], environment: Environment, place: Array, normal: Array) -> Array:
    """Return irradiance (3,) at a place (3,) m on a surface with unit normal (3,), nothing in the way: a light meter."""
    total = Dome(environment).irradiance(np.asarray(normal)[None])[0]
    for light in lights:
        ray = np.asarray(light.centre) - place
        distance = np.linalg.norm(ray)
        ray = ray / distance
        cosines = max(float(ray @ normal), 0) * max(float(-ray @ light_axes(light)[2]), 0)
        total = total + np.asarray(light.radiance) * (light.size[0] * light.size[1] * cosines / distance**2)
    return total


@dataclass(frozen=True)
class ShadowMap:
    """Depth (S, S) m from the middle of a light of radius ``radius`` m, seen by ``camera``."""

    camera: Camera
    depth: Array
    radius: float

    def lit(self, place: Array, normal: Array, seed: Array) -> Array:
        """Return the share 0..1 of the light that reaches places (N, 3) m; seed (N,): turns the taps, 0..1.

        Blockers are looked for in a disc, their mean distance tells how wide the penumbra is (Fernando 2005).
        """
        xy, depth = self.camera.project(place + normal * np.float32(_OFFSET))
        xy, depth = xy.astype(np.float32), depth.astype(np.float32)
        inside = self.camera.inside(xy) & (depth > 0.02)
        focal = np.float32(self.camera.intrinsics[0, 0])
        disc = _disc(seed[inside])
        xy, depth = xy[inside], depth[inside]
        nearest = np.float32(max(self.depth.min(), 0.05))
        search = np.minimum(
            focal * self.radius * (depth / nearest - 1) / depth, focal * 2 * self.radius / depth + 2
        )
        found = self._taps(xy, disc, search)
        blocks = found < depth[:, None] - _OFFSET
        count = blocks.sum(axis=1)
        mean = np.where(blocks, found, 0).sum(axis=1) / np.maximum(count, 1)
        width = focal * self.radius * np.maximum(depth / np.maximum(mean, nearest) - 1, 0) / depth
        found = self._taps(xy, disc, np.maximum(width, 1.0))
        share = np.ones(len(place), dtype=np.float32)
        share[inside] = np.where(count > 0, 1 - (found < depth[:, None] - _OFFSET).mean(axis=1), 1)
        return share

    def _taps(self, xy: Array, disc: Array, radius: Array) -> Array:
        """Return depths (N, taps) m on discs of ``radius`` (N,) px about xy (N, 2)."""
        where = np.rint(xy[:, None] + disc * radius[:, None, None]).astype(np.int32)
        np.clip(where, 0, len(self.depth) - 1, out=where)
        return self.depth[where[..., 1], where[..., 0]]


def shadow_map(light: AreaLight, meshes: Sequence[Mesh], receivers: Array) -> ShadowMap:
    """Return the map of a light that covers the receivers (N, 3) m as far as a field of view can."""
    ahead = np.asarray(light.target) - light.centre
    rays = receivers[:: max(len(receivers) // 5000, 1)] - light.centre
    cosine = rays @ ahead / np.maximum(np.linalg.norm(rays, axis=1) * np.linalg.norm(ahead), 1e-9)
    widest = np.arccos(np.clip(np.quantile(cosine, 0.02) if len(cosine) else 0.0, -1, 1))
    fov = float(np.clip(2.1 * widest, np.deg2rad(10), _WIDEST))
    camera = look_at(light.centre, light.target, fov, (_SIDE, _SIDE))
    return ShadowMap(
        camera, rasterise(camera, meshes).depth, float(np.sqrt(light.size[0] * light.size[1])) / 2
    )


def _disc(seed: Array) -> Array:
    """Return points (N, taps, 2) spread evenly over the unit disc (Vogel 1979), turned by seed (N,) in 0..1."""
    number = np.arange(_TAPS, dtype=np.float32) + 0.5
    angle = number * np.float32(2.399963) + np.float32(2 * np.pi) * seed[:, None]
    radius = np.sqrt(number / _TAPS)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)


def openness(camera: Camera, depth: Array, where: Array, place: Array, normal: Array, seed: Array) -> Array:
    """Return the share 0..1 of the surroundings that samples (N,) see (McGuire et al. 2011).

    depth (H, W) m: of ``camera``; where: flat index of the sample; place, normal (N, 3); seed (N,) 0..1.
    """
    row, column = np.divmod(where, camera.width)
    focal = np.float32(camera.intrinsics[0, 0])
    own = depth.ravel()[where]
    radius = np.clip(focal * _REACH / own, 3, camera.width / 6)
    offset = np.rint(_disc(seed) * radius[:, None, None]).astype(np.int32)
    x = np.clip(column[:, None] + offset[..., 0], 0, camera.width - 1)
    y = np.clip(row[:, None] + offset[..., 1], 0, camera.height - 1)
    far = np.where(np.isfinite(depth), depth, np.float32(1e4))
    other = far[y, x]
    turned = (normal @ camera.rotation.T).astype(np.float32)
    at = camera.to_camera(place).astype(np.float32)
    centre = camera.intrinsics[:2, 2].astype(np.float32)
    toward = [
        (x - centre[0]) / focal * other - at[:, :1],
        (y - centre[1]) / focal * other - at[:, 1:2],
        other - at[:, 2:],
    ]
    distance = sum(part * part for part in toward)
    raised = sum(part * turned[:, axis, None] for axis, part in enumerate(toward))
    hidden = np.maximum(raised - 0.02 * own[:, None] * 0.1, 0) / (distance + 1e-4)
    hidden = np.where(distance < (2 * _REACH) ** 2, hidden * _REACH * 0.5, 0)
    return np.clip(1 - 2.2 * hidden.mean(axis=1), 0.15, 1).astype(np.float32)
