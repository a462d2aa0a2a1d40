"""Make a labelled set: each index of a seed is one picture, the same on every machine and in every order."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

import fidip
from fidip.errors import ConfigError, DataError
from fidip.runtime import fingerprint
from infantsynth.annotate import annotate, depth_map, image_record, part_map, space_labels
from infantsynth.merge import Merged, merge, require_own
from infantsynth.render.zbuffer import rasterise
from infantsynth.shards import ShardFolder
from infantsynth.spec import SceneSpec
from infantsynth.webdataset import pack
from infantsynth.workers import Crew, Made, Make, Product, Recipe, make_shards

Array = np.ndarray
Artist = Callable[[int], tuple[SceneSpec, Array]]  # seed -> scene and its picture, RGB uint8 (H, W, 3)

logger = logging.getLogger("fidip")

_JPEG = 0x1BE6  # tells the stream of JPEG qualities from all others of a seed


@dataclass(frozen=True)
class Labels:
    """What is written for each picture. first_id: of index 0. prefix: of file names. quality: of the JPEG, from a
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


class Look(Protocol):
    """What the pictures show: a frozen dataclass of plain values."""

    def artist(self) -> Artist:
        """Load bodies, surfaces, renderer. Raises FidipError when something is missing."""
        ...

    def inputs(self) -> Mapping[str, Any]:
        """Fields whose value alone does not decide on the pictures, such as folders, with what does: their content."""
        ...


class SetRecipe(Recipe, Protocol):
    """A recipe that says what decides on the bytes."""

    def options(self) -> dict[str, Any]:
        """Everything that decides on the bytes, JSON-like."""
        ...


@dataclass(frozen=True)
class PictureRecipe:
    """How pictures are made from a look; travels to the workers."""

    look: Look
    seed: int
    split: str
    labels: Labels

    def maker(self) -> Make:
        """The function that makes one picture with its labels."""
        artist = self.look.artist()

        def make(index: int, draw: int) -> Product:
            seed = picture_seed(self.seed, index, draw)
            return label(*artist(seed), self.labels, self.split, index, seed)

        return make

    def options(self) -> dict[str, Any]:
        """Everything that decides on the bytes, JSON-like."""
        own = {"seed": self.seed, "version": fidip.__version__}
        return {**asdict(self.look), **self.look.inputs(), **asdict(self.labels), **own}  # type: ignore[call-overload]


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


def picture_seed(seed: int, index: int, draw: int) -> int:
    """Seed of one draw of one picture; JSON readers hold it exactly (below 2^53)."""
    high, low = np.random.SeedSequence([seed, index, draw]).generate_state(2)
    return (int(high) >> 11 << 32) + int(low)


def label(spec: SceneSpec, picture: Array, labels: Labels, split: str, index: int, seed: int) -> Product:
    """Records and files of one picture. Raises DataError when nothing of the person is seen."""
    buffers = rasterise(spec.camera, spec.meshes)
    image_id = labels.first_id + index
    name = f"{labels.prefix}{image_id:05d}"
    annotation = annotate(spec, buffers, image_id)
    if labels.space:
        annotation |= space_labels(spec)
    quality = int(np.random.default_rng([seed, _JPEG]).integers(*labels.quality, endpoint=True))
    files = {f"images/{split}/{name}.jpg": _encode(".jpg", picture[..., ::-1], quality)}
    if labels.depth:
        files[f"depth/{split}/{name}.png"] = _encode(".png", depth_map(buffers))
    if labels.parts:
        files[f"parts/{split}/{name}.png"] = _encode(".png", part_map(spec, buffers))
    return Product(
        {"image": image_record(spec, image_id, f"{name}.jpg", seed), "annotation": annotation}, files
    )


def _encode(suffix: str, picture: Array, quality: int = 95) -> bytes:
    flags = [cv2.IMWRITE_JPEG_QUALITY, quality] if suffix == ".jpg" else []
    return cv2.imencode(suffix, picture, flags)[1].tobytes()


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
    pictures = sum(len(m.shard) - m.failed for m in made)
    if pictures:
        cpu, wall = sum(m.cpu for m in made) / pictures, sum(m.wall for m in made) / pictures
        redrawn = sum(m.redrawn for m in made)
        logger.info("%d images: %.2f CPU seconds and %.2f s of a worker each (%.2f images/s and worker), %d rejected and redrawn",
                    pictures, cpu, wall, 1 / wall, redrawn)  # fmt: skip
