"""Where textures come from: procedural ones, or a user's folder of pictures with one sub-folder a category."""

from pathlib import Path

import cv2
import numpy as np

from fidip.errors import DataError
from fidip.pixels import read_rgb
from infantsynth.appearance import patterns
from infantsynth.appearance.swatch import Swatch

Array = np.ndarray

PICTURES = (".jpg", ".jpeg", ".png")

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
_STAND_INS = {"sheet": "cloth", "blanket": "cloth"}  # what is taken where a folder has no pictures of a kind


class TextureSource:
    """Swatches by kind, from a folder where it has that kind and procedural otherwise.

    folder: pictures in sub-folders named for what they show ("fabric", "carpet", "wood", "grass", "tiles",
    "wall", ...); pictures that lie in the folder itself go by their name up to the first digit or underscore
    ("Fabric_012.jpg"). share: how often the folder is used where it can be. Raises DataError for a folder that is
    missing or has no usable picture.
    """

    def __init__(self, folder: Path | None = None, share: float = 0.7) -> None:
        self.share = share
        self._files = {} if folder is None else _sort_pictures(Path(folder))

    @property
    def kinds(self) -> dict[str, int]:
        """How many pictures the folder has of each kind."""
        return {kind: len(files) for kind, files in sorted(self._files.items())}

    def swatch(self, kind: str, rng: np.random.Generator, size: int = 512) -> tuple[str, Swatch]:
        """A name for the record, and a tile of (size, size) px. Raises DataError for an unreadable picture."""
        file = self._draw(kind, rng)
        if file is not None:
            return file.name, _from_picture(file, kind, size)
        return kind, patterns.swatch(kind, rng, size)

    def cloth(
        self, kind: str, rng: np.random.Generator, size: int, colors: list[Array]
    ) -> tuple[str, Swatch]:
        """Like ``swatch`` for kinds of cloth; a procedural one takes ``colors``: ground and two more, sRGB (3,)."""
        name = patterns.draw_cloth(kind, rng)
        file = self._draw("cloth", rng) if kind == "cloth" else None
        if file is not None:
            return file.name, _from_picture(file, "cloth", size)
        return name, patterns.swatch(name, rng, size, colors)

    def _draw(self, kind: str, rng: np.random.Generator) -> Path | None:
        files = self._files.get(kind) or self._files.get(_STAND_INS.get(kind, ""))
        if not files or rng.random() >= self.share:
            return None
        return files[rng.integers(len(files))]


def _sort_pictures(folder: Path) -> dict[str, list[Path]]:
    if not folder.is_dir():
        raise DataError(
            f"textures folder {folder} does not exist; give a folder with sub-folders of pictures"
        )
    kinds: dict[str, list[Path]] = {}
    found = 0
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() not in PICTURES or not file.is_file():
            continue
        found += 1
        kind = _kind_of(file, folder)
        if kind:
            kinds.setdefault(kind, []).append(file)
    if not kinds:
        known = ", ".join(sorted({name for names in _SYNONYMS.values() for name in names}))
        raise DataError(
            f"textures folder {folder} has {found} pictures ({', '.join(PICTURES)}), none in a sub-folder of a known "
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


def _from_picture(file: Path, kind: str, size: int) -> Swatch:
    """A picture as a tile; where its opposite edges do not meet, it is mirrored so that they do."""
    picture = read_rgb(file).astype(np.float32) / 255
    if min(picture.shape[:2]) < 8:
        raise DataError(
            f"texture {file} is {picture.shape[1]} x {picture.shape[0]} px; replace it by one of 64 or more"
        )
    side = min(picture.shape[:2])
    picture = picture[:side, :side]
    if not meets(picture):
        picture = np.concatenate([picture, picture[:, ::-1]], axis=1)
        picture = np.concatenate([picture, picture[::-1]], axis=0)
    shrink = size < len(picture)
    color = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_CUBIC)
    color = np.clip(color, 0, 1)
    light = color.mean(axis=-1)
    relief = 8e-4 * (light - cv2.blur(light, (9, 9), borderType=cv2.BORDER_REFLECT_101))
    return Swatch(color, relief.astype(np.float32), _METRES.get(kind, 0.8))


def meets(tile: Array) -> bool:
    """Whether a tile (S, S, 3) can be laid edge to edge: its seam is no rougher than its inside."""
    inside = np.abs(np.diff(tile, axis=1)).mean() + np.abs(np.diff(tile, axis=0)).mean()
    seam = np.abs(tile[:, 0] - tile[:, -1]).mean() + np.abs(tile[0] - tile[-1]).mean()
    return bool(seam <= 1.5 * inside + 1e-3)
