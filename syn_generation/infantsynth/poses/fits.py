"""Draw poses that were fitted to images, with noise around them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from fidip.errors import DataError
from fidip.files import read_arrays
from infantsynth.body import BodyModel
from infantsynth.poses.authored import PoseSample, checks_for, compose, stand
from infantsynth.poses.library import INFANT, POSTURES

Array = np.ndarray

_GOOD = "ok"  # status of a fit that may be used


@dataclass(frozen=True)
class FitPool:
    """Fitted bodies: pose (N, J, 3) rad with the root in camera axes, betas (N, K), posture of each."""

    pose: Array
    betas: Array
    postures: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.pose)

    def draw(
        self,
        body: BodyModel,
        rng: np.random.Generator,
        noise: float = 0.1,
        allowed: tuple[str, ...] = POSTURES,
    ) -> tuple[PoseSample, Array] | None:
        """Draw one fit, jittered by ``noise`` rad, mirrored half of the time and laid down in its posture; and its betas.

        None where no fit has an allowed posture.
        """
        fitting = [i for i, posture in enumerate(self.postures) if posture in allowed]
        if not fitting:
            return None
        index = fitting[rng.integers(len(fitting))]
        pose = jitter(body, self.pose[index], rng, noise)
        posture = self.postures[index]
        variant = INFANT[posture][0]
        pose[0] = stand(variant, rng)
        if rng.random() < 0.5:
            pose = mirror(body, pose)
        pose[0] = compose(pose[0], np.array([0, 0, rng.uniform(-np.pi, np.pi)]))
        return PoseSample(pose, posture, f"fit:{index}"), self.betas[index]


def from_fits(path: Path, body: BodyModel) -> FitPool:
    """Read fits: one npz file, or a folder with any number of them at any depth.

    Each holds ``pose`` (N, J, 3) or (J, 3), ``betas`` (N, K) or (K,) and optionally ``posture`` (N,) names; where
    it has none, infants that face the camera count as supine, those seen from behind as prone, others as on
    their side. A ``status`` (N,) other than "ok" leaves a fit out. Raises DataError where nothing is found or a file
    does not fit the body.
    """
    files = sorted(path.rglob("*.npz")) if path.is_dir() else [path]
    if not files or not files[0].is_file():
        raise DataError(f"there are no fits (npz) at {path}; make them with syn_generation/fit.py")
    poses, betas, postures = [], [], []
    for file in files:
        pose, shape, names = _read(file, body)
        poses.append(pose)
        betas.append(shape)
        postures.extend(names)
    if not postures:
        raise DataError(f"no fit at {path} is good (status ok); look at the report of syn_generation/fit.py")
    return FitPool(np.concatenate(poses), np.concatenate(betas), tuple(postures))


def _read(file: Path, body: BodyModel) -> tuple[Array, Array, list[str]]:
    joints = len(body.joint_names)
    arrays = read_arrays(file, "fits")
    try:
        pose = np.asarray(arrays["pose"], dtype=np.float64).reshape(-1, joints, 3)
        betas = np.asarray(arrays["betas"], dtype=np.float64).reshape(len(pose), body.num_betas)
        given = [str(name) for name in np.ravel(arrays["posture"])] if "posture" in arrays else None
        good = np.ravel(arrays["status"]) == _GOOD if "status" in arrays else np.ones(len(pose), dtype=bool)
    except (KeyError, ValueError) as error:
        raise DataError(
            f"fits {file} do not suit body {body.name!r} with {joints} joints and {body.num_betas} betas ({error}); "
            "fit again with this body, or generate with the body of the fits"
        ) from error
    names = [facing_posture(p[0]) for p in pose] if given is None else given
    unknown = sorted(set(names) - set(POSTURES))
    if unknown or len(names) != len(pose):
        raise DataError(
            f"fits {file}: posture must be one of {', '.join(POSTURES)} for each pose, not {unknown}"
        )
    if len(good) != len(pose):
        raise DataError(f"fits {file}: {len(good)} values of status for {len(pose)} poses; fit again")
    return pose[good], betas[good], [name for name, use in zip(names, good, strict=True) if use]


def facing_posture(root: Array) -> str:
    """Return the posture of a fit whose root (3,) rad is in camera axes, as seen from above: supine, prone or side."""
    towards = -Rotation.from_rotvec(root).apply(np.array([0.0, -1.0, 0.0]))[2]  # the camera looks along +z
    return "supine" if towards > 0.5 else "prone" if towards < -0.5 else "side"


def jitter(body: BodyModel, pose: Array, rng: np.random.Generator, noise: float) -> Array:
    """Draw the pose (J, 3) with every joint but the root turned by a normal rotation of ``noise`` rad, within limits."""
    turned = compose_all(pose, rng.normal(0, noise, pose.shape))
    turned[0] = pose[0]
    return checks_for(body).clamp(turned)


def compose_all(pose: Array, then: Array) -> Array:
    """Turn rotation vectors (J, 3) rad further by others."""
    return (Rotation.from_rotvec(then) * Rotation.from_rotvec(pose)).as_rotvec()


def mirror(body: BodyModel, pose: Array) -> Array:
    """Return the pose (J, 3) with left and right swapped, root included."""
    import torch

    return np.asarray(body.mirror_pose(torch.as_tensor(pose)), dtype=np.float64)
