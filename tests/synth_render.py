"""Scenes for the renderers' tests: a clay mannequin, and a square straight before the camera."""

from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
import torch

from infantsynth.body import PART_NAMES, load_body
from infantsynth.spec import AreaLight, BodyInScene, Environment, Material, Mesh, SceneSpec, look_at

GREY = np.array([0.5, 0.5, 0.5], np.float32)
SKY = Environment(np.ones(3))
DISTANCE = 2.0  # m from the camera to the square


def matt(color):
    """A material without gloss."""
    return Material(np.asarray(color, dtype=np.float32), roughness=0.5, specular=0.0)


@lru_cache(maxsize=1)
def posed():
    """The packaged infant with one arm up and one knee bent: (body model, its place in the scene)."""
    body = load_body("infant")
    pose = torch.zeros(1, len(body.joint_names), 3)
    pose[0, body.joint("left_shoulder")] = torch.tensor([0.0, -1.2, 0.0])
    pose[0, body.joint("right_knee")] = torch.tensor([1.0, 0.0, 0.0])
    with torch.no_grad():
        made = body(torch.zeros(1, body.num_betas), pose, torch.zeros(1, 3))
    vertices = made.vertices[0].numpy()
    corners = vertices[body.faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(vertices)
    np.add.at(normals, body.faces.ravel(), np.repeat(across, 3, axis=0))
    return body, BodyInScene(
        vertices=vertices,
        normals=normals / np.linalg.norm(normals, axis=1, keepdims=True),
        joints=made.joints[0].numpy(),
        keypoints=made.keypoints[0].numpy(),
        skin=tuple(body.keypoint_vertices),
        parts=body.parts,
        betas=np.zeros(body.num_betas),
        pose=pose[0].numpy(),
        transl=np.zeros(3),
    )


def mannequin(azimuth=-90.0, elevation=10.0, size=(160, 120), color=GREY, extra=(), roll=0.0):
    """The infant of clay, both arms coloured: left red, right blue where ``color`` is None. Angles in degrees."""
    body, here = posed()
    around, up = np.deg2rad([azimuth, elevation])
    middle = (here.vertices.min(axis=0) + here.vertices.max(axis=0)) / 2
    eye = middle + 1.25 * np.array([np.cos(up) * np.cos(around), np.cos(up) * np.sin(around), np.sin(up)])
    camera = look_at(eye, middle, np.deg2rad(50), size, roll)
    side = np.zeros(len(here.vertices), dtype=int)
    for value, name in ((1, "left"), (2, "right")):
        arms = [PART_NAMES.index(f"{name}_{part}") for part in ("forearm", "hand")]
        side[np.isin(here.parts, arms)] = value
    of_face = side[body.faces].max(axis=1)
    colors = [GREY, [0.8, 0.05, 0.05], [0.05, 0.05, 0.8]] if color is None else [color] * 3
    meshes = tuple(
        Mesh("body", here.vertices.astype(np.float32), body.faces[of_face == value], matt(colors[value]))
        for value in range(3)
    )
    meshes = tuple(replace(mesh, source=np.arange(len(mesh.vertices))) for mesh in meshes)
    return SceneSpec(camera, (*meshes, *extra), here, (), SKY)


def outline(spec, factor=8):
    """What the projected faces of all meshes cover, (H, W) bool, by OpenCV's polygons: no code of the renderers."""
    height, width = spec.camera.height * factor, spec.camera.width * factor
    drawn = np.zeros((height, width), np.uint8)
    for mesh in spec.meshes:
        xy, _ = spec.camera.project(mesh.vertices)
        fixed = np.rint(((xy + 0.5) * factor - 0.5) * 16).astype(np.int32)
        for face in fixed[mesh.faces]:
            cv2.fillConvexPoly(drawn, face, 1, shift=4)
    return drawn.reshape(spec.camera.height, factor, spec.camera.width, factor).mean(axis=(1, 3)) > 0.5


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


def square(material, side=1.0, depth=0.0, kind="body"):
    """An upright square that faces -y, u to the right in the picture, v up; ``depth``: m behind y = 0."""
    half = side / 2
    corners = [(-half, depth, -half), (half, depth, -half), (half, depth, half), (-half, depth, half)]
    uv = [(0, 0), (1, 0), (1, 1), (0, 1)]
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    vertices, coords = np.array(corners, np.float32), np.array(uv, np.float32)
    return Mesh(kind, vertices, faces, material, coords, np.zeros(4, np.int32), smooth=False)


def facing(meshes, lights=(), environment=SKY, size=(64, 48), background=None):
    """Meshes seen from ``DISTANCE`` m before the origin; the person stands at the origin."""
    camera = look_at(np.array([0.0, -DISTANCE, 0.0]), np.zeros(3), np.deg2rad(40), size)
    point = np.zeros((1, 3))
    body = BodyInScene(point, np.array([[0.0, -1, 0]]), point, np.zeros((17, 3)), (np.zeros(1, int),) * 17,
                       np.zeros(1, np.int8), np.zeros(1), np.zeros((1, 3)), np.zeros(3))  # fmt: skip
    return SceneSpec(camera, tuple(meshes), body, tuple(lights), environment, background=background)


def lamp(centre, radiance, size=0.1):
    """A small lamp that shines at the origin."""
    return AreaLight(np.asarray(centre, float), np.zeros(3), (size, size), np.asarray(radiance, float))


def quarters():
    """A picture with four colours: red above left, green above right, blue below left, white below right."""
    picture = np.zeros((64, 64, 3), np.float32)
    picture[:32, :32, 0] = picture[:32, 32:, 1] = picture[32:, :32, 2] = 0.8
    picture[32:, 32:] = 0.8
    return picture


def spot(column, turn=0.0):
    """An environment, dim but for a bright patch at the height of the eyes; column: of 64, that the patch is at."""
    picture = np.full((32, 64, 3), 0.1, np.float32)
    picture[13:19, column - 3 : column + 3] = 8.0
    return Environment(picture, turn)
