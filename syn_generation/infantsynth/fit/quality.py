"""How good fits are: errors in the picture, limits, body parts that sink into each other."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from infantsynth.body import BodyModel
from infantsynth.fit.fitting import FitResult
from infantsynth.fit.keypoints import Subject
from infantsynth.fit.outcome import FAILED, OK, POOR, Outcome, Row
from infantsynth.fit.plan import FitPlan
from infantsynth.fit.starts import extents
from infantsynth.priors import JointLimits
from infantsynth.priors.contact import self_penetration

Array = np.ndarray


@dataclass(frozen=True)
class Tolerance:
    """Beyond these a fit is poor: mean error in per cent of the box's diagonal, penetration in m."""

    percent: float = 3.0
    penetration: float = 0.04


def posed_vertices(body: BodyModel, betas: Array, pose: Array, transl: Array) -> Array:
    """Vertices (N, V, 3) m in camera axes of fits: betas (N, K), pose (N, J, 3) rad, transl (N, 3) m."""
    with torch.no_grad():
        tensors = (torch.as_tensor(part).to(body.template) for part in (betas, pose, transl))
        return body(*tensors).vertices.double().cpu().numpy()


def outcomes(
    plan: FitPlan, subjects: Sequence[Subject], keys: Sequence[str], fits: FitResult, tolerance: Tolerance
) -> list[Outcome | Row]:
    """An outcome for each person that was fitted, a row for each that was not."""
    limits = JointLimits.for_body(plan.body)
    made: list[Outcome | Row] = []
    for i, subject in enumerate(subjects):
        if not np.isfinite(fits.cost[i]) or not np.isfinite(fits.pose[i]).all():
            made.append(
                failed(
                    subject,
                    "no body was found for these keypoints: too few joints, all in one place, or far apart",
                )
            )
            continue
        vertices = posed_vertices(
            plan.body, *(part[i : i + 1] for part in (fits.betas, fits.pose, fits.transl))
        )
        depth = float(self_penetration(plan.body, vertices)[0])
        beyond = float(limits.violation(fits.pose[i])[1:].max())
        row = judge(subject, fits, i, depth, beyond, tolerance)
        own = fits.pose[i], fits.betas[i], fits.transl[i], float(fits.focal[i])
        seen = subject.size, subject.keypoints, fits.projected[i], subject.posture
        made.append(Outcome(row, keys[i], plan.body.name, *own, *seen))
    return made


def judge(
    subject: Subject, fits: FitResult, i: int, depth: float, beyond: float, tolerance: Tolerance
) -> Row:
    """The row of a person that was fitted; depth in m, beyond in rad."""
    error = fits.error_px[i]
    diagonal = float(np.linalg.norm(extents(subject.keypoints[None])[0]))
    percent = float(np.nanmean(error)) / diagonal * 100
    reasons = []
    if percent > tolerance.percent:
        reasons.append(f"mean error {percent:.2f} % of the box, more than {tolerance.percent:g}")
    if depth > tolerance.penetration:
        reasons.append(f"parts sink {depth:.3f} m into each other, more than {tolerance.penetration:g}")
    return Row(
        name=subject.name,
        person=subject.person,
        status=POOR if reasons else OK,
        reason="; ".join(reasons),
        joints=int(np.isfinite(error).sum()),
        mean_px=float(np.nanmean(error)),
        median_px=float(np.nanmedian(error)),
        max_px=float(np.nanmax(error)),
        mean_percent=percent,
        penetration_m=depth,
        limit_rad=beyond,
        cost=float(fits.cost[i]),
        start=int(fits.start[i]),
        converged=bool(fits.converged[i]),
        source=subject.source,
    )


def failed(subject: Subject, reason: str) -> Row:
    """The row of a person that could not be fitted."""
    joints = int((subject.keypoints[:, 2] > 0).sum())
    return Row(subject.name, subject.person, FAILED, " ".join(reason.split()), joints, source=subject.source)
