"""What the pictures show and how they are drawn: from a seed to a scene and its picture."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fidip.errors import ConfigError, DataError
from infantsynth.generate import Artist
from infantsynth.spec import SceneSpec

Array = np.ndarray
Draw = Callable[[SceneSpec, int], Array]  # scene, seed -> RGB uint8 (H, W, 3)

MODES = ("path", "raster")
FOLDERS = ("fits", "textures", "lights", "backgrounds")
_HEAD = 1 << 16  # bytes of a file that are looked at, besides its size
_EFFECTS = 0xEFFEC7  # tells the stream of the camera's faults from all others of a seed


@dataclass(frozen=True)
class PictureLook:
    """Body, scenes and renderer of a set; plain values, so that it travels to workers and into the label file.

    mode: "path" (path tracing) or "raster" (fast, plain). place: "scene" (a room), "photo" (over a background
    picture), or "" for what suits the mode. body: "infant", "adult" or the file of a SMIL or SMPL body. size:
    (width, height) px. samples: paths a pixel, of mode path, or subpixels each way, of mode raster; 0: what suits
    the mode. denoise, variant: of the path renderer. effects: whether a camera's noise, blur and tone are put on.
    The others are those of SceneOptions. Raises ConfigError for an unknown mode.
    """

    mode: str = "path"
    place: str = ""
    body: str = "infant"
    size: tuple[int, int] = (640, 480)
    samples: int = 0
    denoise: bool = True
    variant: str = "auto"
    effects: bool = True
    postures: tuple[str, ...] = ()
    months: tuple[float, float] = (0.0, 12.0)
    rotation: str = "uniform"
    blanket: float = 0.25
    toys: float = 0.6
    fits: str = ""
    fit_share: float = 0.5
    fit_noise: float = 0.1
    textures: str = ""
    lights: str = ""
    backgrounds: str = ""

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ConfigError(f"mode {self.mode!r} is not one of {', '.join(MODES)}")
        if self.samples < 0:
            raise ConfigError(f"samples must be 1 or more, or 0 for the usual number, not {self.samples}")
        if self.backgrounds and self.scene_mode == "scene":
            raise ConfigError(
                "background pictures are for bodies over a photograph: give place photo (--place photo)"
            )

    @property
    def scene_mode(self) -> str:
        """Mode of SceneOptions."""
        return self.place or ("photo" if self.mode == "raster" else "scene")

    def scene_options(self) -> Any:
        """The SceneOptions of this look. Raises ConfigError for what cannot be."""
        from infantsynth.scene.places import SceneOptions

        names = ("size", "postures", "months", "rotation", "blanket", "toys", "fit_share", "fit_noise")
        chosen: dict[str, Any] = {name: getattr(self, name) for name in names}
        chosen |= {name: Path(value) for name in FOLDERS if (value := getattr(self, name))}
        return SceneOptions(mode=self.scene_mode, **chosen)

    def artist(self) -> Artist:
        """Load body and renderer. Raises DataError or ConfigError for what is missing or cannot be."""
        from infantsynth.body import load_body
        from infantsynth.scene.sample import sample_scene

        options = self.scene_options()
        body = load_body(self.body)
        draw, name = self.renderer()

        def paint(seed: int) -> tuple[SceneSpec, Array]:
            spec = sample_scene(body, seed, options)
            return replace(spec, info={**spec.info, "renderer": name}), self.develop(draw(spec, seed), seed)

        return paint

    def renderer(self) -> tuple[Draw, str]:
        """The function that draws a scene, and its name for the record."""
        if self.mode == "raster":
            from infantsynth.render import raster

            return lambda spec, seed: raster.draw(spec, self.samples or 2), "raster"
        from infantsynth.render.path import PathRenderer

        renderer = PathRenderer(self.variant, self.samples or 16, self.denoise, threads=1)
        return renderer.draw, renderer.variant

    def develop(self, picture: Array, seed: int) -> Array:
        """The picture (H, W, 3) with a camera's faults."""
        if not self.effects:
            return picture
        from infantsynth.render.develop import add_camera_faults

        return add_camera_faults(picture, np.random.default_rng([seed, _EFFECTS]))

    def inputs(self) -> dict[str, str]:
        """What the user's files hold, in place of their paths, which may differ from machine to machine.

        Raises DataError for what does not exist.
        """
        given = {name: getattr(self, name) for name in FOLDERS if getattr(self, name)}
        if self.body not in ("infant", "adult"):
            given["body"] = self.body
        return {name: content_of(Path(value)) for name, value in given.items()}


def content_of(path: Path) -> str:
    """Number of files of a file or folder and a hash of their names, sizes and beginnings.

    Raises DataError when it does not exist.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist; check the path")
    total, count = hashlib.sha256(), 0
    for name, file in _files(path):
        with file.open("rb") as opened:
            total.update(f"{name}\0{file.stat().st_size}\0".encode() + opened.read(_HEAD))
        count += 1
    return f"{count} files, {total.hexdigest()[:16]}"


def _files(path: Path) -> Iterator[tuple[str, Path]]:
    """Names and paths in an order that is the same everywhere; a lone file goes without its name."""
    if path.is_file():
        yield "", path
        return
    found = (file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
    yield from sorted((file.relative_to(path).as_posix(), file) for file in found)
