"""Run a whole fit: keypoints in; parameters, meshes, overlays and a report out; resumable."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fidip.environment import logger
from fidip.errors import DataError, FidipError
from fidip.files import fingerprint, write_text
from fidip.pixels import read_rgb
from fidip.progress import progress
from infantsynth.body import BodyModel
from infantsynth.fit.fitting import fit_bodies, usable
from infantsynth.fit.keypoints import Subject, read_subjects
from infantsynth.fit.outcome import (
    Clock,
    Outcome,
    Row,
    Tolerance,
    failed,
    outcomes,
    posed_vertices,
    read_outcome,
    write_outcome,
    write_report,
)
from infantsynth.fit.plan import FitPlan, make_plan
from infantsynth.fit.settings import Settings
from infantsynth.overlay import draw_fit, write_png
from infantsynth.render.zbuffer import rasterise
from infantsynth.spec import Camera, Material, Mesh, face_normals

Array = np.ndarray

LONGEST = 800  # px; larger images are drawn smaller
PLASTER = np.array([120.0, 165.0, 235.0])  # RGB of the fitted body: a lay figure's, nobody's skin
OPACITY = 0.65
PAPER = 235
SEEN, FITTED = (255, 210, 40), (225, 30, 60)  # RGB
FLIP = np.array([1.0, -1.0, -1.0])  # camera axes to a viewer's: y up, z towards the eye
IMAGE_NAME = "output.png"  # as published: images/<image>/<person>/output.png
SIZES = (1, 8, 64)  # persons in a batch


def write_mesh(path: Path, body: BodyModel, vertices: Array) -> None:
    """Write posed vertices (V, 3) m in camera axes as .obj, turned so that y is up and the camera looks along -z."""
    lines = ["# m; x right, y up, z towards the camera"]
    lines += [f"v {x:.5f} {y:.5f} {z:.5f}" for x, y, z in vertices * FLIP]
    lines += [f"f {a} {b} {c}" for a, b, c in np.asarray(body.faces) + 1]
    write_text(path, "\n".join(lines) + "\n")


def write_overlay(path: Path, body: BodyModel, outcome: Outcome, vertices: Array, image: Path | None) -> None:
    """Write ``overlay`` as PNG; without an image on plain paper. Raises DataError for an unreadable image."""
    shown = None if image is None else read_rgb(image)
    write_png(path, overlay(body, outcome, vertices, shown))


def overlay(body: BodyModel, outcome: Outcome, vertices: Array, image: Array | None) -> Array:
    """Return the fitted body over the image, RGB uint8 (H, W, 3): given joints yellow, the fit's as red rings.

    vertices: (V, 3) m in camera axes. image: RGB uint8 of the keypoints' size, or None.
    """
    width, height = outcome.size
    scale = min(1.0, LONGEST / max(width, height))
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    canvas = np.full((height, width, 3), PAPER, np.uint8) if image is None else image
    canvas = cv2.resize(canvas, size, interpolation=cv2.INTER_AREA)
    shrink = np.diag([scale, scale, 1.0])
    shrink[:2, 2] = (scale - 1) / 2
    camera = Camera(shrink @ outcome.intrinsics, np.eye(3), np.zeros(3), *size)
    canvas = _blend_body(canvas, camera, body, vertices)
    draw_fit(canvas, outcome.projected, outcome.keypoints, scale, (SEEN, FITTED))
    return canvas


def _blend_body(canvas: Array, camera: Camera, body: BodyModel, vertices: Array) -> Array:
    faces = np.asarray(body.faces, dtype=np.int32)
    mesh = Mesh("body", vertices.astype(np.float32), faces, Material(PLASTER.astype(np.float32) / 255))
    buffers = rasterise(camera, (mesh,))
    normal = face_normals(vertices, faces)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    sight = vertices[faces].mean(axis=1)
    facing = np.abs((normal * sight).sum(axis=1)) / np.maximum(np.linalg.norm(sight, axis=1), 1e-9)
    inside = buffers.mesh >= 0
    paint = PLASTER * (0.3 + 0.7 * facing[buffers.face[inside]])[:, None]
    blended = canvas.copy()
    blended[inside] = (canvas[inside] * (1 - OPACITY) + paint * OPACITY).round().astype(np.uint8)
    return blended


@dataclass(frozen=True)
class Folders:
    """Where the parts of a result go."""

    results: Path
    meshes: Path | None
    images: Path | None

    def result(self, subject: Subject) -> Path:
        """Name the file of a person's parameters, without suffix."""
        return self.results / subject.name / f"{subject.person:03d}"

    def mesh(self, subject: Subject) -> Path | None:
        """Name the file of a person's mesh, None when meshes are not wanted."""
        return self.meshes and self.meshes / subject.name / f"{subject.person:03d}.obj"

    def image(self, subject: Subject) -> Path | None:
        """Name the file of a person's overlay, None when none is wanted."""
        return self.images and self.images / subject.name / f"{subject.person:03d}" / IMAGE_NAME


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
        """Return rows of a batch, in order; what is done already is read."""
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
        """Return fits of persons together; if that breaks, once each alone, so that one cannot spoil the others'."""
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
        """Write what belongs to a fit, or what of it is missing; images that cannot be read cost only themselves."""
        if isinstance(found, Row):
            return found
        wanted = [p for p in (self.folders.mesh(subject), self.folders.image(subject)) if p]
        if new or not all(path.is_file() for path in wanted):
            parts = (part[None] for part in (found.betas, found.pose, found.transl))
            vertices = posed_vertices(self.plan.body, *parts)[0]
            if mesh := self.folders.mesh(subject):
                write_mesh(mesh, self.plan.body, vertices)
            if image := self.folders.image(subject):
                self._draw(image, subject, found, vertices)
        if new:
            write_outcome(self.folders.result(subject), found)
        return found.row

    def _draw(self, path: Path, subject: Subject, found: Outcome, vertices: np.ndarray) -> None:
        try:
            write_overlay(path, self.plan.body, found, vertices, subject.image)
        except FidipError as error:
            logger.warning("%s: no overlay (%s)", subject.source, error)


