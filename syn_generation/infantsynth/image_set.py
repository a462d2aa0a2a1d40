"""Make a labelled set: each index of a seed is one image, the same on every machine."""

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

import fidip
from fidip.errors import ConfigError, DataError
from fidip.files import fingerprint
from infantsynth.annotate import annotate, depth_map, image_record, part_map, space_labels
from infantsynth.dataset import Merged, merge, pack, require_own
from infantsynth.render.zbuffer import rasterise
from infantsynth.shards import Crew, Made, Make, Product, Recipe, ShardFolder, make_shards
from infantsynth.spec import SceneSpec

Array = np.ndarray

logger = logging.getLogger("fidip")

Artist = Callable[[int], tuple[SceneSpec, Array]]  # seed -> scene and its image, RGB uint8 (H, W, 3)
_JPEG = 0x1BE6  # tells the stream of JPEG qualities from all others of a seed
Draw = Callable[[SceneSpec, int], Array]  # scene, seed -> RGB uint8 (H, W, 3)
MODES = ("path", "raster")
FOLDERS = ("fits", "textures", "lights", "backgrounds")
_HEAD = 1 << 16  # bytes of a file that are looked at, besides its size
_EFFECTS = 0xEFFEC7  # tells the stream of the camera's faults from all others of a seed


@dataclass(frozen=True)
class Labels:
    """What is written for each image. first_id: of index 0. prefix: of file names. quality: of the JPEG, from a
    lowest to a highest of 1..100.

    depth, parts: maps as PNG. space: keypoints and joints in m, and the camera, in the label file.
    """

    first_id: int = 10001  # as SyRIP's synthetic half
    prefix: str = "train"
    quality: tuple[int, int] = (70, 96)
    depth: bool = False
    parts: bool = False
    space: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.quality[0] <= self.quality[1] <= 100:
            raise ConfigError(
                f"JPEG quality {self.quality} must be a lowest and a highest number of 1 to 100"
            )
        if self.first_id < 1:
            raise ConfigError(f"ids start at 1, not {self.first_id}: COCO's evaluation takes 0 for none")


class SetLook(Protocol):
    """What the images show: a frozen dataclass of plain values."""

    def artist(self) -> Artist:
        """Load bodies, surfaces, renderer. Raises FidipError when something is missing."""
        ...

    def inputs(self) -> Mapping[str, Any]:
        """Return fields whose value alone does not decide on the images, such as folders, with what does: their content."""
        ...


class SetRecipe(Recipe, Protocol):
    """A recipe that says what decides on the bytes."""

    def options(self) -> dict[str, Any]:
        """Collect everything that decides on the bytes, JSON-like."""
        ...


@dataclass(frozen=True)
class ImageRecipe:
    """How images are made from a look; travels to the workers."""

    look: SetLook
    seed: int
    split: str
    labels: Labels

    def maker(self) -> Make:
        """Build the function that makes one image with its labels."""
        artist = self.look.artist()

        def make(index: int, draw: int) -> Product:
            seed = image_seed(self.seed, index, draw)
            return label(*artist(seed), self.labels, self.split, index, seed)

        return make

    def options(self) -> dict[str, Any]:
        """Collect everything that decides on the bytes, JSON-like."""
        return recipe_options(self.look, self.labels, seed=self.seed)


@dataclass(frozen=True)
class Order:
    """What is wanted. count: indices 0..count-1 in all. part: (k, n), the k-th of n equal parts, k from 1."""

    root: Path
    split: str
    count: int
    shard_size: int = 20
    part: tuple[int, int] = (1, 1)
    retry_failed: bool = False
    webdataset: bool = False
    crew: Crew = field(default_factory=Crew)


def recipe_options(look: SetLook, labels: Labels, **own: Any) -> dict[str, Any]:
    """Collect everything that decides on the bytes, JSON-like: look, content of its files, labels, ``own`` values."""
    values: dict[str, Any] = {**asdict(look), **look.inputs(), **asdict(labels)}  # type: ignore[call-overload]
    return {**values, **own, "version": fidip.__version__}


def image_seed(seed: int, index: int, draw: int) -> int:
    """Return the seed of one draw of one image; JSON readers hold it exactly (below 2^53)."""
    high, low = np.random.SeedSequence([seed, index, draw]).generate_state(2)
    return (int(high) >> 11 << 32) + int(low)


def label(spec: SceneSpec, image: Array, labels: Labels, split: str, index: int, seed: int) -> Product:
    """Return records and files of one image. Raises DataError when nothing of the person is seen."""
    buffers = rasterise(spec.camera, spec.meshes)
    image_id = labels.first_id + index
    name = f"{labels.prefix}{image_id:05d}"
    annotation = annotate(spec, buffers, image_id)
    if labels.space:
        annotation |= space_labels(spec)
    quality = int(np.random.default_rng([seed, _JPEG]).integers(*labels.quality, endpoint=True))
    files = {f"images/{split}/{name}.jpg": _encode(".jpg", image[..., ::-1], quality)}
    if labels.depth:
        files[f"depth/{split}/{name}.png"] = _encode(".png", depth_map(buffers))
    if labels.parts:
        files[f"parts/{split}/{name}.png"] = _encode(".png", part_map(spec, buffers))
    return Product(
        {"image": image_record(spec, image_id, f"{name}.jpg", seed), "annotation": annotation}, files
    )


