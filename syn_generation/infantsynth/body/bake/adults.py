"""Adults as Anny has them, so that labels of adults can be made and compared with the same tools."""

import numpy as np

from infantsynth.body.bake.rig import Rig
from infantsynth.body.bake.source import Source

Array = np.ndarray

# Anny's height parameter of a man of 1.76 m and a woman of 1.62 m, and what 7 cm are on it
_HEIGHT, _HEIGHT_SPREAD = 0.37, 0.065


def median_adult() -> dict[str, float]:
    """The phenotype in the middle, between women and men."""
    return _phenotype(0.70, 0.5, 0.5, 0.5, _HEIGHT, 0.5, np.full(3, 1 / 3))


def draw_adult(rng: np.random.Generator) -> dict[str, float]:
    """A phenotype: age, gender, build, height, proportions and ancestry drawn apart."""
    muscle, weight, proportions = np.clip(0.5 + 0.17 * rng.standard_normal(3), 0.05, 0.95)
    height = _HEIGHT + _HEIGHT_SPREAD * np.clip(rng.standard_normal(), -2.5, 2.5)
    gender, ancestry = rng.beta(0.6, 0.6), rng.dirichlet([0.5, 0.5, 0.5])
    return _phenotype(rng.uniform(0.62, 0.88), gender, muscle, weight, height, proportions, ancestry)


def build_adult(source: Source, rig: Rig, phenotype: dict[str, float]) -> tuple[Array, Array]:
    """Vertices (V, 3) and joints (J, 3) in m of this adult, standing at rest."""
    vertices, heads = source.rest(**phenotype)
    return vertices, heads[list(rig.heads)]


def _phenotype(
    age: float,
    gender: float,
    muscle: float,
    weight: float,
    height: float,
    proportions: float,
    ancestry: Array,
) -> dict[str, float]:
    african, asian, caucasian = (float(part) for part in ancestry)
    return {
        "age": float(age),
        "gender": float(gender),
        "muscle": float(muscle),
        "weight": float(weight),
        "height": float(height),
        "proportions": float(proportions),
        "african": african,
        "asian": asian,
        "caucasian": caucasian,
    }
