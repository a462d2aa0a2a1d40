"""A flat stick infant in front of a camera: exact labels by hand, no body model, no renderer."""

from dataclasses import dataclass, replace

import numpy as np
from figures import POSE

from fidip.synth.camera import look_at
from fidip.synth.scene.spec import BodyInScene, Environment, Material, Mesh, SceneSpec

GREY = Material(np.array([0.5, 0.5, 0.5], np.float32))
DISTANCE = 2.0  # m from the camera to the plate
KEYPOINTS = np.column_stack([POSE[:, 0] - 0.5, np.zeros(17), 0.5 - POSE[:, 1]])  # left is +x, faces -y
LEFT_WRIST = 9


def plate(centre, width, height, kind, cells=1, source=None):
    """An upright rectangle that faces the camera, (cells + 1)^2 vertices."""
    x, z = np.meshgrid(
        np.linspace(-width / 2, width / 2, cells + 1), np.linspace(-height / 2, height / 2, cells + 1)
    )
    vertices = np.column_stack([x.ravel(), np.zeros(x.size), z.ravel()]) + centre
    corner = (np.arange(cells)[:, None] * (cells + 1) + np.arange(cells)).ravel()
    square = corner[:, None] + np.array([0, 1, cells + 2, cells + 1])
    faces = np.concatenate([square[:, [0, 1, 2]], square[:, [0, 2, 3]]])
    return Mesh(kind, vertices.astype(np.float32), faces.astype(np.int32), GREY, source=source, smooth=False)


def scene(extra=(), shift=(0.0, 0.0), size=(160, 120), info=None):
    """The infant as a plate of 1 m x 1 m, seen straight on; shift: of the camera to the right and up, m."""
    body = plate(np.zeros(3), 1.0, 1.0, "body", cells=40)
    body = replace(body, source=np.arange(len(body.vertices), dtype=np.int32))
    eye = np.array([shift[0], -DISTANCE, shift[1]])
    camera = look_at(eye, eye + [0, 1, 0], np.deg2rad(60), size)
    near = [np.argsort(np.linalg.norm(body.vertices - point, axis=1))[:9] for point in KEYPOINTS]
    posed = BodyInScene(
        vertices=body.vertices,
        normals=np.tile(np.array([0, -1, 0], np.float32), (len(body.vertices), 1)),
        joints=KEYPOINTS[5:],
        keypoints=KEYPOINTS,
        skin=tuple(near),
        parts=(body.vertices[:, 0] > 0).astype(np.int8),  # 1: the left half
        betas=np.zeros(1),
        pose=np.zeros((1, 3)),
        transl=np.zeros(3),
    )
    info = {"posture": "supine", "months": 4.5} if info is None else info
    return SceneSpec(camera, (body, *extra), posed, (), Environment(np.ones(3)), info=info)


@dataclass(frozen=True)
class FlatLook:
    """A look for tests: the camera stands elsewhere for each seed, the picture is noise."""

    width: int = 160
    height: int = 120

    def artist(self):
        def draw(seed):
            rng = np.random.default_rng(seed)
            spec = scene(shift=rng.uniform(-0.2, 0.2, 2), size=(self.width, self.height))
            return spec, rng.integers(0, 256, (self.height, self.width, 3), dtype=np.uint8)

        return draw

    def inputs(self):
        return {}