def _encode(suffix: str, image: Array, quality: int = 95) -> bytes:
    flags = [cv2.IMWRITE_JPEG_QUALITY, quality] if suffix == ".jpg" else []
    return cv2.imencode(suffix, image, flags)[1].tobytes()


def generate(recipe: SetRecipe, order: Order) -> Merged | None:
    """Make what is missing of a set; when all shards are there, put it together under ``order.root``.

    Returns None while other parts are missing. May be killed at any moment: the same call goes on.
    Raises ConfigError when the set was begun with other options, DataError when a set of that name is there that
    is not ours, another run is writing it, or the disk is full.
    """
    try:
        return _generate(recipe, order)
    except OSError as error:
        raise DataError(
            f"cannot write below {order.root} ({error.strerror}); make room or check permissions, then give the same "
            "command again: finished shards are kept"
        ) from error


def _generate(recipe: SetRecipe, order: Order) -> Merged | None:
    part, parts = order.part
    if order.count < 1 or order.shard_size < 1 or not 1 <= part <= parts:
        raise DataError("count and shard size must be positive, and a part is k/n with k from 1 to n")
    store = ShardFolder(order.root / "shards" / order.split, order.shard_size)
    require_own(order.root, order.split, store)
    options = {**recipe.options(), "shard_size": order.shard_size}
    with store.lock(f"{part}-of-{parts}"):
        store.claim(options)
        store.require_at_least(order.count)
        shards = store.shards(order.count)
        mine = store.pending(shards[part - 1 :: parts], order.retry_failed)
        report(make_shards(store, mine, recipe, order.crew))
    missing = len(store.pending(shards))
    if missing:
        logger.info("%d of %d shards are still to be made by other parts", missing, len(shards))
        return None
    info = {"description": "synthetic infants", "options": options, "hash": fingerprint(options)}
    if order.webdataset:
        pack(store, shards, order.root, order.split)
    return merge(store, shards, order.root, order.split, info)


def report(made: list[Made]) -> None:
    """Log how fast it went."""
    images = sum(len(m.shard) - m.failed for m in made)
    if images:
        cpu, wall = sum(m.cpu for m in made) / images, sum(m.wall for m in made) / images
        redrawn = sum(m.redrawn for m in made)
        logger.info(
            "%d images: %.2f CPU seconds and %.2f s of a worker each (%.2f images/s and worker), %d rejected and redrawn",
            images,
            cpu,
            wall,
            1 / wall,
            redrawn,
        )


@dataclass(frozen=True)
class ImageLook:
    """Body, scenes and renderer of a set; plain values, so that it travels to workers and into the label file.

    mode: "path" (path tracing) or "raster" (fast, plain). place: "scene" (a room), "photo" (over a background
    image), or "" for what suits the mode. body: "infant", "adult" or the file of a SMIL or SMPL body. size:
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
                "background images are for bodies over a photograph: give place photo (--place photo)"
            )

    @property
    def scene_mode(self) -> str:
        """Mode of SceneOptions."""
        return self.place or ("photo" if self.mode == "raster" else "scene")

    def scene_options(self) -> Any:
        """Return the SceneOptions of this look. Raises ConfigError for what cannot be."""
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
        """Return the function that draws a scene, and its name for the record."""
        if self.mode == "raster":
            from infantsynth.render import raster

            return lambda spec, seed: raster.draw(spec, self.samples or 2), "raster"
        from infantsynth.render.path import PathRenderer

        renderer = PathRenderer(self.variant, self.samples or 16, self.denoise, threads=1)
        return renderer.draw, renderer.variant

    def develop(self, image: Array, seed: int) -> Array:
        """Return the image (H, W, 3) with a camera's faults."""
        if not self.effects:
            return image
        from infantsynth.render.develop import add_camera_faults

        return add_camera_faults(image, np.random.default_rng([seed, _EFFECTS]))

    def inputs(self) -> dict[str, str]:
        """Return what the user's files hold, in place of their paths, which may differ from machine to machine.

        Raises DataError for what does not exist.
        """
        given = {name: getattr(self, name) for name in FOLDERS if getattr(self, name)}
        if self.body not in ("infant", "adult"):
            given["body"] = self.body
        return {name: content_of(Path(value)) for name, value in given.items()}


def content_of(path: Path) -> str:
    """Return the number of files of a file or folder and a hash of their names, sizes and beginnings.

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
    """Return names and paths in an order that is the same everywhere; a lone file goes without its name."""
    if path.is_file():
        yield "", path
        return
    found = (file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
    yield from sorted((file.relative_to(path).as_posix(), file) for file in found)
