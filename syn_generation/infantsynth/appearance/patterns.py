"""Every procedural surface by name; tiles repeat without a seam."""

import numpy as np

from fidip.errors import ConfigError
from infantsynth.appearance import cloth, surfaces
from infantsynth.appearance.cloth import ClothPattern
from infantsynth.appearance.color import cloth_color, print_colors
from infantsynth.appearance.surfaces import SurfacePattern
from infantsynth.appearance.swatch import Swatch, worn

Array = np.ndarray

# prints and weaves, with how often each is drawn for kind "cloth"
CLOTH: dict[str, tuple[ClothPattern, float]] = {
    "plain": (cloth.plain, 5.0),
    "melange": (cloth.melange, 2.0),
    "stripes": (cloth.stripes, 3.0),
    "pinstripes": (cloth.pinstripes, 0.7),
    "checks": (cloth.checks, 1.3),
    "dots": (cloth.dots, 1.6),
    "floral": (cloth.floral, 1.5),
    "animals": (cloth.animals, 1.5),
    "stars": (cloth.stars, 1.0),
    "blobs": (cloth.blobs, 1.0),
    "knit": (cloth.knit, 1.0),
    "rib": (cloth.rib, 1.0),
    "waffle": (cloth.waffle, 0.6),
    "muslin": (cloth.muslin, 0.6),
    "fleece": (cloth.fleece, 0.7),
    "denim": (cloth.denim, 0.5),
}
SURFACES: dict[str, SurfacePattern] = {
    "carpet": surfaces.carpet,
    "wood": surfaces.wood,
    "grass": surfaces.grass,
    "tile": surfaces.tile,
    "wall": surfaces.wall,
    "concrete": surfaces.concrete,
    "sand": surfaces.sand,
}
# groups of cloth, by use: a sheet is no knit, a blanket no denim
GROUPS: dict[str, tuple[str, ...]] = {
    "cloth": tuple(CLOTH),
    "sheet": ("plain", "stripes", "pinstripes", "checks", "dots", "floral", "animals", "stars", "muslin"),
    "blanket": ("plain", "knit", "waffle", "muslin", "fleece", "checks", "animals", "stars", "stripes"),
}
KINDS: tuple[str, ...] = (*GROUPS, *SURFACES, *CLOTH)


def swatch(
    kind: str,
    rng: np.random.Generator,
    size: int = 512,
    colors: list[Array] | None = None,
    wear: float | None = None,
) -> Swatch:
    """A tile of a kind in KINDS, of (size, size) px, with relief and real size.

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
    """The name of a cloth pattern for a group ("cloth", "sheet", "blanket") or the name itself."""
    if kind in CLOTH:
        return kind
    if kind not in GROUPS:
        raise ConfigError(f"there is no surface {kind!r}; choose from {', '.join(KINDS)}")
    names = GROUPS[kind]
    weights = np.array([CLOTH[name][1] for name in names])
    return names[rng.choice(len(names), p=weights / weights.sum())]


def procedural(kind: str, rng: np.random.Generator, size: int = 512) -> Array:
    """The colour of such a tile alone: (size, size, 3) float32 sRGB 0..1. Raises ConfigError for an unknown kind."""
    return swatch(kind, rng, size).color
