"""What is worn besides the garments: socks and the feet of sleepers, mittens, hats, headbands, pacifiers."""

import numpy as np

from infantsynth.appearance.footwear import mitten, sock
from infantsynth.appearance.headwear import hat, headband, pacifier
from infantsynth.appearance.outfit import Chest, Outfit
from infantsynth.appearance.studio import Studio
from infantsynth.spec import Mesh

Array = np.ndarray

_SIDES = ("left", "right")
_HEAD = {"hat": hat, "headband": headband, "pacifier": pacifier}


def add_extras(studio: Studio, vertices: Array, outfit: Outfit, chest: Chest) -> list[Mesh]:
    """Meshes of an outfit's extras on the posed body (V, 3) m."""
    rng = chest.rng
    meshes: list[Mesh] = []
    for name in outfit.extras:
        if name in _HEAD:
            meshes += _HEAD[name](studio, vertices, chest)
        elif name == "mittens":
            cloth = chest.cloth("plain").swatch
            meshes += [mitten(studio, vertices, side, cloth, rng) for side in _SIDES]
        else:
            cloth = outfit.garments[0].cloth if name == "feet" else chest.cloth(_sock_cloth(rng)).swatch
            top = min(rng.uniform(0.72, 0.92), 0.95) if name == "socks" else 0.95
            top = max(top, _hem(studio, outfit) - 0.03)
            meshes += [sock(studio, vertices, side, cloth, top, rng) for side in _SIDES]
    return meshes


def _sock_cloth(rng: np.random.Generator) -> str:
    return str(rng.choice(["rib", "plain", "stripes"], p=[0.45, 0.35, 0.2]))


def _hem(studio: Studio, outfit: Outfit) -> float:
    """How far down the leg the garments go, in the coordinate along it."""
    anatomy = studio.anatomy
    leg = anatomy.at.leg
    worn = np.logical_or.reduce([garment.inside(anatomy, anatomy.at) > 0 for garment in outfit.garments])
    return min(1.0, float(leg[worn].max()))
