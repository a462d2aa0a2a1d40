"""Draw outfits and extras with the frequencies of real images."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from infantsynth.appearance.anatomy import Anatomy
from infantsynth.appearance.cloth import DRAWINGS
from infantsynth.appearance.garment import Garment, Trim, above, below, collar, front, legs, sleeve
from infantsynth.appearance.swatch import Swatch, cloth_color, print_colors
from infantsynth.appearance.textures import TextureSource

Array = np.ndarray

_STIFF = {"denim": 0.8, "fleece": 0.6, "knit": 0.5, "rib": 0.2, "waffle": 0.4}


@dataclass(frozen=True)
class Outfit:
    """Garments from the inside out, what else is worn, and its name.

    extras: of "socks", "feet" (of a sleeper), "mittens", "hat", "headband", "pacifier".
    """

    name: str
    garments: tuple[Garment, ...]
    extras: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cloth:
    """A cloth that has been chosen: the swatch, its name, and its ground colour sRGB (3,)."""

    swatch: Swatch
    name: str
    color: Array

    @property
    def stiffness(self) -> float:
        """How broadly it folds, 0..1."""
        return _STIFF.get(self.name, 0.1)


class Chest:
    """Draws cloths that all keep their distance from a skin colour."""

    def __init__(self, rng: np.random.Generator, skin: Array, textures: TextureSource, tile: int) -> None:
        self.rng, self.skin, self.textures, self.tile = rng, skin, textures, tile

    def cloth(self, kind: str = "cloth") -> Cloth:
        """Return a cloth of a kind of the patterns' groups or a name of theirs."""
        ground = cloth_color(self.rng, self.skin)
        colors = [ground, *print_colors(self.rng, ground, 2)]
        name, swatch = self.textures.cloth(kind, self.rng, self.tile, colors)
        return Cloth(swatch, name, ground)

    def trim(self, cloth: Cloth, width: float, matching: float = 0.6) -> Trim:
        """Return a ribbed band, with probability ``matching`` in the colour of the cloth."""
        color = cloth.color if self.rng.random() < matching else cloth_color(self.rng, self.skin)
        return Trim(width, np.clip(color * self.rng.uniform(0.9, 1.03), 0, 1))

    def choose(self, *options: tuple[float, float]) -> float:
        """Return one of (value, weight)."""
        weights = np.array([weight for _, weight in options])
        return float(options[self.rng.choice(len(options), p=weights / weights.sum())][0])


def _neck(chest: Chest) -> dict[str, float]:
    rng = chest.rng
    return {"wide": rng.uniform(1.02, 1.3), "deep": rng.uniform(0.0, 0.014)}


def _motif(chest: Chest, cloth: Cloth, share: float = 0.35) -> str:
    plain = cloth.name in ("plain", "melange", "waffle", "stripes")
    return str(chest.rng.choice(list(DRAWINGS))) if plain and chest.rng.random() < share else ""


def bodysuit(
    chest: Chest, leg: float | None = None, arm: float | None = None, name: str = "romper"
) -> Garment:
    """Draw one piece with legs and sleeves: from a short romper to a sleeper."""
    rng = chest.rng
    cloth = chest.cloth()
    arm = chest.choose((0.04, 1.5), (0.28, 5), (0.45, 1), (0.97, 3)) if arm is None else arm
    leg = chest.choose((0.32, 5), (0.42, 2), (0.62, 1), (0.93, 3)) if leg is None else leg
    trims = {"collar": chest.trim(cloth, rng.uniform(0.006, 0.011))}
    if rng.random() < 0.75 or arm > 0.9:
        trims["sleeve"] = chest.trim(cloth, rng.uniform(0.006, 0.02 if arm > 0.9 else 0.011))
        trims["leg"] = Trim(rng.uniform(0.007, 0.02 if leg > 0.9 else 0.011), trims["sleeve"].color)
    cuffed = tuple(edge for edge in ("sleeve", "leg") if edge in trims and rng.random() < 0.7)
    ease = rng.uniform(0.0015, 0.006)
    fastening = str(rng.choice(["", "zip", "snaps", "buttons"], p=[0.45, 0.2, 0.25, 0.1]))
    return Garment(
        name,
        cloth.swatch,
        {"collar": collar(**_neck(chest)), "sleeve": sleeve(arm), "leg": legs(leg)},
        trims,
        cuffed,
        ease,
        {edge: rng.uniform(0.0, 0.004) for edge in ("sleeve", "leg") if edge not in cuffed},
        sag=rng.uniform(0.0, 0.006),
        stiffness=cloth.stiffness,
        fastening=fastening,
        motif="" if fastening else _motif(chest, cloth),
        bulge=_nappy(chest),
    )


