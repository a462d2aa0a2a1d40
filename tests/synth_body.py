"""Bodies for tests: a rod of two joints whose skinning is known in closed form, and a file like SMIL's."""

import numpy as np

from infantsynth.body import BodyData
from infantsynth.body.smpl import JOINT_NAMES, VERTICES

BEND = 0.6  # m: height of the rod's upper joint


def rod(pose_shapes: np.ndarray | None = None) -> BodyData:
    """Two joints on the z axis, nine vertices beside it; the upper joint's share grows from 0 to 1."""
    height = np.linspace(0, 1.2, 9)
    template = np.stack([0.1 * np.cos(np.arange(9)), 0.1 * np.sin(np.arange(9)), height], axis=1)
    upper = np.clip((height - 0.3) / 0.6, 0, 1)
    regressor = np.full((17, 9), 0.02)
    regressor[np.arange(17), np.arange(17) % 9] += 1 - 0.18
    rng = np.random.default_rng(0)
    return BodyData(
        name="rod",
        joint_names=("pelvis", "spine1"),
        parents=(-1, 0),
        template=template,
        shapes=0.02 * rng.standard_normal((9, 3, 2)),
        joints=np.array([[0, 0, 0], [0, 0, BEND]]),
        joint_shapes=0.01 * rng.standard_normal((2, 3, 2)),
        weights=np.stack([1 - upper, upper], axis=1),
        faces=np.array([[i, i + 1, i + 2] for i in range(7)]),
        regressor=regressor,
        pose_shapes=pose_shapes,
    )


def smil_arrays(betas: int = 20) -> dict[str, np.ndarray]:
    """Arrays named and shaped as in SMIL's file, in its axes (along y, facing z); the numbers are made up."""
    rng = np.random.default_rng(1)
    joints = np.cumsum(0.03 * rng.standard_normal((24, 3)), axis=0)
    owner = rng.integers(0, 24, VERTICES)
    weights = np.zeros((VERTICES, 24))
    weights[np.arange(VERTICES), owner] = 0.75
    weights[np.arange(VERTICES), rng.integers(0, 24, VERTICES)] += 0.25
    regressor = np.zeros((24, VERTICES))
    for joint in range(24):
        regressor[joint, rng.choice(np.flatnonzero(owner == joint), 10, replace=False)] = 0.1
    parents = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21]
    assert len(parents) == len(JOINT_NAMES)
    return {
        "v_template": joints[owner] + 0.02 * rng.standard_normal((VERTICES, 3)),
        "shapedirs": 0.01 * rng.standard_normal((VERTICES, 3, betas)),
        "posedirs": 0.01 * rng.standard_normal((VERTICES, 3, 207)),
        "J_regressor": regressor,
        "weights": weights,
        "kintree_table": np.array([parents, range(24)]).astype(np.uint32),
        "f": rng.integers(0, VERTICES, (50, 3)).astype(np.uint32),
    }
