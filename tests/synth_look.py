"""Bodies to dress in tests: the packaged ones, and one made from the infant that is as bare as an SMPL file."""

from functools import lru_cache

import numpy as np
import torch

from infantsynth.appearance.anatomy import study
from infantsynth.body import BodyData, BodyModel, load_body
from infantsynth.poses.authored import sample_pose

BODIES = ("infant", "adult", "smpl")
POSTURES = ("supine", "prone", "side", "sitting", "crawling", "standing")
SMALL = 256  # px, side of the textures


@lru_cache(maxsize=3)
def body_named(name):
    """A packaged body, or "smpl": no texture coordinates, no eyeballs, no fingers."""
    return _bare(load_body("infant")) if name == "smpl" else load_body(name)


def _bare(body):
    keep = np.ones(len(body.template), dtype=bool)
    keep[np.concatenate(study(body).eyes)] = False
    index = np.cumsum(keep) - 1
    joints = [i for i, name in enumerate(body.joint_names) if "finger" not in name]
    weights = body.skinning_weights.numpy()[keep].astype(np.float64)
    merged = weights[:, joints]
    for side in ("left", "right"):
        wrist = [body.joint_names[i] for i in joints].index(f"{side}_wrist")
        fingers = [name.startswith(f"{side}_finger") for name in body.joint_names]
        merged[:, wrist] += weights[:, fingers].sum(axis=1)
    regressor = body.keypoint_regressor.numpy()[:, keep].astype(np.float64)
    data = BodyData(
        name="infant",
        joint_names=tuple(body.joint_names[i] for i in joints),
        parents=tuple(-1 if body.parents[i] < 0 else joints.index(body.parents[i]) for i in joints),
        template=body.template.numpy()[keep],
        shapes=body.shapes.numpy()[keep],
        joints=body.rest_joints.numpy()[joints],
        joint_shapes=body.joint_shapes.numpy()[joints],
        weights=merged / merged.sum(axis=1, keepdims=True),
        faces=index[body.faces[keep[body.faces].all(axis=1)]],
        regressor=regressor / regressor.sum(axis=1, keepdims=True),
    )
    return BodyModel(data)


def posed(body, seed, posture=None):
    """Betas (K,), pose (J, 3) rad and vertices (V, 3) m of a random person; posture "rest" is no pose at all."""
    rng = np.random.default_rng(seed)
    betas = rng.normal(0, 0.7, body.num_betas).clip(-1.5, 1.5)
    if posture == "rest":
        pose = np.zeros((len(body.joint_names), 3))
    else:
        pose = sample_pose(body, posture or POSTURES[seed % len(POSTURES)], rng).pose
    with torch.no_grad():
        batch = (torch.as_tensor(values[None], dtype=torch.float32) for values in (betas, pose))
        vertices = body(*batch, torch.zeros(1, 3)).vertices[0].numpy()
    return betas, pose, vertices


def surface_distance(points, vertices, normals):
    """Signed distance (N,) m of points (N, 3) from the tangent plane at the nearest vertex, positive outside."""
    from scipy.spatial import cKDTree

    nearest = cKDTree(vertices).query(points)[1]
    return np.einsum("ij,ij->i", points - vertices[nearest], normals[nearest])