def _nappy(chest: Chest) -> float:
    return chest.rng.uniform(0.007, 0.016)


def top(chest: Chest, long: bool | None = None, bottom: float | None = None) -> Garment:
    """Draw a shirt or jumper that ends at the hips; sleeves of any length."""
    rng = chest.rng
    long = rng.random() < 0.45 if long is None else long
    cloth = chest.cloth()
    arm = rng.uniform(0.9, 1.0) if long else chest.choose((0.04, 1), (0.3, 5), (0.42, 2))
    hem = rng.uniform(-0.06, 0.14) if bottom is None else bottom
    trims = {"collar": chest.trim(cloth, rng.uniform(0.006, 0.012))}
    cuffs = long and rng.random() < 0.7
    if cuffs or rng.random() < 0.35:
        trims["sleeve"] = chest.trim(cloth, rng.uniform(0.008, 0.022) if long else 0.009)
    banded = cloth.name in ("knit", "fleece", "rib") or rng.random() < 0.2
    if banded:
        trims["bottom"] = chest.trim(cloth, rng.uniform(0.014, 0.025))
    elastic = (*(("sleeve",) if cuffs else ()), *(("bottom",) if banded else ()))
    pointed = rng.uniform(0.012, 0.022) if rng.random() < 0.1 else 0.0
    edges = {"collar": collar(**_neck(chest), pointed=pointed), "sleeve": sleeve(arm), "bottom": above(hem)}
    fastening = "buttons" if rng.random() < 0.15 else ""
    return Garment(
        "jumper" if banded else "shirt",
        cloth.swatch,
        edges,
        trims,
        elastic,
        rng.uniform(0.002, 0.008),
        {edge: rng.uniform(0.001, 0.008) for edge in ("sleeve", "bottom") if edge not in elastic},
        sag=rng.uniform(0.002, 0.010),
        stiffness=cloth.stiffness,
        fastening=fastening,
        motif="" if fastening or pointed else _motif(chest, cloth, 0.45),
    )


def trousers(chest: Chest, leg: float | None = None, kind: str = "cloth", waist: float = 0.3) -> Garment:
    """Draw shorts, leggings or trousers."""
    rng = chest.rng
    leg = chest.choose((0.34, 3), (0.45, 2), (0.65, 1), (0.93, 5)) if leg is None else leg
    cloth = chest.cloth(kind)
    cuffs = rng.random() < 0.55
    trims = {"waist": chest.trim(cloth, rng.uniform(0.012, 0.022), 0.7)}
    if cuffs:
        trims["leg"] = Trim(rng.uniform(0.010, 0.022), trims["waist"].color)
    return Garment(
        "trousers" if leg > 0.55 else "shorts",
        cloth.swatch,
        {"waist": below(waist), "leg": legs(leg)},
        trims,
        ("waist", "leg") if cuffs else ("waist",),
        rng.uniform(0.002, 0.009),
        {} if cuffs else {"leg": rng.uniform(0.001, 0.008)},
        sag=rng.uniform(0.001, 0.006),
        stiffness=cloth.stiffness,
        bulge=_nappy(chest),
    )


def bloomers(chest: Chest) -> Garment:
    """Draw a nappy's cover, gathered at waist and legs."""
    rng = chest.rng
    cloth = chest.cloth("plain" if rng.random() < 0.6 else "cloth")
    trims = {"waist": chest.trim(cloth, 0.010, 0.9), "leg": chest.trim(cloth, 0.008, 0.9)}
    return Garment(
        "nappy cover",
        cloth.swatch,
        {"waist": below(rng.uniform(0.24, 0.36)), "leg": legs(rng.uniform(0.315, 0.35))},
        trims,
        ("waist", "leg"),
        rng.uniform(0.004, 0.008),
        stiffness=0.3,
        bulge=rng.uniform(0.012, 0.022),
    )


def dungarees(chest: Chest) -> tuple[Garment, ...]:
    """Draw a shirt under trousers with a bib, often of denim."""
    rng = chest.rng
    cloth = chest.cloth("denim" if rng.random() < 0.55 else "plain")
    shirt = top(chest, bottom=0.0)
    return shirt, Garment(
        "dungarees",
        cloth.swatch,
        {
            "collar": collar(rng.uniform(1.75, 2.0), 0.02),
            "sleeve": sleeve(rng.uniform(-0.14, -0.08)),
            "leg": legs(chest.choose((0.36, 2), (0.6, 1), (0.92, 4))),
        },
        {"leg": Trim(rng.uniform(0.012, 0.022), cloth.color, False)},
        (),
        rng.uniform(0.004, 0.008),
        {"leg": rng.uniform(0.001, 0.006)},
        sag=0.004,
        stiffness=cloth.stiffness,
        fastening="buttons" if rng.random() < 0.3 else "",
        bulge=_nappy(chest),
    )


