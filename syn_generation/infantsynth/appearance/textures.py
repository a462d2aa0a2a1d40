"""Provide every surface by name, procedural or from a folder of the user's images."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from fidip.errors import ConfigError, DataError
from fidip.pixels import read_rgb
from infantsynth.appearance.cloth import CLOTH
from infantsynth.appearance.swatch import (
    Swatch,
    cloth_color,
    flat,
    mix,
    noise_field,
    print_colors,
    smooth_step,
    to_lab,
    to_rgb,
    worn,
)

Array = np.ndarray

SurfacePattern = Callable[[np.random.Generator, int], Swatch]
# groups of cloth, by use: a sheet is no knit, a blanket no denim
GROUPS: dict[str, tuple[str, ...]] = {
    "cloth": tuple(CLOTH),
    "sheet": ("plain", "stripes", "pinstripes", "checks", "dots", "floral", "animals", "stars", "muslin"),
    "blanket": ("plain", "knit", "waffle", "muslin", "fleece", "checks", "animals", "stars", "stripes"),
}
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
# names under which people file surfaces, lower case, and what the project calls them
_SYNONYMS = {
    "cloth": (
        "cloth",
        "clothes",
        "fabric",
        "fabrics",
        "textile",
        "textiles",
        "garment",
        "garments",
        "knit",
        "leather",
    ),
    "sheet": ("sheet", "sheets", "bedding", "bed", "linen"),
    "blanket": ("blanket", "blankets", "quilt", "fleece"),
    "carpet": ("carpet", "carpets", "rug", "rugs"),
    "wood": ("wood", "woodfloor", "parquet", "planks", "laminate"),
    "grass": ("grass", "lawn", "ground"),
    "tile": ("tile", "tiles", "marble", "terrazzo", "travertine"),
    "wall": ("wall", "walls", "wallpaper", "plaster", "paint", "bricks", "brick"),
    "concrete": ("concrete", "asphalt", "pavingstones", "paving"),
    "sand": ("sand", "beach", "gravel"),
}
_METRES = {
    "cloth": 0.20,
    "sheet": 0.35,
    "blanket": 0.30,
    "carpet": 0.6,
    "grass": 0.8,
    "wood": 1.2,
    "tile": 1.0,
}
_STAND_INS = {"sheet": "cloth", "blanket": "cloth"}  # what is taken where a folder has no images of a kind


def _tone(rng: np.random.Generator, color: tuple[float, float, float], spread: float) -> Array:
    """Draw the colour with its lightness and tint varied, sRGB (3,)."""
    return to_rgb(to_lab(np.array(color)) + rng.normal(0, 1, 3) * (2 * spread, spread * 0.5, spread * 0.6))


def _clip(color: Array) -> Array:
    return np.clip(color, 0, 1).astype(np.float32)


def _cells(size: int, across: int, down: int, shift: float, gap: float) -> tuple[Array, Array, Array]:
    """Return bricks over a tile: (row, column) index of each pixel and the depth into its joint, 0 on the brick, 1 inside.

    shift: share of a brick by which rows are offset in turn. gap: half-width of a joint, share of a row's height.
    """
    y = (np.arange(size) / size * down)[:, None]
    row = np.floor(y).astype(int)
    x = (np.arange(size) / size * across)[None, :] + shift * (row % 2 if shift == 0.5 else row)
    column = np.floor(x).astype(int) % across
    aspect = down / across
    edge = np.minimum(np.minimum(y % 1, 1 - y % 1), np.minimum(x % 1, 1 - x % 1) * aspect)
    soft = 1.5 * down / size
    return np.broadcast_to(row, edge.shape), column, 1 - smooth_step(gap, gap + soft, edge)


def wood(rng: np.random.Generator, size: int) -> Swatch:
    """Draw floor boards, each of its own tone and grain."""
    tones = (
        (0.62, 0.45, 0.29),
        (0.72, 0.58, 0.42),
        (0.44, 0.29, 0.18),
        (0.78, 0.69, 0.56),
        (0.55, 0.50, 0.45),
    )
    base = _tone(rng, tones[rng.integers(len(tones))], 4.0)
    down, metres = 8, 1.0
    row, column, joint = _cells(size, 2, down, rng.choice([0.5, 0.25]), 0.012)
    board = row * 2 + column
    shade = rng.normal(0, 0.07, 2 * down)[board]
    drift = rng.integers(0, size, (2, 2 * down))
    ring = noise_field(rng, size, size / 6, 1.6, (6.0, 0.35))
    fibre = noise_field(rng, size, size / 30, 1.0, (9.0, 0.25))
    yy, xx = np.mgrid[0:size, 0:size]
    at = ((yy + drift[0][board]) % size, (xx + drift[1][board]) % size)  # each board from its own tree
    grain = 0.06 * np.sin(3.0 * ring[at]) + 0.045 * fibre[at]
    color = base * (1 + shade + grain)[..., None]
    color = mix(color, base * 0.35, 0.85 * joint)
    relief = (1.5e-4 * fibre[at] - 1.5e-3 * joint).astype(np.float32)
    return Swatch(_clip(color), relief, metres, float(rng.uniform(0.35, 0.65)), 0.0)


def carpet(rng: np.random.Generator, size: int) -> Swatch:
    """Draw pile, short or shaggy, plain, flecked, striped or with a pattern of lozenges."""
    base = _tone(rng, tuple(cloth_color(rng) * 0.85), 2.0)
    second = cloth_color(rng) * 0.85
    metres = 0.6
    style = rng.choice(["plain", "flecked", "striped", "lozenges"], p=[0.4, 0.25, 0.15, 0.2])
    pile = noise_field(rng, size, rng.uniform(3.0, 9.0), 1.0)
    tread = noise_field(rng, size, size / 4, 2.0)
    tile = flat(base, size)
    x = np.arange(size)[None, :] / size
    y = np.arange(size)[:, None] / size
    ragged = 0.012 * noise_field(rng, size, 6.0, 1.0)
    if style == "flecked":
        tile = mix(tile, second, 0.7 * smooth_step(0.9, 1.5, noise_field(rng, size, 4.0, 0.8)))
    elif style == "striped":
        tile = mix(tile, second, smooth_step(0.48, 0.52, np.abs(((y * 4 + ragged) % 1) * 2 - 1)))
    elif style == "lozenges":
        diamond = np.abs(((x * 3 + ragged) % 1) - 0.5) + np.abs(((y * 3 + ragged) % 1) - 0.5)
        tile = mix(
            tile, second, smooth_step(0.06, 0.03, np.abs(diamond - 0.38)) * 0.9 + 0.5 * (diamond < 0.15)
        )
    light = 0.92 + 0.075 * pile + 0.05 * tread
    return Swatch(_clip(tile * light[..., None]), (2.2e-3 * pile).astype(np.float32), metres, 0.95, 0.3)


def grass(rng: np.random.Generator, size: int) -> Swatch:
    """Draw blades of a lawn seen from above, in layers from the dark ground to the light tips."""
    metres = 0.5
    base = np.array([0.30, 0.38, 0.16]) * rng.uniform(0.75, 1.1) + rng.normal(0, 0.015, 3)
    canvas = flat(base * 0.42, size) * (1 + 0.2 * noise_field(rng, size, 8.0)[..., None])
    drawn = np.rint(_clip(canvas) * 255).astype(np.uint8)
    height = np.zeros((size, size), dtype=np.uint8)
    count = size * size // 26
    starts = rng.uniform(0, size, (count, 2))
    length = rng.uniform(0.025, 0.07, count) * size
    angle = rng.uniform(0, 2 * np.pi, count)
    middles = starts + 0.6 * length[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    bend = angle + rng.normal(0, 0.45, count)
    ends = middles + 0.5 * length[:, None] * np.stack([np.cos(bend), np.sin(bend)], axis=1)
    dry = rng.random(count) < rng.uniform(0.02, 0.2)
    for i in range(count):
        level = 0.55 + 0.75 * i / count
        tone = (np.array([0.55, 0.50, 0.28]) if dry[i] else base * (1.0, 1.12, 0.9)) * level
        color = tuple(float(c) for c in np.clip(tone * rng.uniform(0.85, 1.15) * 255, 0, 255))
        line = np.stack([starts[i], middles[i], ends[i]])
        for shift in _wraps(line, size):
            points = [np.rint((line + shift) * 8).astype(np.int32)]
            cv2.polylines(drawn, points, False, color, 1, cv2.LINE_AA, 3)
            cv2.polylines(height, points, False, 60 + 195 * i / count, 1, cv2.LINE_AA, 3)
    patches = 1 + 0.06 * noise_field(rng, size, size / 3)
    color = drawn.astype(np.float32) / 255 * patches[..., None]
    return Swatch(_clip(color), height.astype(np.float32) / 255 * 4e-3, metres, 0.8, 0.2)


def _wraps(line: Array, size: int) -> list[tuple[int, int]]:
    """Return shifts by whole tiles at which a line (N, 2) px touches the tile."""
    low, high = line.min(axis=0) - 2, line.max(axis=0) + 2
    along = [[s for s in (-size, 0, size) if high[k] + s > 0 and low[k] + s < size] for k in (0, 1)]
    return [(dx, dy) for dx in along[0] for dy in along[1]]


def tile(rng: np.random.Generator, size: int) -> Swatch:
    """Draw ceramic or stone tiles with joints."""
    tones = (
        (0.80, 0.78, 0.74),
        (0.62, 0.60, 0.57),
        (0.70, 0.58, 0.47),
        (0.35, 0.36, 0.38),
        (0.88, 0.88, 0.87),
    )
    base = _tone(rng, tones[rng.integers(len(tones))], 3.0)
    count = int(rng.integers(2, 5))
    row, column, joint = _cells(size, count, count, rng.choice([0.0, 0.5]) if count % 2 == 0 else 0.0, 0.012)
    shade = rng.normal(0, 0.025, (count, count))[row % count, column]
    cloud = noise_field(rng, size, size / 6, 1.6)
    vein = smooth_step(0.10, 0.0, np.abs(noise_field(rng, size, size / 4, 1.8))) * rng.choice([0.0, 0.12])
    color = base * (1 + shade + 0.03 * cloud - vein)[..., None]
    grout = base * rng.uniform(0.45, 0.8)
    color = mix(color, grout, joint)
    relief = (-1.2e-3 * joint + 5e-5 * cloud).astype(np.float32)
    return Swatch(_clip(color), relief, 0.3 * count, float(rng.uniform(0.15, 0.5)), 0.0)


def wall(rng: np.random.Generator, size: int) -> Swatch:
    """Draw painted plaster, wallpaper or brick."""
    style = rng.choice(["plaster", "paper", "brick"], p=[0.65, 0.2, 0.15])
    if style == "brick":
        return _brick(rng, size)
    pale = _tone(rng, tuple(0.35 * cloth_color(rng) + 0.55), 2.0)
    rough = noise_field(rng, size, 6.0, 1.2)
    stain = noise_field(rng, size, size / 3, 2.5)
    color = flat(pale, size)
    if style == "paper":
        x = np.arange(size)[None, :] / size * int(rng.integers(6, 16))
        stripe = np.broadcast_to(smooth_step(0.47, 0.53, np.abs((x % 1) * 2 - 1)), (size, size))
        color = mix(color, pale * rng.uniform(0.82, 0.95), stripe)
    color = color * (1 + 0.008 * rough + 0.02 * stain)[..., None]
    return Swatch(_clip(color), (1.5e-4 * rough).astype(np.float32), 1.5, 0.85, 0.0)


def _brick(rng: np.random.Generator, size: int) -> Swatch:
    base = _tone(rng, (0.58, 0.36, 0.28) if rng.random() < 0.7 else (0.8, 0.78, 0.74), 4.0)
    row, column, joint = _cells(size, 4, 12, 0.5, 0.06)
    shade = rng.normal(0, 0.1, (12, 4))[row % 12, column]
    rough = noise_field(rng, size, 8.0, 1.2)
    color = mix(base * (1 + shade + 0.06 * rough)[..., None], np.array([0.68, 0.66, 0.62]), joint)
    return Swatch(_clip(color), (6e-4 * rough - 5e-3 * joint).astype(np.float32), 0.9, 0.9, 0.0)


def concrete(rng: np.random.Generator, size: int) -> Swatch:
    """Draw paving or screed."""
    base = _tone(rng, (0.55, 0.54, 0.52), 5.0)
    cloud = noise_field(rng, size, size / 4, 1.2)
    grit = noise_field(rng, size, 3.0, 0.8)
    color = base * (1 + 0.07 * cloud + 0.05 * grit)[..., None]
    return Swatch(_clip(color), (4e-4 * grit).astype(np.float32), 0.8, 0.9, 0.0)


def sand(rng: np.random.Generator, size: int) -> Swatch:
    """Draw a beach or sandpit."""
    base = _tone(rng, (0.73, 0.64, 0.50), 3.0)
    ripple = noise_field(rng, size, size / 10, 2.0, (2.5, 1.0))
    grit = noise_field(rng, size, 2.5, 0.6)
    color = base * (1 + 0.05 * ripple + 0.06 * grit)[..., None]
    return Swatch(_clip(color), (2.5e-3 * ripple + 3e-4 * grit).astype(np.float32), 0.6, 0.95, 0.0)


SURFACES: dict[str, SurfacePattern] = {
    "carpet": carpet,
    "wood": wood,
    "grass": grass,
    "tile": tile,
    "wall": wall,
    "concrete": concrete,
    "sand": sand,
}


KINDS: tuple[str, ...] = (*GROUPS, *SURFACES, *CLOTH)


def procedural_swatch(
    kind: str,
    rng: np.random.Generator,
    size: int = 512,
    colors: list[Array] | None = None,
    wear: float | None = None,
) -> Swatch:
    """Draw a tile of a kind in KINDS, of (size, size) px, with relief and real size.

    colors: ground and two more, sRGB (3,) each, for cloth; drawn where None. wear: 0 new .. 1 worn; drawn where
    None. Raises ConfigError for an unknown kind.
    """
    if kind in SURFACES:
        return SURFACES[kind](rng, size)
    name = draw_cloth(kind, rng)
    if colors is None:
        ground = cloth_color(rng)
        colors = [ground, *print_colors(rng, ground, 2)]
    made = CLOTH[name][0](rng, size, colors)
    return worn(made, rng, float(rng.beta(1.5, 2.0)) if wear is None else wear)


def draw_cloth(kind: str, rng: np.random.Generator) -> str:
    """Draw the name of a cloth pattern for a group ("cloth", "sheet", "blanket") or the name itself."""
    if kind in CLOTH:
        return kind
    if kind not in GROUPS:
        raise ConfigError(f"there is no surface {kind!r}; choose from {', '.join(KINDS)}")
    names = GROUPS[kind]
    weights = np.array([CLOTH[name][1] for name in names])
    return names[rng.choice(len(names), p=weights / weights.sum())]


def procedural_color(kind: str, rng: np.random.Generator, size: int = 512) -> Array:
    """Draw the colour of such a tile alone: (size, size, 3) float32 sRGB 0..1. Raises ConfigError for an unknown kind."""
    return procedural_swatch(kind, rng, size).color


class TextureSource:
    """Swatches by kind, from a folder where it has that kind and procedural otherwise.

    folder: images in sub-folders named for what they show ("fabric", "carpet", "wood", "grass", "tiles",
    "wall", ...); images that lie in the folder itself go by their name up to the first digit or underscore
    ("Fabric_012.jpg"). share: how often the folder is used where it can be. Raises DataError for a folder that is
    missing or has no usable image.
    """

    def __init__(self, folder: Path | None = None, share: float = 0.7) -> None:
        self.share = share
        self._files = {} if folder is None else _sort_images(Path(folder))

    def swatch(self, kind: str, rng: np.random.Generator, size: int = 512) -> tuple[str, Swatch]:
        """Draw a name for the record, and a tile of (size, size) px. Raises DataError for an unreadable image."""
        file = self._draw(kind, rng)
        if file is not None:
            return file.name, _from_image(file, kind, size)
        return kind, procedural_swatch(kind, rng, size)

    def cloth(
        self, kind: str, rng: np.random.Generator, size: int, colors: list[Array]
    ) -> tuple[str, Swatch]:
        """Draw a tile like ``swatch`` for kinds of cloth; a procedural one takes ``colors``: ground and two more, sRGB (3,)."""
        name = draw_cloth(kind, rng)
        file = self._draw("cloth", rng) if kind == "cloth" else None
        if file is not None:
            return file.name, _from_image(file, "cloth", size)
        return name, procedural_swatch(name, rng, size, colors)

    def _draw(self, kind: str, rng: np.random.Generator) -> Path | None:
        files = self._files.get(kind) or self._files.get(_STAND_INS.get(kind, ""))
        if not files or rng.random() >= self.share:
            return None
        return files[rng.integers(len(files))]


def _sort_images(folder: Path) -> dict[str, list[Path]]:
    if not folder.is_dir():
        raise DataError(f"textures folder {folder} does not exist; give a folder with sub-folders of images")
    kinds: dict[str, list[Path]] = {}
    found = 0
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() not in IMAGE_SUFFIXES or not file.is_file():
            continue
        found += 1
        kind = _kind_of(file, folder)
        if kind:
            kinds.setdefault(kind, []).append(file)
    if not kinds:
        known = ", ".join(sorted({name for names in _SYNONYMS.values() for name in names}))
        raise DataError(
            f"textures folder {folder} has {found} images ({', '.join(IMAGE_SUFFIXES)}), none in a sub-folder of a known "
            f"category; name its sub-folders by what they show: {known}"
        )
    return kinds


def _kind_of(file: Path, folder: Path) -> str | None:
    parts = [part.lower() for part in file.relative_to(folder).parts]
    stem = "".join(letter if letter.isalpha() else " " for letter in file.stem.lower()).split()
    for word in [*reversed(parts[:-1]), *stem[:1]]:
        for kind, names in _SYNONYMS.items():
            if word in names:
                return kind
    return None


def _from_image(file: Path, kind: str, size: int) -> Swatch:
    """Return an image as a tile; where its opposite edges do not meet, it is mirrored so that they do."""
    image = read_rgb(file).astype(np.float32) / 255
    if min(image.shape[:2]) < 8:
        raise DataError(
            f"texture {file} is {image.shape[1]} x {image.shape[0]} px; replace it by one of 64 or more"
        )
    side = min(image.shape[:2])
    image = image[:side, :side]
    if not meets(image):
        image = np.concatenate([image, image[:, ::-1]], axis=1)
        image = np.concatenate([image, image[::-1]], axis=0)
    shrink = size < len(image)
    color = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_CUBIC)
    color = np.clip(color, 0, 1)
    light = color.mean(axis=-1)
    relief = 8e-4 * (light - cv2.blur(light, (9, 9), borderType=cv2.BORDER_REFLECT_101))
    return Swatch(color, relief.astype(np.float32), _METRES.get(kind, 0.8))


def meets(tile: Array) -> bool:
    """Check whether a tile (S, S, 3) can be laid edge to edge: its seam is no rougher than its inside."""
    inside = np.abs(np.diff(tile, axis=1)).mean() + np.abs(np.diff(tile, axis=0)).mean()
    seam = np.abs(tile[:, 0] - tile[:, -1]).mean() + np.abs(tile[0] - tile[-1]).mean()
    return bool(seam <= 1.5 * inside + 1e-3)
