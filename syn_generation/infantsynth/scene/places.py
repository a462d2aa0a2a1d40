"""Choose what a scene shows and where: options, and what the person lies, sits or stands on."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from fidip.errors import ConfigError
from infantsynth.poses.library import POSTURES

Array = np.ndarray

MODES = ("scene", "photo")
ROTATIONS = ("uniform", "legacy", "posture")  # of bodies over photographs
TURNS = ("legacy", "uniform", "none")  # of fits that are shown one by one
ADULT_POSTURES = ("standing", "sitting", "supine", "prone", "side")


@dataclass(frozen=True)
class SceneOptions:
    """mode: "scene" (a room) or "photo" (the body over a background image, as the published renderer).

    postures: of POSTURES; () takes all, for adults those that adults take. months: youngest and oldest infant.
    size: (width, height) px. rotation: of the body in photo mode: "uniform" over SO(3), "legacy" as published, or
    "posture" upright or lying as in rooms. blanket, toys: how often there is one. fits: npz file or folder of
    fitted poses; fit_share: how many images take their pose from there; fit_noise: rad of noise on them.
    textures, lights, backgrounds: folders with the user's own images. Raises ConfigError for what cannot be.
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
            raise ConfigError(f"images of {self.size} px are too small; give (width, height)")
        for what in ("blanket", "toys", "fit_share"):
            if not 0 <= getattr(self, what) <= 1:
                raise ConfigError(f"{what} is a share between 0 and 1, not {getattr(self, what)}")


@dataclass(frozen=True)
class Ground:
    """What the body lies on. stiffness: weights per m if all skin touched it; sink: deepest that a body may press
    it in, m of a 0.7 m body."""

    name: str
    stiffness: float
    sink: float


MATTRESS = Ground("mattress", 3000.0, 0.035)
FLOOR = Ground("floor", 60000.0, 0.008)
_MAT = Ground("mat", 14000.0, 0.018)
_QUILT = Ground("quilt", 30000.0, 0.012)


@dataclass(frozen=True)
class PlaceKind:
    """One kind of place, for a 0.7 m infant; a mat or quilt grows with the person.

    ground: how it yields. size: (shortest, longest) of width and of length in m, None for the bare floor.
    thickness: of what lies on the floor, m. cloth: kind of surface of the top; floors: kinds of surface below.
    rounding: radius of its edges, m. outdoors: a garden instead of a room. wrinkles: height of folds, m.
    """

    ground: Ground
    floors: tuple[str, ...]
    size: tuple[tuple[float, float], tuple[float, float]] | None = None
    thickness: tuple[float, float] = (0.0, 0.0)
    cloth: str = ""
    rounding: float = 0.0
    wrinkles: float = 0.0
    outdoors: bool = False


_INDOORS = ("carpet", "wood", "wood", "tile")


PLACES: dict[str, PlaceKind] = {
    "crib": PlaceKind(MATTRESS, _INDOORS, ((0.62, 0.75), (1.2, 1.4)), (0.35, 0.6), "sheet", 0.03, 0.006),
    "bed": PlaceKind(MATTRESS, _INDOORS, ((1.4, 1.9), (1.9, 2.1)), (0.4, 0.6), "sheet", 0.06, 0.011),
    "mat": PlaceKind(_MAT, _INDOORS, ((1.0, 1.5), (1.1, 1.7)), (0.012, 0.035), "cloth", 0.01, 0.001),
    "quilt": PlaceKind(_QUILT, _INDOORS, ((0.8, 1.3), (0.9, 1.5)), (0.008, 0.014), "blanket", 0.0, 0.010),
    "picnic": PlaceKind(
        _QUILT, ("grass",), ((0.8, 1.4), (0.9, 1.6)), (0.008, 0.014), "blanket", 0.0, 0.012, True
    ),
    "carpet": PlaceKind(FLOOR, ("carpet",)),
    "floor": PlaceKind(FLOOR, ("wood", "tile", "wood")),
    "grass": PlaceKind(FLOOR, ("grass",), outdoors=True),
}


