"""A pinhole camera in OpenCV axes: x right, y down, z forward; integer pixel coordinates are pixel centres."""

from dataclasses import dataclass

import numpy as np

from fidip.errors import DataError

Array = np.ndarray


@dataclass(frozen=True)
class Camera:
    """Intrinsics (3, 3) in px, world-to-camera rotation (3, 3) and translation (3,) in m, picture size in px."""

    intrinsics: Array
    rotation: Array
    translation: Array
    width: int
    height: int

    @property
    def centre(self) -> Array:
        """Where the camera stands in the world, (3,) m."""
        return -self.rotation.T @ self.translation

    def to_camera(self, points: Array) -> Array:
        """World points (..., 3) in m to camera axes (..., 3) in m."""
        return points @ self.rotation.T + self.translation

    def project(self, points: Array) -> tuple[Array, Array]:
        """World points (..., 3) in m to picture positions (..., 2) in px and depths (...) in m along the axis.

        A point at or behind the camera's plane has no picture position: NaN.
        """
        seen = self.to_camera(np.asarray(points, dtype=np.float64))
        depth = seen[..., 2]
        safe = np.where(depth > 0, depth, np.nan)[..., None]
        focal = np.array([self.intrinsics[0, 0], self.intrinsics[1, 1]])
        return seen[..., :2] / safe * focal + self.intrinsics[:2, 2], depth

    def inside(self, xy: Array) -> Array:
        """Which picture positions (..., 2) in px fall on a pixel of the picture: (...) bool."""
        edge = np.array([self.width, self.height]) - 0.5
        return np.all((xy >= -0.5) & (xy < edge), axis=-1)  # NaN compares false


def look_at(
    eye: Array, target: Array, fov: float, size: tuple[int, int], roll: float = 0.0, up: Array | None = None
) -> Camera:
    """A camera at ``eye`` that looks at ``target`` (both (3,) m).

    fov: horizontal field of view, rad. size: (width, height) px. roll: turn of the camera about its axis, rad,
    which turns the picture the other way. up: (3,) direction that is up in the picture, default +z; where the
    camera looks along it, +y is taken. Raises DataError where eye and target coincide.
    """
    forward = np.asarray(target, dtype=np.float64) - eye
    length = np.linalg.norm(forward)
    if length < 1e-9:
        raise DataError("a camera cannot look at the point where it stands: move eye or target")
    forward = forward / length
    right = np.cross(forward, np.array([0.0, 0.0, 1.0]) if up is None else up)
    if np.linalg.norm(right) < 1e-6:
        right = np.cross(forward, np.array([0.0, 1.0, 0.0]))
    right = right / np.linalg.norm(right)
    down = np.cross(forward, right)
    cos, sin = np.cos(roll), np.sin(roll)
    rotation = np.stack([cos * right + sin * down, cos * down - sin * right, forward])
    width, height = size
    focal = width / 2 / np.tan(fov / 2)
    intrinsics = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1.0]])
    return Camera(intrinsics, rotation, -rotation @ np.asarray(eye, dtype=np.float64), width, height)
