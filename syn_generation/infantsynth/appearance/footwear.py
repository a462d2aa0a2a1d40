"""Socks, the feet of sleepers, and mittens: tubes that close over toes and fingers."""

import numpy as np

from infantsynth.appearance import tubes
from infantsynth.appearance.anatomy import PARTS
from infantsynth.appearance.frames import follow
from infantsynth.appearance.studio import Studio
from infantsynth.appearance.swatch import Swatch
from infantsynth.spec import Mesh

Array = np.ndarray

THICKNESS = 0.0014  # m


def sock(
    studio: Studio, vertices: Array, side: str, cloth: Swatch, top: float, rng: np.random.Generator
) -> Mesh:
    """A sock from ``top`` along the leg (1 is the ankle) over the foot of the posed body (V, 3) m."""
    anatomy, scale = studio.anatomy, studio.anatomy.scale
    mine = anatomy.at.part == PARTS.index(f"{side}_leg")
    spine = foot_spine(studio, vertices, side)
    points = surface_points(studio, vertices, mine & (anatomy.at.leg > min(0.6, top - 0.1)))
    tip = float(spine.locate(points)[0].max()) - spine.bend - 0.003 * scale
    shin = (
        -np.arange(1, max(2, round((1 - top) * anatomy.leg_length / (0.006 * scale))) + 1)[::-1]
        * 0.006
        * scale
    )
    toes = spine.bend + np.linspace(0.004 * scale, tip, 10)
    turn = np.linspace(0, spine.bend, 8) if spine.bend > 0.2 else np.zeros(1)
    along = np.concatenate([shin, turn, toes])
    reach = np.where((along > 0) & (along < spine.bend), 0.22, 0.007 * scale)
    reach[(along == 0) | (along == spine.bend)] = 0.006 * scale
    rings = tubes.smoothed(tubes.wrap(spine, points, along, reach))
    thick = THICKNESS * anatomy.cloth_scale
    rings = tubes.rumple(rings.grown(1.5 * thick), rng, 0.0014 * anatomy.cloth_scale, 0.02 * scale)
    rings = tubes.closed(rings, 0.005 * scale)
    return tubes.knit(rings, cloth, anatomy.cloth_scale, thick, vertices)


def mitten(studio: Studio, vertices: Array, side: str, cloth: Swatch, rng: np.random.Generator) -> Mesh:
    """A mitten without a thumb, as newborns wear, on the hand of the posed body (V, 3) m."""
    anatomy, scale = studio.anatomy, studio.anatomy.scale
    at = anatomy.at
    mine = at.part == PARTS.index(f"{side}_arm")
    hand = mine & (at.hand > 0.8)
    frame = follow(anatomy, vertices, mine & (at.arm > 0.75) & (at.arm < 1.05))
    wrist = frame.point(anatomy.joints[f"{side}_wrist"])
    axis = vertices[hand].mean(axis=0) - wrist
    spine = tubes.straight(wrist, axis, frame.direction(np.array([0.0, 0.0, 1.0])))
    points = surface_points(studio, vertices, mine & (at.arm > 0.85))
    tip = float(spine.locate(points[np.linalg.norm(points - wrist, axis=1) < 0.12 * scale])[0].max())
    along = np.linspace(-0.012 * scale, tip - 0.003 * scale, 14)
    rings = tubes.smoothed(tubes.wrap(spine, points, along, np.full(len(along), 0.007 * scale)))
    thick = THICKNESS * anatomy.cloth_scale
    loose = 0.003 * scale * np.clip((along + 0.006 * scale) / (0.02 * scale), 0.1, 1)
    rings = tubes.rumple(rings.grown(thick + loose[:, None]), rng, 0.0016 * scale, 0.018 * scale)
    return tubes.knit(tubes.closed(rings, 0.006 * scale), cloth, anatomy.cloth_scale, thick, vertices)


def foot_spine(studio: Studio, vertices: Array, side: str) -> tubes.Spine:
    """Down the shin, round the ankle and along the foot of the posed body (V, 3) m."""
    anatomy, at = studio.anatomy, studio.anatomy.at
    mine = at.part == PARTS.index(f"{side}_leg")
    foot = follow(anatomy, vertices, mine & (at.foot > 0.8))
    shin = follow(anatomy, vertices, mine & (at.leg > 0.6) & (at.leg < 0.95))
    ankle = anatomy.joints[f"{side}_ankle"]
    first = shin.direction(ankle - anatomy.joints[f"{side}_knee"])
    first /= np.linalg.norm(first)
    rest = at.rest[mine & (at.foot > 0.8)]
    ends = np.percentile(rest[:, 1], [8, 92])
    toes, heel = rest[rest[:, 1] < ends[0]].mean(axis=0), rest[rest[:, 1] > ends[1]].mean(axis=0)
    second = foot.direction((toes - heel) / np.linalg.norm(toes - heel))
    across = np.cross(second, first)
    if np.linalg.norm(across) < 0.2:  # the foot is stretched along the shin
        across, second = foot.direction(np.array([1.0, 0.0, 0.0])), first
        across = across - first * (across @ first)
    across /= np.linalg.norm(across)
    crease = second - first if second is not first else -np.cross(across, first)
    crease /= np.linalg.norm(crease)  # from the ankle out through the skin between shin and foot
    start = foot.point(ankle)
    offset = np.asarray(vertices)[mine & (at.leg > 0.8)] - start
    away = offset @ crease
    close = np.linalg.norm(offset - away[:, None] * crease, axis=1) < 0.009 * anatomy.scale
    skin = float(away[close].max(initial=0.0))
    return tubes.Spine(start + crease * (skin + 0.002 * anatomy.scale), first, second, across)


def surface_points(studio: Studio, vertices: Array, chosen: Array) -> Array:
    """The chosen vertices (V,) bool of the posed body and the middles of their faces, (N, 3) m."""
    faces = studio.faces[chosen[studio.faces].all(axis=1)]
    return np.concatenate([vertices[chosen], vertices[faces].mean(axis=1)]).astype(np.float64)