def _shirt_and(make: Callable[[Chest], Garment]) -> Callable[[Chest], tuple[Garment, ...]]:
    return lambda chest: (make(chest), top(chest))


def _tunic(chest: Chest) -> tuple[Garment, ...]:
    under = trousers(chest, leg=chest.choose((0.33, 3), (0.6, 1), (0.93, 1.5)))
    over = top(chest, bottom=chest.rng.uniform(-0.22, -0.1))
    flared = {**over.flare, "bottom": chest.rng.uniform(0.008, 0.018)}
    elastic = tuple(edge for edge in over.elastic if edge != "bottom")
    return under, replace(over, name="tunic", flare=flared, elastic=elastic)


def bib(chest: Chest) -> Garment:
    """Draw a bib over whatever else is worn."""
    rng = chest.rng
    cloth = chest.cloth("cloth" if rng.random() < 0.5 else "plain")
    color = chest.trim(cloth, 0.006, 0.4).color
    return Garment(
        "bib",
        cloth.swatch,
        {
            "collar": collar(rng.uniform(0.98, 1.05), 0.004),
            "bib": front(rng.uniform(0.75, 1.0), rng.uniform(0.45, 0.7)),
        },
        {"bib": Trim(0.005, color, False), "collar": Trim(0.005, color, False)},
        ease=0.003,
        sag=0.002,
        motif=_motif(chest, cloth, 0.5),
    )


def sleeper(chest: Chest) -> Garment:
    """Draw a bodysuit to the ankles and wrists."""
    return bodysuit(chest, leg=chest.rng.uniform(0.91, 0.96), arm=0.98, name="sleeper")


def _adult_long(chest: Chest) -> tuple[Garment, ...]:
    kind = str(chest.rng.choice(["denim", "plain", "melange", "rib"], p=[0.4, 0.4, 0.15, 0.05]))
    return trousers(chest, leg=0.95, kind=kind), top(chest)


def _adult_short(chest: Chest) -> tuple[Garment, ...]:
    return trousers(chest, leg=chest.choose((0.36, 1), (0.46, 2))), top(chest, False)


# outfits of infants and of adults, with how often each is worn
_INFANT: tuple[tuple[str, Callable[[Chest], tuple[Garment, ...]], float], ...] = (
    ("romper", lambda chest: (bodysuit(chest),), 3.5),
    ("sleeper", lambda chest: (sleeper(chest),), 3.0),
    ("shirt and trousers", _shirt_and(trousers), 2.5),
    ("shirt and nappy cover", _shirt_and(bloomers), 2.0),
    ("dungarees", dungarees, 1.2),
    ("tunic and trousers", _tunic, 1.2),
)


_ADULT: tuple[tuple[str, Callable[[Chest], tuple[Garment, ...]], float], ...] = (
    ("shirt and trousers", _adult_long, 5.0),
    ("shirt and shorts", _adult_short, 3.0),
    ("tunic and trousers", _tunic, 1.2),
    ("overall", lambda chest: (bodysuit(chest, leg=0.94),), 0.5),
)


def draw_outfit(anatomy: Anatomy, chest: Chest) -> Outfit:
    """Draw clothes for a body, from the inside out."""
    choices = _ADULT if anatomy.adult else _INFANT
    weights = np.array([weight for *_, weight in choices])
    name, make, _ = choices[chest.rng.choice(len(choices), p=weights / weights.sum())]
    garments = make(chest)
    if anatomy.adult:
        garments = tuple(replace(garment, bulge=0.0) for garment in garments)
    elif chest.rng.random() < 0.08:
        garments = (*garments, bib(chest))
    return Outfit(name, garments, draw_extras(anatomy.adult, name, chest.rng))


def draw_extras(adult: bool, outfit: str, rng: np.random.Generator) -> tuple[str, ...]:
    """Draw what goes with an outfit: "socks", "feet" (of a sleeper), "mittens", "hat", "headband", "pacifier"."""
    if adult:
        socks = ("socks",) if rng.random() < 0.9 else ()
        return (*socks, "hat") if rng.random() < 0.08 else socks
    extras = []
    if outfit == "sleeper" and rng.random() < 0.6:
        extras.append("feet")
    elif rng.random() < 0.35:
        extras.append("socks")
    head = rng.random()
    if head < 0.2:
        extras.append("hat" if head < 0.14 else "headband")
    if rng.random() < 0.08:
        extras.append("pacifier")
    if outfit == "sleeper" and rng.random() < 0.12:
        extras.append("mittens")
    return tuple(extras)
