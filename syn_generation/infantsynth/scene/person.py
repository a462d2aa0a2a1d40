"""The person of a scene: shape, pose at rest, clothes."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from infantsynth.appearance import Dressed, TextureSource, dress
from infantsynth.appearance.studio import TEXTURE_SIZE
from infantsynth.body import BodyModel
from infantsynth.poses import FitPool, PoseSample, from_fits, legacy_rotation, sample_pose, uniform_rotation
from infantsynth.poses.rotation import LEGACY_STEPS
from infantsynth.scene.options import ADULT_POSTURES, SceneOptions
from infantsynth.scene.places import Place, draw_place
from infantsynth.scene.settle import PosedBody, Settled, badness, pose_body, settle
from infantsynth.spec import BodyInScene

Array = np.ndarray

_GROWN = 1.9  # size of mats and quilts for adults, of those for infants
_SMALL = 320  # px, longer side of pictures that need only half the textures
_TRIES = 12  # poses that are laid down until one rests well
_CHANCES = {"supine": 0.34, "prone": 0.2, "side": 0.13, "sitting": 0.17, "crawling": 0.1, "standing": 0.06}
_ADULT_CHANCES = {"standing": 0.45, "sitting": 0.25, "supine": 0.14, "prone": 0.06, "side": 0.1}


@lru_cache(maxsize=4)
def fit_pool(path: Path, body: BodyModel) -> FitPool:
    """The fits at a path, read once."""
    return from_fits(path, body)


def draw_posture(body: BodyModel, options: SceneOptions, rng: np.random.Generator) -> str:
    """One of the wanted postures, the common ones more often."""
    adult = body.name == "adult"
    chances = _ADULT_CHANCES if adult else _CHANCES
    wanted = options.postures or (ADULT_POSTURES if adult else tuple(chances))
    weights = np.array([chances.get(posture, 0.05) for posture in wanted])
    return wanted[rng.choice(len(wanted), p=weights / weights.sum())]


def draw_shape(
    body: BodyModel, options: SceneOptions, posture: str, rng: np.random.Generator
) -> tuple[Array, float | None]:
    """Betas (K,) and the age in months where the body has one; who sits, crawls or stands is old enough for it."""
    months_to_betas = getattr(body, "months_to_betas", None)
    if months_to_betas is None:
        return np.clip(rng.normal(0, 0.8, body.num_betas), -2, 2), None
    youngest = {"sitting": 5.0, "crawling": 6.0, "standing": 9.0}.get(posture, 0.0)
    low, high = options.months
    months = float(rng.uniform(min(max(low, youngest), high), high))
    return np.asarray(
        months_to_betas(months, rng), dtype=np.float64
    ), None if body.name == "adult" else months


def draw_pose(
    body: BodyModel, options: SceneOptions, posture: str, rng: np.random.Generator
) -> tuple[PoseSample, Array | None]:
    """A pose from the fits or an authored one, and the betas of the fit."""
    if options.fits is not None and rng.random() < options.fit_share:
        drawn = fit_pool(options.fits, body).draw(body, rng, options.fit_noise, (posture,))
        if drawn is not None:
            return drawn
    return sample_pose(body, posture, rng), None


@dataclass(frozen=True)
class Laid:
    """A person at rest in a place; months: age or None."""

    settled: Settled
    place: Place
    months: float | None


def lay_down(body: BodyModel, options: SceneOptions, rng: np.random.Generator) -> Laid:
    """Draw shape, posture, place and pose until the body rests in its posture with its weight over its support."""
    posture, adult = draw_posture(body, options, rng), body.name == "adult"
    best: tuple[float, Laid] | None = None
    for _ in range(_TRIES):
        betas, months = draw_shape(body, options, posture, rng)
        sample, fitted = draw_pose(body, options, posture, rng)
        betas = betas if fitted is None else fitted
        place = draw_place(posture, _GROWN if adult else 1.0, rng, adult)
        settled = settle(body, betas, sample, place.ground)
        fault = badness(settled, body.parts)
        if best is None or fault < best[0]:
            best = (fault, Laid(settled, place, months))
        if fault == 0:
            break
    assert best is not None  # noqa: S101 - the loop runs
    return best[1]


@dataclass(frozen=True)
class Floating:
    """A person over a photograph: pose (J, 3) rad, transl (3,) m, betas (K,), and the posed body."""

    pose: Array
    transl: Array
    betas: Array
    posed: PosedBody
    sample: PoseSample
    months: float | None


def hold_up(body: BodyModel, options: SceneOptions, rng: np.random.Generator) -> Floating:
    """Draw shape and pose of a person in the air, oriented as the options say, its middle at the world's origin."""
    posture = draw_posture(body, options, rng)
    betas, months = draw_shape(body, options, posture, rng)
    sample, fitted = draw_pose(body, options, posture, rng)
    betas = betas if fitted is None else fitted
    pose = sample.pose.copy()
    if options.rotation == "uniform":
        pose[0] = uniform_rotation(rng)
    elif options.rotation == "legacy":
        pose[0] = legacy_rotation(pose[0], int(rng.integers(LEGACY_STEPS)))
    vertices = pose_body(body, betas, pose, np.zeros(3)).vertices
    transl = -(vertices.min(axis=0) + vertices.max(axis=0)) / 2
    return Floating(pose, transl, betas, pose_body(body, betas, pose, transl), sample, months)


def clothe(
    body: BodyModel,
    betas: Array,
    pose: Array,
    vertices: Array,
    rng: np.random.Generator,
    textures: TextureSource,
    size: int = TEXTURE_SIZE,
) -> Dressed:
    """Clothes, hair and skin of a posed body, with textures of ``size`` px."""
    shape, turns, skin = (a.astype(np.float32) for a in (betas, pose, vertices))
    return dress(body, shape, turns, skin, rng, textures, size)


def texture_side(picture: tuple[int, int]) -> int:
    """Side of the textures for pictures of a size, px: a step of two follows the pictures, as the look depends on it."""
    return TEXTURE_SIZE // 2 if max(picture) <= _SMALL else TEXTURE_SIZE


def in_scene(body: BodyModel, posed: PosedBody, betas: Array, pose: Array, transl: Array) -> BodyInScene:
    """What labels are read from."""
    return BodyInScene(
        posed.vertices, vertex_normals(posed.vertices, body.faces), posed.joints, posed.keypoints,
        tuple(body.keypoint_vertices), np.asarray(body.parts), betas, pose, transl,
    )  # fmt: skip


def vertex_normals(vertices: Array, faces: Array) -> Array:
    """Unit normals (V, 3), weighted by the area of the faces around."""
    corners = vertices[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    summed = np.stack(
        [np.bincount(faces.ravel(), np.repeat(normal[:, k], 3), len(vertices)) for k in range(3)], axis=1
    )
    return summed / np.maximum(np.linalg.norm(summed, axis=1, keepdims=True), 1e-12)


def record(sample: PoseSample, months: float | None) -> dict[str, Any]:
    """What is known of the person, ready for JSON."""
    return {
        "posture": sample.posture,
        "pose": sample.source,
        "months": None if months is None else round(months, 2),
    }
