"""Turn settings into what a fit needs: body, priors, stages of weights."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import fidip
from fidip.environment import logger
from fidip.errors import ConfigError
from fidip.files import fingerprint
from infantsynth.body import PACKAGED, BodyModel, load_body
from infantsynth.fit.keypoints import LAYOUTS, ignored_joints
from infantsynth.fit.settings import FitConfig, Settings, Stage
from infantsynth.priors import (
    JointLimits,
    PosePrior,
    ShapePrior,
    gaussian,
    hand_set_prior,
    packaged_prior,
    read_prior,
)
from infantsynth.priors.capsules import capsules_of
from infantsynth.priors.stored import load_published_prior

SMPL_FILES = (
    "SMPL_{upper}.pkl",
    "basicModel_{letter}_lbs_10_207_0_v1.0.0.pkl",
    "basicmodel_{letter}_lbs_10_207_0_v1.0.0.pkl",
    "basicModel_{gender}_lbs_10_207_0_v1.0.0.pkl",
)
PER_STAGE = ("data_weights", "body_pose_prior_weights", "shape_weights", "coll_loss_weights")


@dataclass(frozen=True)
class FitPlan:
    """How persons are fitted. key: fingerprint of all that decides on the results but the keypoints."""

    body: BodyModel
    config: FitConfig
    prior: PosePrior
    shape_prior: ShapePrior
    key: str


def make_plan(settings: Settings) -> FitPlan:
    """Load body and priors. Raises ConfigError for settings that contradict each other, DataError for bad files."""
    config = fit_config(settings)
    body = load_body(body_source(settings))
    if settings["use_cuda"]:
        if torch.cuda.is_available():
            body = body.to("cuda")
        else:
            logger.info("use_cuda: this machine has no CUDA device; the CPU fits")
    prior, shape_prior = choose_priors(settings, body)
    limits, capsules = JointLimits.for_body(body), capsules_of(body)
    content = {
        "version": fidip.__version__,
        "config": config,
        "body": [
            body.name,
            _digest(body.template, body.shapes, body.skinning_weights, body.keypoint_regressor),
        ],
        "limits": _digest(limits.lo, limits.hi, limits.axes),
        "capsules": _digest(capsules.ends, capsules.radii, capsules.reach, capsules.pairs),
        "prior": _digest(
            prior.weights, prior.means, prior.covariances, shape_prior.mean, shape_prior.covariance
        ),
    }
    return FitPlan(body, config, prior, shape_prior, fingerprint(content, 16))


def fit_config(settings: Settings) -> FitConfig:
    """Return weights and limits of a fit. Raises ConfigError where lists of weights are not of one length."""
    lengths = {name: len(settings[name]) for name in PER_STAGE}
    if len(set(lengths.values())) != 1 or not settings["limit_weights"]:
        shown = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ConfigError(
            f"weights must have one number per stage, all alike: {shown}, limit_weights any but none"
        )
    count = lengths["data_weights"]
    no_prior = settings["body_prior_type"] == "none"
    stages = tuple(
        Stage(
            data=settings["data_weights"][i],
            pose=0.0 if no_prior else settings["body_pose_prior_weights"][i],
            shape=settings["shape_weights"][i],
            collision=settings["coll_loss_weights"][i] if settings["interpenetration"] else 0.0,
            limit=_spread(settings["limit_weights"], i, count),
            iterations=settings["maxiters"],
        )
        for i in range(count)
    )
    ignored = ignored_joints([joint for joint in settings["joints_to_ign"] if joint != -1])
    return FitConfig(
        stages=stages,
        camera_iterations=settings["camera_iterations"],
        unit=settings["residual_unit"],
        rho=settings["rho"],
        focal=settings["focal_length"] or None,
        focal_factor=settings["focal_factor"],
        starts=settings["starts"],
        keep=min(settings["keep_starts"], settings["starts"]),
        depth=settings["depth_loss_weight"],
        torso=_camera_joints(settings["init_joints_idxs"]),
        joint_weights=tuple(0.0 if ignore else 1.0 for ignore in ignored),
        confidences=settings["use_joints_conf"],
        shape=settings["optim_shape"],
        tolerance=settings["ftol"],
        double=_is_double(settings["float_dtype"]),
    )


def _spread(weights: list[float], index: int, count: int) -> float:
    """Return the weight of a stage from a list of any length, first to first and last to last."""
    return weights[round(index * (len(weights) - 1) / max(count - 1, 1))] if count > 1 else weights[-1]


def _is_double(name: str) -> bool:
    if name not in ("float32", "float64"):
        raise ConfigError(f"float_dtype must be float32 or float64, not {name!r}")
    return name == "float64"


def _camera_joints(openpose: list[int]) -> tuple[int, ...]:
    """Return COCO-17 joints of OpenPose BODY_25 numbers; those that COCO lacks are left out."""
    chosen = tuple(LAYOUTS[25].index(joint) for joint in openpose if joint in LAYOUTS[25])
    if not chosen:
        raise ConfigError(
            f"init_joints_idxs {openpose} names no joint of COCO-17 in OpenPose BODY_25 numbers"
        )
    return chosen


def body_source(settings: Settings) -> str | Path:
    """Name or file of the body that model_type asks for. Raises ConfigError for an unknown type or gender."""
    kind, folder = settings["model_type"], Path(settings["model_folder"])
    if kind in PACKAGED:
        return str(kind)
    if kind == "smil":
        return folder / "smil_web.pkl"
    if kind == "smpl":
        gender = settings["gender"]
        if gender not in ("neutral", "male", "female"):
            raise ConfigError(f"gender must be neutral, male or female, not {gender!r}")
        names = [n.format(upper=gender.upper(), gender=gender, letter=gender[0]) for n in SMPL_FILES]
        known = [folder / name for name in names] + [folder / "smpl" / name for name in names]
        return next((file for file in known if file.is_file()), known[0])
    if Path(kind).suffix in (".pkl", ".npz"):
        return Path(kind)
    raise ConfigError(f"model_type must be infant, adult, smil, smpl or a file (.pkl, .npz), not {kind!r}")


def choose_priors(settings: Settings, body: BodyModel) -> tuple[PosePrior, ShapePrior]:
    """Return the pose prior that body_prior_type asks for, and the shape prior that comes with it or the standard one."""
    kind, folder = settings["body_prior_type"], Path(settings["prior_folder"])
    standard = ShapePrior.standard(body)
    if kind in ("packaged", "none"):
        # the packaged postures are an infant's
        return (hand_set_prior(body) if body.name == "adult" else packaged_prior().for_body(body)), standard
    if kind == "hand_set":
        return hand_set_prior(body), standard
    if kind == "l2":
        size = 3 * (len(body.joint_names) - 1)
        joints = range(1, len(body.joint_names))
        return gaussian(joints, len(body.joint_names), np.zeros(size), np.eye(size), "l2"), standard
    names = {"gmm": f"gmm_{settings['num_gaussians']:02d}.pkl", "mahalanobis": "smil_pose_prior.pkl"}
    path = folder / names[kind] if kind in names else Path(kind)
    if path.suffix not in (".npz", ".pkl"):
        raise ConfigError(
            f"body_prior_type must be packaged, hand_set, gmm, mahalanobis, l2, none or a file (.npz, .pkl), not {kind!r}"
        )
    if not path.is_file():
        raise ConfigError(f"prior {path} does not exist; put it there, or set body_prior_type: packaged")
    if path.suffix == ".pkl":
        return load_published_prior(path, body), standard
    stored = read_prior(path)
    return stored.for_body(body), stored.shape_for(body)


def _digest(*arrays: Any) -> str:
    plain = [a.detach().cpu().numpy() if isinstance(a, torch.Tensor) else np.asarray(a) for a in arrays]
    return fingerprint(
        [[array.shape, fingerprint(array.astype(np.float64).tobytes().hex())] for array in plain], 16
    )
