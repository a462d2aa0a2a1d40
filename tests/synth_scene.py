"""A flat stick infant in front of a camera: exact labels by hand, no renderer; and how deep limbs are in each other."""

from dataclasses import dataclass, replace

import numpy as np
from figures import POSE
from scipy.spatial import cKDTree

from infantsynth.body import PART_NAMES
from infantsynth.scene.flesh import _neighbours
from infantsynth.spec import BodyInScene, Environment, Material, Mesh, SceneSpec, look_at

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


def winding(points, corners):
    """How often triangles (F, 3, 3) go round points (N, 3): 1 inside, 0 outside (van Oosterom and Strackee 1983)."""
    a, b, c = (corners[None, :, k] - points[:, None] for k in range(3))
    lengths = [np.linalg.norm(side, axis=2) for side in (a, b, c)]
    volume = (a * np.cross(b, c)).sum(axis=2)
    flat = lengths[0] * lengths[1] * lengths[2]
    flat = flat + (a * b).sum(2) * lengths[2] + (b * c).sum(2) * lengths[0] + (c * a).sum(2) * lengths[1]
    return 2 * np.arctan2(volume, flat).sum(axis=1) / (4 * np.pi)


def deepest(body, vertices, count=40):
    """How deep the skin of a body part is inside another one that it does not meet at a joint, m; from the mesh."""
    parts, rng, worst = np.asarray(body.parts), np.random.default_rng(0), 0.0
    part_of_face = parts[body.faces[:, 0]]
    for i, one in enumerate(PART_NAMES):
        for j, other in enumerate(PART_NAMES):
            if i == j or _neighbours(one, other):
                continue
            inner, outer = np.flatnonzero(parts == i), vertices[parts == j]
            near = ((vertices[inner] > outer.min(axis=0)) & (vertices[inner] < outer.max(axis=0))).all(axis=1)
            inner = inner[near]
            if len(inner) == 0:
                continue
            chosen = vertices[rng.choice(inner, min(count, len(inner)), replace=False)]
            inside = winding(chosen, vertices[body.faces[part_of_face == j]]) > 0.5
            if inside.any():
                worst = max(worst, float(cKDTree(outer).query(chosen[inside])[0].max()))
    return worst
