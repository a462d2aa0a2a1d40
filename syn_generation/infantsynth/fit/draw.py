"""Pictures and meshes of fits."""

from pathlib import Path

import cv2
import numpy as np

from fidip.pixels import read_rgb
from fidip.runtime import atomic_path, write_text
from fidip.skeleton import COCO17
from infantsynth.body import BodyModel
from infantsynth.fit.outcome import Outcome
from infantsynth.render.zbuffer import rasterise
from infantsynth.spec import Camera, Material, Mesh

Array = np.ndarray

LONGEST = 800  # px; larger pictures are drawn smaller
PLASTER = np.array([120.0, 165.0, 235.0])  # RGB of the fitted body: a lay figure's, nobody's skin
OPACITY = 0.65
PAPER = 235
SEEN, FITTED = (255, 210, 40), (225, 30, 60)  # RGB
FLIP = np.array([1.0, -1.0, -1.0])  # camera axes to a viewer's: y up, z towards the eye


def write_mesh(path: Path, body: BodyModel, vertices: Array) -> None:
    """Write posed vertices (V, 3) m in camera axes as .obj, turned so that y is up and the camera looks along -z."""
    lines = ["# m; x right, y up, z towards the camera"]
    lines += [f"v {x:.5f} {y:.5f} {z:.5f}" for x, y, z in vertices * FLIP]
    lines += [f"f {a} {b} {c}" for a, b, c in np.asarray(body.faces) + 1]
    write_text(path, "\n".join(lines) + "\n")


def write_overlay(
    path: Path, body: BodyModel, outcome: Outcome, vertices: Array, picture: Path | None
) -> None:
    """Write ``overlay`` as PNG; without a picture on plain paper. Raises DataError for an unreadable picture."""
    shown = None if picture is None else read_rgb(picture)
    drawn = overlay(body, outcome, vertices, shown)
    with atomic_path(path) as temporary:
        temporary.write_bytes(cv2.imencode(".png", drawn[..., ::-1])[1].tobytes())


def overlay(body: BodyModel, outcome: Outcome, vertices: Array, picture: Array | None) -> Array:
    """The fitted body over the picture, RGB uint8 (H, W, 3): given joints yellow, the fit's as red rings.

    vertices: (V, 3) m in camera axes. picture: RGB uint8 of the keypoints' size, or None.
    """
    width, height = outcome.size
    scale = min(1.0, LONGEST / max(width, height))
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    canvas = np.full((height, width, 3), PAPER, np.uint8) if picture is None else picture
    canvas = cv2.resize(canvas, size, interpolation=cv2.INTER_AREA)
    shrink = np.diag([scale, scale, 1.0])
    shrink[:2, 2] = (scale - 1) / 2
    camera = Camera(shrink @ outcome.intrinsics, np.eye(3), np.zeros(3), *size)
    canvas = _blend(canvas, camera, body, vertices)
    _draw_joints(canvas, outcome, scale)
    return canvas


def _blend(canvas: Array, camera: Camera, body: BodyModel, vertices: Array) -> Array:
    faces = np.asarray(body.faces, dtype=np.int32)
    mesh = Mesh("body", vertices.astype(np.float32), faces, Material(PLASTER.astype(np.float32) / 255))
    buffers = rasterise(camera, (mesh,))
    corners = vertices[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    sight = corners.mean(axis=1)
    facing = np.abs((normal * sight).sum(axis=1)) / np.maximum(np.linalg.norm(sight, axis=1), 1e-9)
    inside = buffers.mesh >= 0
    paint = PLASTER * (0.3 + 0.7 * facing[buffers.face[inside]])[:, None]
    blended = canvas.copy()
    blended[inside] = (canvas[inside] * (1 - OPACITY) + paint * OPACITY).round().astype(np.uint8)
    return blended


def _draw_joints(canvas: Array, outcome: Outcome, scale: float) -> None:
    """In place; joints that were not given have no mark, the fit's are all drawn."""
    fitted = _pixels(outcome.projected, scale)
    given = _pixels(outcome.keypoints[:, :2], scale)
    for start, end in COCO17.limbs:
        cv2.line(canvas, fitted[start], fitted[end], FITTED, 1, cv2.LINE_AA)
    for own, joint, weight in zip(fitted, given, outcome.keypoints[:, 2], strict=True):
        if weight > 0:
            cv2.circle(canvas, joint, 3, SEEN, cv2.FILLED, cv2.LINE_AA)
        cv2.circle(canvas, own, 5, FITTED, 1, cv2.LINE_AA)


def _pixels(points: Array, scale: float) -> list[tuple[int, int]]:
    placed = ((points + 0.5) * scale - 0.5).clip(-1e4, 1e4).round().astype(int)
    return [(int(x), int(y)) for x, y in placed]
