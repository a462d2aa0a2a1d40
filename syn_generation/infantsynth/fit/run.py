"""A whole fitting run: keypoints in, parameters, meshes, pictures and a report out; resumable, never stopped by one."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from fidip.errors import DataError, FidipError
from fidip.progress import progress
from fidip.runtime import fingerprint, logger
from infantsynth.fit.draw import write_mesh, write_overlay
from infantsynth.fit.fitting import fit_bodies
from infantsynth.fit.keypoints import Subject, read_subjects
from infantsynth.fit.outcome import Outcome, Row, read_outcome, write_outcome
from infantsynth.fit.plan import FitPlan, make_plan
from infantsynth.fit.quality import Tolerance, failed, outcomes, posed_vertices
from infantsynth.fit.report import Clock, write_report
from infantsynth.fit.settings import Settings

PICTURE_NAME = "output.png"  # as published: images/<picture>/<person>/output.png


@dataclass(frozen=True)
class Folders:
    """Where the parts of a result go."""

    results: Path
    meshes: Path | None
    pictures: Path | None

    def result(self, subject: Subject) -> Path:
        """Of a person's parameters, without suffix."""
        return self.results / subject.name / f"{subject.person:03d}"

    def mesh(self, subject: Subject) -> Path | None:
        """Of a person's mesh, None when meshes are not wanted."""
        return self.meshes and self.meshes / subject.name / f"{subject.person:03d}.obj"

    def picture(self, subject: Subject) -> Path | None:
        """Of a person's overlay, None when none is wanted."""
        return self.pictures and self.pictures / subject.name / f"{subject.person:03d}" / PICTURE_NAME


def run_fit(settings: Settings) -> dict[str, Any]:
    """Fit all persons that ``settings`` name, or those that are missing; returns the summary of the report.

    Raises ConfigError and DataError for what concerns the whole run (config, body, prior, no keypoints at all); what
    is wrong with single persons becomes their row.
    """
    data, output = Path(settings["data_folder"]), Path(settings["output_folder"])
    subjects = read_subjects(
        data / settings["keyp_folder"], data / settings["img_folder"], settings["max_persons"]
    )
    plan = make_plan(settings)
    folders = Folders(
        output / settings["result_folder"],
        output / settings["mesh_folder"] if settings["save_meshes"] else None,
        output / "images" if settings["visualize"] else None,
    )
    run = _Run(plan, folders, Tolerance(settings["max_error"], settings["max_penetration"]))
    batch = max(settings["batch_size"], 1)
    total = -(-len(subjects) // batch)
    batches: Iterator[list[Subject]] = _batches(subjects, batch)
    rows: list[Row] = []
    for group in progress(batches, total, "fit", "batch") if settings["interactive"] else batches:
        rows += run.fit(group)
    return write_report(output, rows, settings, run.clock)


def _batches(subjects: Sequence[Subject], size: int) -> Iterator[list[Subject]]:
    items = iter(subjects)
    while group := list(islice(items, size)):
        yield group


class _Run:
    """What stays the same from batch to batch, and the time that fitting took."""

    def __init__(self, plan: FitPlan, folders: Folders, tolerance: Tolerance) -> None:
        self.plan, self.folders, self.tolerance = plan, folders, tolerance
        self.clock = Clock()

    def fit(self, subjects: Sequence[Subject]) -> list[Row]:
        """Rows of a batch, in order; what is done already is read."""
        found: dict[int, Outcome | Row] = {}
        missing = []
        for i, subject in enumerate(subjects):
            if subject.fault:
                found[i] = failed(subject, subject.fault)
            elif (done := self._done(subject)) is not None:
                found[i] = done
            else:
                missing.append(i)
        found |= dict(zip(missing, self._guarded([subjects[i] for i in missing]), strict=True))
        return [self._written(subjects[i], found[i], i in missing) for i in range(len(subjects))]

    def _key(self, subject: Subject) -> str:
        limits = self.tolerance.percent, self.tolerance.penetration
        return fingerprint([self.plan.key, subject.keypoints.tolist(), subject.size, limits], 16)

    def _done(self, subject: Subject) -> Outcome | None:
        path = self.folders.result(subject).with_suffix(".npz")
        if not path.is_file():
            return None
        try:
            outcome = read_outcome(path)
        except DataError as error:
            logger.warning("%s", error)
            return None
        return outcome if outcome.key == self._key(subject) else None

    def _guarded(self, subjects: Sequence[Subject]) -> list[Outcome | Row]:
        """Fits of persons together; if that breaks, once each alone, so that one cannot spoil the others'."""
        if not subjects:
            return []
        try:
            return self._fitted(subjects)
        except Exception as error:  # whatever a foreign library throws becomes a row
            if len(subjects) == 1:
                return [failed(subjects[0], f"{type(error).__name__}: {error}")]
            logger.warning(
                "a batch of %d failed (%s); its persons are fitted one by one", len(subjects), error
            )
            return [found for subject in subjects for found in self._guarded([subject])]

    def _fitted(self, subjects: Sequence[Subject]) -> list[Outcome | Row]:
        plan, start, cpu = self.plan, time.perf_counter(), time.process_time()
        keypoints = np.stack([subject.keypoints for subject in subjects])
        sizes = np.array([subject.size for subject in subjects], dtype=np.float64)
        fits = fit_bodies(plan.body, keypoints, sizes, plan.config, plan.prior, plan.shape_prior)
        self.clock = Clock(
            self.clock.fitted + len(subjects),
            self.clock.seconds + time.perf_counter() - start,
            self.clock.cpu + time.process_time() - cpu,
        )
        return outcomes(plan, subjects, [self._key(subject) for subject in subjects], fits, self.tolerance)

    def _written(self, subject: Subject, found: Outcome | Row, new: bool) -> Row:
        """Write what belongs to a fit, or what of it is missing; pictures that cannot be read cost only themselves."""
        if isinstance(found, Row):
            return found
        wanted = [p for p in (self.folders.mesh(subject), self.folders.picture(subject)) if p]
        if new or not all(path.is_file() for path in wanted):
            parts = (part[None] for part in (found.betas, found.pose, found.transl))
            vertices = posed_vertices(self.plan.body, *parts)[0]
            if mesh := self.folders.mesh(subject):
                write_mesh(mesh, self.plan.body, vertices)
            if picture := self.folders.picture(subject):
                self._draw(picture, subject, found, vertices)
        if new:
            write_outcome(self.folders.result(subject), found)
        return found.row

    def _draw(self, path: Path, subject: Subject, found: Outcome, vertices: np.ndarray) -> None:
        try:
            write_overlay(path, self.plan.body, found, vertices, subject.picture)
        except FidipError as error:
            logger.warning("%s: no overlay (%s)", subject.source, error)