_LYING = {
    "crib": 0.22,
    "bed": 0.3,
    "mat": 0.14,
    "quilt": 0.14,
    "picnic": 0.03,
    "carpet": 0.1,
    "floor": 0.04,
    "grass": 0.03,
}


_MOVING = {
    "crib": 0.1,
    "bed": 0.12,
    "mat": 0.2,
    "quilt": 0.1,
    "picnic": 0.04,
    "carpet": 0.2,
    "floor": 0.16,
    "grass": 0.08,
}


_STANDING = {"crib": 0.15, "mat": 0.17, "carpet": 0.25, "floor": 0.28, "grass": 0.15}


CHANCES = {
    "supine": _LYING,
    "prone": _LYING,
    "side": _LYING,
    "sitting": _MOVING,
    "crawling": _MOVING,
    "standing": _STANDING,
}


# a mattress is firmer where the weight is on few spots
_FIRM = {"standing": 5.0, "crawling": 2.0, "sitting": 1.5}


@dataclass(frozen=True)
class Place:
    """A drawn place. ground: what carries the body; floor: height of the floor below it (<= 0), m; size: (width,
    length) m of what lies on it, None for the bare floor; turn: of the whole place about the vertical, rad;
    shift: (2,) m of its middle from the body."""

    name: str
    kind: PlaceKind
    ground: Ground
    floor: float
    floor_surface: str
    size: Array | None
    turn: float = 0.0
    shift: Array = field(default_factory=lambda: np.zeros(2))

    def local(self, xy: Array) -> Array:
        """Return world ground points (..., 2) m in the axes of the place."""
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        return (np.asarray(xy) - self.shift) @ np.array([[cos, -sin], [sin, cos]])

    def world(self, xy: Array) -> Array:
        """Return the other way round."""
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        return np.asarray(xy) @ np.array([[cos, sin], [-sin, cos]]) + self.shift


def draw_place(posture: str, scale: float, rng: np.random.Generator, adult: bool = False) -> Place:
    """Choose a place for a posture. scale: size of mats and quilts, of those for infants; beds suit everybody."""
    chances = {k: v for k, v in CHANCES[posture].items() if not (adult and k == "crib")}
    names, weights = list(chances), np.array(list(chances.values()))
    name = names[rng.choice(len(names), p=weights / weights.sum())]
    kind = PLACES[name]
    firmness = rng.uniform(0.75, 1.4) * (_FIRM.get(posture, 1.0) if kind.ground.sink > FLOOR.sink else 1.0)
    ground = replace(kind.ground, stiffness=kind.ground.stiffness * firmness)
    size = None
    if kind.size is not None:
        grown = 1.0 if name in ("crib", "bed") else max(scale, 0.85)
        size = np.array([rng.uniform(*kind.size[0]), rng.uniform(*kind.size[1])]) * grown
    floor = -float(rng.uniform(*kind.thickness))
    surface = kind.floors[rng.integers(len(kind.floors))]
    return Place(name, kind, ground, floor, surface, size)


def put_under(place: Place, vertices: Array, rng: np.random.Generator) -> Place:
    """Turn and shift a place so that the body (V, 3) m is on it; a crib lies along the body."""
    flat = vertices[:, :2] - vertices[:, :2].mean(axis=0)
    _, axes = np.linalg.eigh(flat.T @ flat)
    along = float(np.arctan2(axes[1, 1], axes[0, 1])) - np.pi / 2  # its length is the place's y
    turn = (
        along + rng.normal(0, 0.1) + np.pi * rng.integers(2)
        if place.name == "crib"
        else rng.uniform(-np.pi, np.pi)
    )
    turned = replace(place, turn=float(turn))
    if place.size is None:
        return turned
    spots = turned.local(vertices[:, :2])
    low, high = spots.min(axis=0), spots.max(axis=0)
    room = np.maximum((place.size - (high - low)) / 2 - 0.06, 0)
    middle = (low + high) / 2 + rng.uniform(-0.9, 0.9, 2) * room
    return replace(turned, shift=turned.world(middle))
