"""Read the settings of a fit, and the weights and limits that they stand for."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from fidip.environment import logger
from fidip.errors import ConfigError

COCO_JOINTS = 17
TORSO = (5, 6, 11, 12)  # shoulders and hips, COCO-17
UNITS = ("box", "height")
PER_UNIT = 1000.0  # residuals are in thousandths of the reference length
Settings = dict[str, Any]


@dataclass(frozen=True)
class Stage:
    """Factors on the residuals of one stage, and its most iterations.

    data: per thousandth of the reference length. pose: per unit of the prior's residuals. shape: per standard
    deviation of betas. collision: per cm that body parts sink into each other. limit: per rad outside the joint limits.
    """

    data: float
    pose: float
    shape: float
    collision: float
    limit: float
    iterations: int


@dataclass(frozen=True)
class FitConfig:
    """Weights and limits of a fit; the defaults are those of cfg_files/fit_infant.yaml.

    stages: coarse to fine. unit: the reference length, the larger side of the keypoints' box ("box") or the image's
    height ("height"). rho: residual beyond which a joint counts ever less, thousandths. focal: px; None takes
    ``focal_factor`` times the longer side of the image. starts: turns about the body's axis that are tried.
    keep: of these, how many go on after the first stage.
    depth: factor per m that the camera stage leaves its first guess. joint_weights: of the 17 joints.
    tolerance: relative gain below which a fit has converged. confidences: whether keypoint weights count.
    """

    stages: tuple[Stage, ...] = (
        Stage(data=1.0, pose=20.0, shape=10.0, collision=0.0, limit=80.0, iterations=20),
        Stage(data=1.0, pose=10.0, shape=10.0, collision=0.0, limit=150.0, iterations=20),
        Stage(data=1.0, pose=5.0, shape=10.0, collision=5.0, limit=400.0, iterations=20),
    )
    camera_iterations: int = 8
    unit: str = "box"
    rho: float = 150.0
    focal: float | None = None
    focal_factor: float = 1.4
    starts: int = 4
    keep: int = 2
    depth: float = 100.0
    torso: tuple[int, ...] = TORSO
    joint_weights: tuple[float, ...] = field(default=(1.0,) * COCO_JOINTS)
    confidences: bool = True
    shape: bool = True
    tolerance: float = 1e-4
    double: bool = True

    def __post_init__(self) -> None:
        if not self.stages:
            raise ConfigError("a fit needs at least one stage of weights")
        if self.unit not in UNITS:
            raise ConfigError(f"residual_unit must be one of {', '.join(UNITS)}, not {self.unit!r}")
        if min(self.rho, self.focal_factor, *(stage.data for stage in self.stages)) <= 0:
            raise ConfigError("rho, focal_factor and data_weights must be positive")
        if self.focal is not None and self.focal <= 0:
            raise ConfigError(f"focal_length must be positive px, not {self.focal:g}; 0 or none chooses it")
        if not 1 <= self.keep <= self.starts:
            raise ConfigError(f"keep_starts {self.keep} must be 1 to starts ({self.starts})")
        if len(self.joint_weights) != COCO_JOINTS or not any(self.joint_weights):
            raise ConfigError(f"{COCO_JOINTS} joint weights are wanted, not all zero")


@dataclass(frozen=True)
class Key:
    """One key: its default, whose type it keeps (a list: of the type of its elements), and what it does.

    An empty ``meaning`` marks a published key that this fit has no use for: accepted, with a note when it is set.
    """

    default: Any
    meaning: str = ""


KEYS: Mapping[str, Key] = {
    "data_folder": Key("data", "folder of the data"),
    "img_folder": Key("images", "images, below data_folder"),
    "keyp_folder": Key("keypoints", "*_keypoints.json files or one COCO annotation file, below data_folder"),
    "output_folder": Key("output", "where results go"),
    "result_folder": Key("results", "parameters, below output_folder"),
    "mesh_folder": Key("meshes", "meshes, below output_folder"),
    "model_type": Key("infant", "infant, adult (packaged), smil, smpl, or a file of such a body"),
    "model_folder": Key("models", "where smil_web.pkl and SMPL's files are"),
    "gender": Key("neutral", "neutral, male or female, for smpl"),
    "prior_folder": Key("priors", "where prior files are"),
    "body_prior_type": Key(
        "packaged", "packaged, hand_set, gmm, mahalanobis, l2, none, or a prior file (.npz, .pkl)"
    ),
    "num_gaussians": Key(8, "which published mixture: gmm_08.pkl has 8"),
    "max_persons": Key(3, "persons fitted in one image, 0 for all"),
    "batch_size": Key(64, "persons fitted at once"),
    "use_cuda": Key(False, "use a CUDA device if there is one"),
    "float_dtype": Key("float64", "float32 or float64"),
    "save_meshes": Key(True, "write meshes as .obj"),
    "visualize": Key(True, "write the fit drawn over the image"),
    "interactive": Key(True, "show progress"),
    "use_joints_conf": Key(True, "weigh joints by their confidence"),
    "joints_to_ign": Key([-1], "joints left out, OpenPose BODY_25 numbers; -1 for none"),
    "init_joints_idxs": Key([9, 12, 2, 5], "joints of the camera stage, OpenPose BODY_25 numbers"),
    "optim_shape": Key(True, "fit the body's shape too"),
    "focal_length": Key(0.0, "px; 0 takes focal_factor times the longer side of the image"),
    "focal_factor": Key(1.4, "focal length as multiple of the image's longer side"),
    "residual_unit": Key(
        "box", "lengths are in thousandths of the keypoints' box (box) or of the image's height"
    ),
    "rho": Key(150.0, "distance, in those units, beyond which a joint counts ever less"),
    "data_weights": Key([1.0, 1.0, 1.0], "factor on distances, one per stage"),
    "body_pose_prior_weights": Key([20.0, 10.0, 5.0], "factor on the pose prior, one per stage"),
    "shape_weights": Key([10.0, 10.0, 10.0], "factor on betas, one per stage"),
    "coll_loss_weights": Key(
        [0.0, 0.0, 5.0], "factor per cm that body parts sink into each other, one per stage"
    ),
    "interpenetration": Key(True, "use coll_loss_weights"),
    "limit_weights": Key(
        [80.0, 150.0, 400.0], "factor per rad outside the joint limits, spread over the stages"
    ),
    "depth_loss_weight": Key(100.0, "factor per m from the first guess of the distance, camera stage"),
    "camera_iterations": Key(8, "most steps of the camera stage"),
    "maxiters": Key(20, "most steps of each stage"),
    "ftol": Key(1e-4, "relative gain below which a fit has converged"),
    "starts": Key(4, "turns about the body's axis that are tried"),
    "keep_starts": Key(2, "of these, how many go on after the first stage"),
    "max_error": Key(3.0, "per cent of the box's diagonal; a fit of larger mean error is reported as poor"),
    "max_penetration": Key(
        0.04, "m that parts may sink into each other; a fit with more is reported as poor"
    ),
    "dataset": Key("openpose", "openpose or coco; the files themselves tell which"),
    **{
        name: Key(default)
        for name, default in {
            "loss_type": "smplify",
            "degrees": [0.0],
            "summary_folder": "summaries",
            "gender_lbl_type": "none",
            "camera_type": "persp",
            "optim_jaw": True,
            "optim_hands": True,
            "optim_expression": True,
            "use_pca": True,
            "num_pca_comps": 6,
            "flat_hand_mean": False,
            "left_hand_prior_type": "l2",
            "right_hand_prior_type": "l2",
            "jaw_prior_type": "l2",
            "use_vposer": False,
            "vposer_ckpt": "",
            "body_tri_idxs": [5],
            "penalize_outside": False,
            "expr_weights": [0.0],
            "face_joints_weights": [0.0],
            "hand_joints_weights": [0.0],
            "jaw_pose_prior_weights": [0.0],
            "hand_pose_prior_weights": [0.0],
            "df_cone_height": 0.5,
            "max_collisions": 8,
            "point2plane": False,
            "part_segm_fn": "",
            "ign_part_pairs": [""],
            "use_hands": False,
            "use_face": False,
            "use_face_contour": False,
            "side_view_thsh": 25.0,
            "optim_type": "lbfgsls",
            "lr": 1.0,
            "gtol": 1e-9,
        }.items()
    },
}


def read_settings(path: Path | None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read settings: the defaults, then a YAML file, then ``overrides``; every key of ``KEYS`` is in the result, of its type.

    Raises ConfigError for a file that is missing or no YAML, for an unknown key (with the nearest known one), and for
    a value of the wrong type.
    """
    content = {} if path is None else _read_yaml(path)
    settings = {name: key.default for name, key in KEYS.items()}
    for origin, values in ((f"config {path}", content), ("command line", overrides or {})):
        settings |= {name: coerce(name, value, origin) for name, value in values.items()}
    unused = sorted(name for name in {*content, *(overrides or {})} if not KEYS[name].meaning)
    if unused:
        logger.info("these published keys have no effect here: %s", ", ".join(unused))
    return settings


