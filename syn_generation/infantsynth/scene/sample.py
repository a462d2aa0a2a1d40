"""Draw a whole scene from a seed: the person, its place, light, room and camera."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from infantsynth.appearance.dress import Dressed, dress
from infantsynth.appearance.studio import TEXTURE_SIZE
from infantsynth.appearance.textures import TextureSource
from infantsynth.body import PART_NAMES, BodyModel
from infantsynth.poses.authored import (
    LEGACY_STEPS,
    PoseSample,
    legacy_rotation,
    sample_pose,
    uniform_rotation,
)
from infantsynth.poses.fits import FitPool, from_fits
from infantsynth.scene import surroundings
from infantsynth.scene.bedding import press
from infantsynth.scene.places import ADULT_POSTURES, Place, SceneOptions, draw_place, put_under
from infantsynth.scene.props import Stage, extent, furnish, holds_on
from infantsynth.scene.room import build_room, plan_room
from infantsynth.scene.settle import PosedBody, Settled, badness, pose_body, settle
from infantsynth.scene.surroundings import LightSource, draw_lighting
from infantsynth.scene.viewpoint import Frame, beside, measure_sight, sample_camera
from infantsynth.spec import BodyInScene, SceneSpec, vertex_normals

Array = np.ndarray

_GROWN = 1.9  # size of mats and quilts for adults, of those for infants
_SMALL = 320  # px, longer side of images that need only half the textures
_TRIES = 12  # poses that are laid down until one rests well
_CHANCES = {"supine": 0.34, "prone": 0.2, "side": 0.13, "sitting": 0.17, "crawling": 0.1, "standing": 0.06}
_ADULT_CHANCES = {"standing": 0.45, "sitting": 0.25, "supine": 0.14, "prone": 0.06, "side": 0.1}
_PARTS = ("person", "clothes", "ground", "camera", "light", "room", "toys", "blanket")
_VIEWS = 8  # cameras and furnishings that are tried until the person is well seen


@lru_cache(maxsize=4)
def fit_pool(path: Path, body: BodyModel) -> FitPool:
    """Return the fits at a path, read once."""
    return from_fits(path, body)


def draw_posture(body: BodyModel, options: SceneOptions, rng: np.random.Generator) -> str:
    """Draw one of the wanted postures, the common ones more often."""
    adult = body.name == "adult"
    chances = _ADULT_CHANCES if adult else _CHANCES
    wanted = options.postures or (ADULT_POSTURES if adult else tuple(chances))
    weights = np.array([chances.get(posture, 0.05) for posture in wanted])
    return wanted[rng.choice(len(wanted), p=weights / weights.sum())]


def draw_shape(
    body: BodyModel, options: SceneOptions, posture: str, rng: np.random.Generator
) -> tuple[Array, float | None]:
    """Draw betas (K,) and the age in months where the body has one; who sits, crawls or stands is old enough for it."""
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
    """Draw a pose from the fits or an authored one, and the betas of the fit."""
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
    """Draw clothes, hair and skin of a posed body, with textures of ``size`` px."""
    shape, turns, skin = (a.astype(np.float32) for a in (betas, pose, vertices))
    return dress(body, shape, turns, skin, rng, textures, size)


def texture_side(image: tuple[int, int]) -> int:
    """Return side of the textures for images of a size, px: a step of two follows the images, as the look depends on it."""
    return TEXTURE_SIZE // 2 if max(image) <= _SMALL else TEXTURE_SIZE


def in_scene(body: BodyModel, posed: PosedBody, betas: Array, pose: Array, transl: Array) -> BodyInScene:
    """Return what labels are read from."""
    return BodyInScene(
        posed.vertices,
        vertex_normals(posed.vertices, body.faces),
        posed.joints,
        posed.keypoints,
        tuple(body.keypoint_vertices),
        np.asarray(body.parts),
        betas,
        pose,
        transl,
    )


def record(sample: PoseSample, months: float | None) -> dict[str, Any]:
    """Return what is known of the person, ready for JSON."""
    return {
        "posture": sample.posture,
        "pose": sample.source,
        "months": None if months is None else round(months, 2),
    }


@lru_cache(maxsize=4)
def texture_source(folder: Path | None) -> TextureSource:
    """Return the user's textures, listed once; procedural ones without a folder."""
    return TextureSource(folder)


@lru_cache(maxsize=4)
def light_source(folder: Path) -> LightSource:
    """Return the user's environment images, listed once."""
    return LightSource(folder)


@lru_cache(maxsize=4)
def background_source(folder: Path) -> surroundings.BackgroundSource:
    """Return the user's background images, listed once."""
    return surroundings.BackgroundSource(folder)


def sample_scene(body: BodyModel, seed: int, options: SceneOptions) -> SceneSpec:
    """Draw everything of one image; it depends on nothing but the body, the seed and the options.

    Raises DataError when a folder of the options is missing or holds nothing usable.
    """
    draw = _photo if options.mode == "photo" else _room_scene
    spec = draw(body, options, part_streams(seed))
    return replace(spec, info={"seed": seed, "mode": options.mode, "body": body.name, **spec.info})


