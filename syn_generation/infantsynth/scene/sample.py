"""Draw a whole scene from a seed."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from infantsynth.appearance import TextureSource
from infantsynth.body import PART_NAMES, BodyModel
from infantsynth.scene import backgrounds
from infantsynth.scene.lights import LightSource, draw_lighting
from infantsynth.scene.options import SceneOptions
from infantsynth.scene.person import clothe, hold_up, in_scene, lay_down, record, texture_side
from infantsynth.scene.places import Place, put_under
from infantsynth.scene.props import Stage, extent, furnish, holds_on
from infantsynth.scene.room import build_room, plan_room
from infantsynth.scene.settle import PosedBody, Settled
from infantsynth.scene.sight import look
from infantsynth.scene.support import press
from infantsynth.scene.viewpoint import Frame, beside, sample_camera
from infantsynth.spec import SceneSpec

Array = np.ndarray

_PARTS = ("person", "clothes", "ground", "camera", "light", "room", "toys", "blanket")
_VIEWS = 8  # cameras and furnishings that are tried until the person is well seen


@lru_cache(maxsize=4)
def texture_source(folder: Path | None) -> TextureSource:
    """The user's textures, listed once; procedural ones without a folder."""
    return TextureSource(folder)


@lru_cache(maxsize=4)
def light_source(folder: Path) -> LightSource:
    """The user's environment pictures, listed once."""
    return LightSource(folder)


@lru_cache(maxsize=4)
def background_source(folder: Path) -> backgrounds.BackgroundSource:
    """The user's background pictures, listed once."""
    return backgrounds.BackgroundSource(folder)


def sample_scene(body: BodyModel, seed: int, options: SceneOptions) -> SceneSpec:
    """Draw everything of one picture; it depends on nothing but the body, the seed and the options.

    Raises DataError when a folder of the options is missing or holds nothing usable.
    """
    draw = _photo if options.mode == "photo" else _room_scene
    spec = draw(body, options, part_streams(seed))
    return replace(spec, info={"seed": seed, "mode": options.mode, "body": body.name, **spec.info})


def part_streams(seed: int) -> dict[str, np.random.Generator]:
    """The random streams of a scene, one for each of its parts, from their beginning."""
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
    known = {**record(settled.sample, laid.months), "place": place.name, "light": light.name,
             "rest": {"margin_m": round(settled.margin, 4), "sunk_m": round(settled.sunk, 4)}, "look": dressed.info}  # fmt: skip
    seen = in_scene(body, posed, settled.betas, settled.pose, settled.transl)

    covered = bool(rngs["blanket"].random() < options.blanket)

    def view(draws: int) -> SceneSpec:
        camera, lens = sample_camera(_from_beside(frame, settled, place, rngs), options.size, rngs["camera"])
        shone = light.seen_from(camera.centre)
        stage = Stage(body, settled, place, bedding, dressed, camera, covered, draws)
        props, names = furnish(stage, options, rngs, textures)
        inside = np.stack(
            [camera.centre, *(lamp.centre for lamp in shone.lights), *extent([*dressed.meshes, *props])]
        )
        room = build_room(plan_room(place, inside, rngs["room"]), place, rngs["room"], textures)
        return SceneSpec(
            camera, (*dressed.meshes, *props, *room), seen, shone.lights, shone.environment, lens.aperture, lens.focus,
            None, {**known, **names},
        )  # fmt: skip

    return _best_seen(view)


def _best_seen(view: Callable[[int], SceneSpec]) -> SceneSpec:
    """The first view, of those with numbers from 0, that shows the person well, or the best of some."""
    best: tuple[float, SceneSpec] | None = None
    for draws in range(_VIEWS):
        spec = view(draws)
        lack = look(spec).lack
        if best is None or lack < best[0]:
            best = (lack, spec)
        if lack == 0:
            break
    assert best is not None  # noqa: S101 - the loop runs
    return best[1]


def _from_beside(frame: Frame, settled: Settled, place: Place, rngs: dict[str, np.random.Generator]) -> Frame:
    """The frame, turned where the infant holds on to what hides it from the front."""
    if not holds_on(settled, place):
        return frame
    return replace(frame, front=beside(frame.front, rngs["camera"]))


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
        background, name = backgrounds.procedural(options.size, rngs["room"])
    else:
        background, name = background_source(options.backgrounds).draw(options.size, rngs["room"])
    info = {**record(held.sample, held.months), "rotation": options.rotation, "background": name, "light": light.name,
            "look": dressed.info}  # fmt: skip
    seen = in_scene(body, held.posed, held.betas, held.pose, held.transl)

    def view(_: int) -> SceneSpec:
        camera, lens = sample_camera(frame, options.size, rngs["camera"])
        return SceneSpec(
            camera, tuple(dressed.meshes), seen, light.seen_from(camera.centre).lights, light.environment, lens.aperture,
            lens.focus, background, info,
        )  # fmt: skip

    return _best_seen(view)
