"""Poses to learn a prior from: the user's fits, or draws of the authored postures."""

from pathlib import Path

import numpy as np

from fidip.errors import DataError
from fidip.progress import progress
from fidip.runtime import logger
from infantsynth.body import BodyModel
from infantsynth.fit.outcome import OK, read_outcomes
from infantsynth.poses import POSTURES, sample_pose

Array = np.ndarray


def fitted_poses(folder: Path, body: BodyModel, max_error: float) -> tuple[Array, Array]:
    """Poses (N, J, 3) rad and betas (N, K) of the good fits of a body at any depth of a folder.

    max_error: mean error in per cent of the box's diagonal. Raises DataError where none is good enough or a fit is
    of another body.
    """
    found = read_outcomes(folder)
    others = sorted({outcome.body for outcome in found} - {body.name})
    if others:
        raise DataError(f"{folder} holds fits of body {others[0]!r}, not {body.name!r}; name it with --body")
    good = [o for o in found if o.row.status == OK and o.row.mean_percent <= max_error]
    logger.info("%d of %d fits are good enough (mean error at most %g %%)", len(good), len(found), max_error)
    if not good:
        raise DataError(
            f"{folder} holds no fit with a mean error of {max_error:g} % or less; allow more or fit better"
        )
    return np.stack([o.pose for o in good]), np.stack([o.betas for o in good])


def authored_poses(body: BodyModel, count: int, seed: int) -> Array:
    """Draws (count, J, 3) rad of the authored postures, each as often."""
    numbers = progress(range(count), count, "poses", "pose")
    return np.stack(
        [
            sample_pose(body, POSTURES[i % len(POSTURES)], np.random.default_rng([seed, i])).pose
            for i in numbers
        ]
    )
