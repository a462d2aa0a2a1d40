"""What scenes are drawn: postures, ages, picture size, and the user's own folders."""

from dataclasses import dataclass
from pathlib import Path

from fidip.errors import ConfigError
from infantsynth.poses import POSTURES

MODES = ("scene", "photo")
ROTATIONS = ("uniform", "legacy", "posture")
ADULT_POSTURES = ("standing", "sitting", "supine", "prone", "side")


@dataclass(frozen=True)
class SceneOptions:
    """mode: "scene" (a room) or "photo" (the body over a background picture, as the published renderer).

    postures: of POSTURES; () takes all, for adults those that adults take. months: youngest and oldest infant.
    size: (width, height) px. rotation: of the body in photo mode: "uniform" over SO(3), "legacy" as published, or
    "posture" upright or lying as in rooms. blanket, toys: how often there is one. fits: npz file or folder of
    fitted poses; fit_share: how many pictures take their pose from there; fit_noise: rad of noise on them.
    textures, lights, backgrounds: folders with the user's own pictures. Raises ConfigError for what cannot be.
    """

    mode: str = "scene"
    postures: tuple[str, ...] = ()
    months: tuple[float, float] = (0.0, 12.0)
    size: tuple[int, int] = (640, 480)
    rotation: str = "uniform"
    blanket: float = 0.25
    toys: float = 0.6
    fits: Path | None = None
    fit_share: float = 0.5
    fit_noise: float = 0.1
    textures: Path | None = None
    lights: Path | None = None
    backgrounds: Path | None = None

    def __post_init__(self) -> None:
        for what, value, allowed in (("mode", self.mode, MODES), ("rotation", self.rotation, ROTATIONS)):
            if value not in allowed:
                raise ConfigError(f"{what} {value!r} is not known; choose from {', '.join(allowed)}")
        unknown = sorted(set(self.postures) - set(POSTURES))
        if unknown:
            raise ConfigError(f"there are no postures {unknown}; choose from {', '.join(POSTURES)}")
        if not 0 <= self.months[0] <= self.months[1]:
            raise ConfigError(f"months {self.months} must be a youngest and an oldest age, 0 or more")
        if min(self.size) < 16:
            raise ConfigError(f"pictures of {self.size} px are too small; give (width, height)")
        for what in ("blanket", "toys", "fit_share"):
            if not 0 <= getattr(self, what) <= 1:
                raise ConfigError(f"{what} is a share between 0 and 1, not {getattr(self, what)}")