@dataclass(frozen=True)
class BatchTime:
    """One batch size. wall, cpu: s per person. moved: px, the farthest that a projected keypoint is from where the
    first size put it, median over the persons and of the worst one."""

    size: int
    wall: float
    cpu: float
    moved: tuple[float, float]


def benchmark(settings: Settings, count: int, sizes: Sequence[int] = SIZES) -> list[BatchTime]:
    """Fit the first ``count`` persons that can be fitted in batches of each size, or of all; nothing is written.

    Raises ConfigError and DataError as a fit does, and DataError where no person can be fitted.
    """
    data, plan = Path(settings["data_folder"]), make_plan(settings)
    subjects = read_subjects(
        data / settings["keyp_folder"], data / settings["img_folder"], settings["max_persons"]
    )
    sound = [s for s in subjects if not s.fault and usable(s.keypoints[None], plan.config)[0]][:count]
    if not sound:
        raise DataError(f"{data / settings['keyp_folder']} holds no person that can be fitted")
    keypoints = np.stack([subject.keypoints for subject in sound])
    images = np.array([subject.size for subject in sound], dtype=np.float64)
    _timed(plan, keypoints[:1], images[:1], 1)  # the rig is made once
    made: list[BatchTime] = []
    first: Array | None = None
    for size in sorted({min(size, len(sound)) for size in sizes}):
        wall, cpu, projected = _timed(plan, keypoints, images, size)
        first = projected if first is None else first
        moved = np.linalg.norm(projected - first, axis=-1).max(axis=1)
        made.append(
            BatchTime(
                size, wall / len(sound), cpu / len(sound), (float(np.median(moved)), float(moved.max()))
            )
        )
    return made


def _timed(plan: FitPlan, keypoints: Array, images: Array, size: int) -> tuple[float, float, Array]:
    """Return wall and CPU seconds of fitting all in batches of ``size``, and the projected keypoints (N, 17, 2) px."""
    wall, cpu = time.perf_counter(), time.process_time()
    parts = [
        fit_bodies(
            plan.body,
            keypoints[i : i + size],
            images[i : i + size],
            plan.config,
            plan.prior,
            plan.shape_prior,
        )
        for i in range(0, len(keypoints), size)
    ]
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return wall, cpu, np.concatenate([part.projected for part in parts])
