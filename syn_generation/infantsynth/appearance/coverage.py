"""The rule that a body is always dressed: trunk, hips and thighs are cloth, whatever else is drawn."""

import numpy as np

from infantsynth.appearance.anatomy import BEYOND, PARTS, Anatomy, Coordinates
from infantsynth.appearance.garment import Garment, collar

Array = np.ndarray

THIGH = 0.30  # share of the leg, from the hip joint, that is always cloth
WIDEST_COLLAR, DEEPEST_COLLAR = 1.8, 0.024  # as in garment.collar; no neckline goes beyond
ARMHOLE = -0.10  # arm coordinate up to which the trunk is always cloth


def required(anatomy: Anatomy, at: Coordinates) -> Array:
    """Which points must be cloth: the trunk within neckline and armholes, the hips, the thighs. Bool, shape of at."""
    trunk = (at.part == PARTS.index("trunk")) & (at.arm < ARMHOLE)
    leg = (at.leg > BEYOND + 1e-3) & (
        at.leg <= THIGH
    )  # interpolation rounds, also where no bone of the leg moves
    return (trunk | leg) & (collar(WIDEST_COLLAR, DEEPEST_COLLAR)(anatomy, at) > 0)


def covered(anatomy: Anatomy, at: Coordinates, garments: tuple[Garment, ...]) -> Array:
    """Which points are painted as cloth: under a garment, or required to be. Bool, shape of at."""
    worn = [garment.inside(anatomy, at) > 0 for garment in garments]
    return np.logical_or.reduce([required(anatomy, at), *worn])
