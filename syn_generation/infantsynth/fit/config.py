"""How a fit is weighted and how long it goes on."""

from dataclasses import dataclass, field

from fidip.errors import ConfigError

COCO_JOINTS = 17
TORSO = (5, 6, 11, 12)  # shoulders and hips, COCO-17
UNITS = ("box", "height")
PER_UNIT = 1000.0  # residuals are in thousandths of the reference length


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

    stages: coarse to fine. unit: the reference length, the larger side of the keypoints' box ("box") or the picture's
    height ("height"). rho: residual beyond which a joint counts ever less, thousandths. focal: px; None takes
    ``focal_factor`` times the longer side of the picture. starts: turns about the body's axis that are tried.
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
