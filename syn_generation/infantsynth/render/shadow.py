"""Soft shadows from maps of depth seen from the lights, and the dimness of nooks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from infantsynth.render.zbuffer import rasterise
from infantsynth.spec import AreaLight, Camera, Mesh, look_at

Array = np.ndarray

_SIDE = 768  # px of a shadow map
_WIDEST = np.deg2rad(110)  # field of view of a shadow map
_TAPS = 16
_OFFSET = 0.004  # m along the normal: a surface does not shade itself
_REACH = 0.14  # m: how far away things make a nook dim


@dataclass(frozen=True)
class ShadowMap:
    """Depth (S, S) m from the middle of a light of radius ``radius`` m, seen by ``camera``."""

    camera: Camera
    depth: Array
    radius: float

    def lit(self, place: Array, normal: Array, seed: Array) -> Array:
        """Share 0..1 of the light that reaches places (N, 3) m; seed (N,): turns the taps, 0..1.

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
        """Depths (N, taps) m on discs of ``radius`` (N,) px about xy (N, 2)."""
        where = np.rint(xy[:, None] + disc * radius[:, None, None]).astype(np.int32)
        np.clip(where, 0, len(self.depth) - 1, out=where)
        return self.depth[where[..., 1], where[..., 0]]


def shadow_map(light: AreaLight, meshes: Sequence[Mesh], receivers: Array) -> ShadowMap:
    """The map of a light that covers the receivers (N, 3) m as far as a field of view can."""
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
    """Points (N, taps, 2) spread evenly over the unit disc (Vogel 1979), turned by seed (N,) in 0..1."""
    number = np.arange(_TAPS, dtype=np.float32) + 0.5
    angle = number * np.float32(2.399963) + np.float32(2 * np.pi) * seed[:, None]
    radius = np.sqrt(number / _TAPS)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)


def openness(camera: Camera, depth: Array, where: Array, place: Array, normal: Array, seed: Array) -> Array:
    """Share 0..1 of the surroundings that samples (N,) see (McGuire et al. 2011).

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