class _Loader(yaml.SafeLoader):
    """A safe loader that reads the tuples of published configs as lists, and no other tag of Python's."""


def _sequence(loader: yaml.SafeLoader, node: Any) -> list[Any]:
    return loader.construct_sequence(node)


_Loader.add_constructor("tag:yaml.org,2002:python/tuple", _sequence)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader) or {}  # noqa: S506  (a safe one)
    except OSError as error:
        raise ConfigError(
            f"config {path} cannot be read ({error.strerror}); configs are in cfg_files/"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"config {path} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"config {path} must hold key: value lines, not a {type(content).__name__}")
    return {name: _flat(value) for name, value in content.items()}


def _flat(value: Any) -> Any:
    """A list of tuples as one list; the published files have them in keys without effect here."""
    if not isinstance(value, list) or not any(isinstance(one, list) for one in value):
        return value
    return [inner for one in value for inner in (one if isinstance(one, list) else [one])]


def coerce(name: str, value: Any, origin: str) -> Any:
    """Return a value brought to the type of its key, from YAML or from text. Raises ConfigError; ``origin`` opens it."""
    if name not in KEYS:
        near = difflib.get_close_matches(str(name), KEYS, n=1, cutoff=0.0)
        raise ConfigError(f"{origin}: unknown key {name!r}; did you mean {near[0]!r}?")
    default = KEYS[name].default
    try:
        if isinstance(default, list):
            listed = value if isinstance(value, list) else [] if value is None else [value]
            return [_scalar(item, type(default[0])) for item in listed]
        return _scalar(value, type(default))
    except (TypeError, ValueError) as error:
        kind = (
            f"a list of {type(default[0]).__name__}" if isinstance(default, list) else type(default).__name__
        )
        raise ConfigError(f"{origin}: {name} wants {kind}, e.g. {default!r}, got {value!r}") from error


def _scalar(value: Any, kind: type) -> Any:
    if kind is bool:
        texts = {"true": True, "1": True, "false": False, "0": False}
        if str(value).lower() not in texts:
            raise ValueError(value)
        return texts[str(value).lower()]
    if isinstance(value, (bool, list, dict)) or value is None:
        raise TypeError(value)
    number = kind(value)
    if kind is int and float(value) != number:
        raise ValueError(value)
    return number