def part_streams(seed: int) -> dict[str, np.random.Generator]:
    """Return the random streams of a scene, one for each of its parts, from their beginning."""
    streams = np.random.SeedSequence(seed).spawn(len(_PARTS))
    return {name: np.random.default_rng(stream) for name, stream in zip(_PARTS, streams, strict=True)}


def _room_scene(body: BodyModel, options: SceneOptions, rngs: dict[str, np.random.Generator]) -> SceneSpec:
    textures = texture_source(options.textures)
    laid = lay_down(body, options, rngs["person"])
    settled = laid.settled
    posed = PosedBody(settled.vertices, settled.joints, settled.keypoints)
    dressed = clothe(
        body,
        settled.betas,
        settled.pose,
        settled.vertices,
        rngs["clothes"],
        textures,
        texture_side(options.size),
    )
    place = put_under(laid.place, settled.vertices, rngs["ground"])
    bedding = press(
        place, [(mesh.vertices, mesh.faces) for mesh in dressed.meshes], settled.scale, rngs["ground"]
    )
    frame = _frame(body, posed, settled.pose, settled.scale, settled.sample.posture)
    source = None if options.lights is None else light_source(options.lights)
    light = draw_lighting(
        frame.keypoints.mean(axis=0), settled.scale, place.kind.outdoors, rngs["light"], source
    )
    known = {
        **record(settled.sample, laid.months),
        "place": place.name,
        "light": light.name,
        "rest": {"margin_m": round(settled.margin, 4), "sunk_m": round(settled.sunk, 4)},
        "look": dressed.info,
    }
    seen = in_scene(body, posed, settled.betas, settled.pose, settled.transl)

    covered = bool(rngs["blanket"].random() < options.blanket)

    def view(draws: int) -> SceneSpec:
        aimed = frame
        if holds_on(settled, place):  # it hides the infant from the front
            aimed = replace(frame, front=beside(frame.front, rngs["camera"]))
        camera, lens = sample_camera(aimed, options.size, rngs["camera"])
        shone = light.seen_from(camera.centre)
        stage = Stage(body, settled, place, bedding, dressed, camera, covered, draws)
        props, names = furnish(stage, options, rngs, textures)
        inside = np.stack(
            [camera.centre, *(lamp.centre for lamp in shone.lights), *extent([*dressed.meshes, *props])]
        )
        room = build_room(plan_room(place, inside, rngs["room"]), place, rngs["room"], textures)
        return SceneSpec(
            camera,
            (*dressed.meshes, *props, *room),
            seen,
            shone.lights,
            shone.environment,
            lens.aperture,
            lens.focus,
            None,
            {**known, **names},
        )

    return _best_seen(view)


def _best_seen(view: Callable[[int], SceneSpec]) -> SceneSpec:
    """Return the first view, of those with numbers from 0, that shows the person well, or the best of some."""
    best: tuple[float, SceneSpec] | None = None
    for draws in range(_VIEWS):
        spec = view(draws)
        lack = measure_sight(spec).lack
        if best is None or lack < best[0]:
            best = (lack, spec)
        if lack == 0:
            break
    assert best is not None  # noqa: S101 - the loop runs
    return best[1]


def _frame(body: BodyModel, posed: PosedBody, pose: Array, scale: float, posture: str) -> Frame:
    head = posed.vertices[np.asarray(body.parts) == PART_NAMES.index("head")][::11]
    front = Rotation.from_rotvec(pose[0]).apply([0.0, -1.0, 0.0])
    return Frame(posed.vertices, posed.keypoints, head, front, scale, posture)


def _photo(body: BodyModel, options: SceneOptions, rngs: dict[str, np.random.Generator]) -> SceneSpec:
    held = hold_up(body, options, rngs["person"])
    textures = texture_source(options.textures)
    side = texture_side(options.size)
    dressed = clothe(body, held.betas, held.pose, held.posed.vertices, rngs["clothes"], textures, side)
    scale = float(np.ptp(body.template[:, 2].cpu().numpy())) / 0.7
    posture = held.sample.posture if options.rotation == "posture" else "photo"
    frame = _frame(body, held.posed, held.pose, scale, posture)
    source = None if options.lights is None else light_source(options.lights)
    light = draw_lighting(np.zeros(3), scale, False, rngs["light"], source)
    if options.backgrounds is None:
        background, name = surroundings.procedural_background(options.size, rngs["room"])
    else:
        background, name = background_source(options.backgrounds).draw(options.size, rngs["room"])
    info = {
        **record(held.sample, held.months),
        "rotation": options.rotation,
        "background": name,
        "light": light.name,
        "look": dressed.info,
    }
    seen = in_scene(body, held.posed, held.betas, held.pose, held.transl)

    def view(_: int) -> SceneSpec:
        camera, lens = sample_camera(frame, options.size, rngs["camera"])
        return SceneSpec(
            camera,
            tuple(dressed.meshes),
            seen,
            light.seen_from(camera.centre).lights,
            light.environment,
            lens.aperture,
            lens.focus,
            background,
            info,
        )

    return _best_seen(view)
