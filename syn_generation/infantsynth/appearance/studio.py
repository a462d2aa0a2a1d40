"""What is prepared once per body model, so that dressing a body costs little."""

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from infantsynth.appearance.anatomy import Anatomy, Coordinates, study
from infantsynth.appearance.atlas import Atlas, make_atlas
from infantsynth.appearance.fabric import Fabric, weave
from infantsynth.appearance.panels import panel
from infantsynth.appearance.unwrap import unwrap

Array = np.ndarray

TEXTURE_SIZE = 1024  # px, side of a body's and a garment's texture


@dataclass(frozen=True)
class Studio:
    """A body model's anatomy, texture space and cloth surface.

    texels: coordinates of the texture's points (size, size); round, along (size, size): their panel coordinates,
    m; texel: side of a texel on the body, m (median). regions: masks (V,) 0..1 that the body model brings along.
    """

    anatomy: Anatomy
    atlas: Atlas
    fabric: Fabric
    faces: Array
    texels: Coordinates
    round: Array
    along: Array
    texel: float
    regions: dict[str, Array]


_prepared: WeakKeyDictionary[Any, dict[int, Studio]] = WeakKeyDictionary()


def prepare(body: Any, size: int = TEXTURE_SIZE) -> Studio:
    """The studio of a BodyModel with textures of ``size`` px; kept as long as the body model lives."""
    sizes = _prepared.setdefault(body, {})
    if size not in sizes:
        sizes[size] = _prepare(body, size)
    return sizes[size]


def _prepare(body: Any, size: int) -> Studio:
    anatomy = study(body)
    faces = np.asarray(body.faces)
    if body.uv is not None:
        vertex, coords, uv_faces = body.uv.vertex, body.uv.coords, body.uv.faces
    else:
        vertex, coords, uv_faces = unwrap(anatomy, faces)
    atlas = make_atlas(np.asarray(vertex), np.asarray(coords), np.asarray(uv_faces), size)
    texels = anatomy.at.carried(lambda values: atlas.image(values))
    round_, along = panel(anatomy, texels)
    regions = {
        name: np.asarray(mask, dtype=np.float32)
        for name, mask in (getattr(body, "regions", None) or {}).items()
    }
    return Studio(
        anatomy,
        atlas,
        weave(anatomy, atlas),
        faces,
        texels,
        round_,
        along,
        _texel_side(anatomy, atlas),
        regions,
    )


def _texel_side(anatomy: Anatomy, atlas: Atlas) -> float:
    corners = anatomy.at.rest[atlas.vertex][atlas.faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    return float(np.sqrt(area.sum() / len(atlas.filled)))
