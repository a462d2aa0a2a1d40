"""Render fitted bodies in several orientations over backgrounds, the published way to make a set.

The published renderer made ten images of each fit, with a camera of focal length w / 2 half a metre before it.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from fidip.errors import ConfigError
from infantsynth.body import BodyModel, load_body
from infantsynth.image_set import ImageLook, Labels, image_seed, label, recipe_options
from infantsynth.poses.authored import legacy_rotation, uniform_rotation
from infantsynth.poses.fits import FitPool, from_fits
from infantsynth.scene import surroundings
from infantsynth.scene.places import TURNS
from infantsynth.scene.sample import background_source, clothe, in_scene, light_source, texture_source
from infantsynth.scene.settle import pose_body
from infantsynth.scene.surroundings import draw_lighting
from infantsynth.shards import Make, Product
from infantsynth.spec import Camera, SceneSpec

Array = np.ndarray

DISTANCE = 0.5  # m from the camera to the middle of a 0.7 m body; a longer one is farther away
_LEVEL = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # world axes to those of a camera that looks along +y
_PARTS = ("turn", "clothes", "light", "background")


@dataclass(frozen=True)
class TurntableRecipe:
    """Image i shows fit i // turns in orientation i % turns; travels to the workers.

    look: body, size, renderer and folders; its ``fits`` are shown one by one. rotation: "legacy", the published
    sweep; "uniform" over SO(3), the first image of each fit as it was fitted; "none".
    Raises ConfigError for what cannot be.
    """

    look: ImageLook
    seed: int
    split: str
    labels: Labels
    turns: int = 10
    rotation: str = "legacy"

    def __post_init__(self) -> None:
        if self.rotation not in TURNS:
            raise ConfigError(f"rotation {self.rotation!r} is not one of {', '.join(TURNS)}")
        if self.turns < 1 or (self.rotation == "none" and self.turns > 1):
            raise ConfigError("there must be 1 or more turns of each fit, and 1 when nothing is turned")

    def count(self) -> int:
        """Return the number of images. Raises DataError when the fits cannot be read."""
        return len(_pool(self.look.fits, self.look.body)) * self.turns

    def maker(self) -> Make:
        """Build the function that makes one image with its labels."""
        body, pool = _body(self.look.body), _pool(self.look.fits, self.look.body)
        draw, name = self.look.renderer()

        def make(index: int, draw_number: int) -> Product:
            seed = image_seed(self.seed, index, draw_number)
            spec = self.scene(body, pool, index, seed)
            spec = replace(spec, info={**spec.info, "renderer": name})
            image = self.look.develop(draw(spec, seed), seed)
            return label(spec, image, self.labels, self.split, index, seed)

        return make

    def options(self) -> dict[str, Any]:
        """Collect everything that decides on the bytes, JSON-like."""
        own = {"seed": self.seed, "turns": self.turns, "rotation": self.rotation}
        return recipe_options(self.look, self.labels, **own)

    def scene(self, body: BodyModel, pool: FitPool, index: int, seed: int) -> SceneSpec:
        """Return the scene of one image."""
        fit, step = divmod(index, self.turns)
        streams = np.random.SeedSequence(seed).spawn(len(_PARTS))
        rngs = {name: np.random.default_rng(stream) for name, stream in zip(_PARTS, streams, strict=True)}
        pose, betas = pool.pose[fit].copy(), pool.betas[fit]
        pose[0] = into_world(self._turned(pose[0], step, rngs["turn"]))
        scale = float(np.ptp(body.template[:, 2].cpu().numpy())) / 0.7
        vertices = pose_body(body, betas, pose, np.zeros(3)).vertices
        middle = np.array([0, DISTANCE * scale, 0])
        pelvis = middle - (vertices.min(axis=0) + vertices.max(axis=0)) / 2
        posed = pose_body(body, betas, pose, pelvis)
        dressed = clothe(
            body, betas, pose, posed.vertices, rngs["clothes"], texture_source(_folder(self.look.textures))
        )
        lights = _folder(self.look.lights)
        source = None if lights is None else light_source(lights)
        light = draw_lighting(middle, scale, False, rngs["light"], source)
        behind, name = self._background(rngs["background"])
        info = {
            "seed": seed,
            "mode": "photo",
            "body": body.name,
            "posture": pool.postures[fit],
            "pose": f"fit:{fit}",
            "turn": step,
            "rotation": self.rotation,
            "background": name,
            "light": light.name,
            "look": dressed.info,
        }
        seen = in_scene(body, posed, betas, pose, pelvis)
        camera = published_camera(self.look.size)
        return SceneSpec(
            camera, tuple(dressed.meshes), seen, light.lights, light.environment, background=behind, info=info
        )

    def _turned(self, root: Array, step: int, rng: np.random.Generator) -> Array:
        if self.rotation == "legacy":
            return legacy_rotation(root, step)
        return uniform_rotation(rng) if self.rotation == "uniform" and step else root

    def _background(self, rng: np.random.Generator) -> tuple[Array, str]:
        folder = _folder(self.look.backgrounds)
        if folder is None:
            return surroundings.procedural_background(self.look.size, rng)
        return background_source(folder).draw(self.look.size, rng)


def published_camera(size: tuple[int, int]) -> Camera:
    """Return the published renderer's camera in the world's origin: focal length w / 2, it looks along +y. size: px."""
    width, height = size
    intrinsics = np.array([[width / 2, 0, (width - 1) / 2], [0, width / 2, (height - 1) / 2], [0, 0, 1.0]])
    return Camera(intrinsics, _LEVEL, np.zeros(3), width, height)


def into_world(root: Array) -> Array:
    """Return the orientation (3,) rad in the axes of ``published_camera`` as one in the world's."""
    return (Rotation.from_matrix(_LEVEL.T) * Rotation.from_rotvec(root)).as_rotvec()


@lru_cache(maxsize=2)
def _body(name: str) -> BodyModel:
    return load_body(name)


@lru_cache(maxsize=2)
def _pool(fits: str, body: str) -> FitPool:
    return from_fits(Path(fits), _body(body))


def _folder(name: str) -> Path | None:
    return Path(name) if name else None
