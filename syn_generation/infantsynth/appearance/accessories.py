"""Make what is worn besides garments: socks, mittens, hats, headbands, pacifiers."""

from dataclasses import dataclass

import numpy as np

from infantsynth.appearance import tubes
from infantsynth.appearance.anatomy import PARTS, Placement, follow
from infantsynth.appearance.outfit import Chest, Outfit
from infantsynth.appearance.studio import Studio
from infantsynth.appearance.swatch import Swatch
from infantsynth.appearance.tubes import Solid, ball, merged, ring
from infantsynth.spec import Material, Mesh

Array = np.ndarray

SOCK_THICKNESS = 0.0014  # m
HAT_THICKNESS = 0.0022  # m, of a hat's cloth
_PACIFIERS = (
    (0.55, 0.72, 0.80),
    (0.86, 0.66, 0.70),
    (0.88, 0.88, 0.86),
    (0.52, 0.66, 0.56),
    (0.84, 0.74, 0.52),
)
_SIDES = ("left", "right")


def sock(
    studio: Studio, vertices: Array, side: str, cloth: Swatch, top: float, rng: np.random.Generator
) -> Mesh:
    """Draw a sock from ``top`` along the leg (1 is the ankle) over the foot of the posed body (V, 3) m."""
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
    thick = SOCK_THICKNESS * anatomy.cloth_scale
    rings = tubes.rumple(rings.grown(1.5 * thick), rng, 0.0014 * anatomy.cloth_scale, 0.02 * scale)
    rings = tubes.closed(rings, 0.005 * scale)
    return tubes.knit(rings, cloth, anatomy.cloth_scale, thick, vertices)


def mitten(studio: Studio, vertices: Array, side: str, cloth: Swatch, rng: np.random.Generator) -> Mesh:
    """Draw a mitten without a thumb, as newborns wear, on the hand of the posed body (V, 3) m."""
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
    thick = SOCK_THICKNESS * anatomy.cloth_scale
    loose = 0.003 * scale * np.clip((along + 0.006 * scale) / (0.02 * scale), 0.1, 1)
    rings = tubes.rumple(rings.grown(thick + loose[:, None]), rng, 0.0016 * scale, 0.018 * scale)
    return tubes.knit(tubes.closed(rings, 0.006 * scale), cloth, anatomy.cloth_scale, thick, vertices)


def foot_spine(studio: Studio, vertices: Array, side: str) -> tubes.Spine:
    """Lay a spine down the shin, round the ankle and along the foot of the posed body (V, 3) m."""
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
    """Return the chosen vertices (V,) bool of the posed body and the middles of their faces, (N, 3) m."""
    faces = studio.faces[chosen[studio.faces].all(axis=1)]
    return np.concatenate([vertices[chosen], vertices[faces].mean(axis=1)]).astype(np.float64)


@dataclass(frozen=True)
class Head:
    """The posed head: its frame, points (N, 3) m of its surface, distance of the eyes, eyes and nose at rest."""

    frame: Placement
    points: Array
    unit: float
    eyes: Array
    nose: Array


def find_head(studio: Studio, vertices: Array) -> Head:
    """Return the head of the posed body (V, 3) m."""
    anatomy = studio.anatomy
    chosen = anatomy.at.head > 0.9
    face = anatomy.face
    unit = float(np.linalg.norm(face[1] - face[2]))
    return Head(
        follow(anatomy, vertices, chosen),
        surface_points(studio, vertices, chosen),
        unit,
        face[1:3].mean(axis=0),
        face[0],
    )


def _spine(head: Head, low: Array, tilt: float) -> tubes.Spine:
    """Return an upward axis of the head, leaning back by ``tilt`` rad, whose zero is at the height of ``low`` (rest)."""
    axis = head.frame.direction(np.array([0.0, np.sin(tilt), np.cos(tilt)]))
    return tubes.straight(head.frame.point(low), axis, head.frame.direction(np.array([1.0, 0.0, 0.0])))


def hat(studio: Studio, vertices: Array, chest: Chest) -> list[Mesh]:
    """Draw a cap with a turned-up edge, or a sun hat with a brim."""
    rng, head = chest.rng, find_head(studio, vertices)
    size = head.unit * head.frame.size
    spine = _spine(
        head, head.eyes + head.unit * np.array([0, 0, rng.uniform(0.65, 0.95)]), rng.uniform(0.15, 0.42)
    )
    top = float(spine.locate(head.points)[0].max())
    along = top * np.sin(np.linspace(0, np.pi / 2, 16)) * 0.985
    loose = 0.06 * size * rng.uniform(0.3, 1.6)
    rings = tubes.wrap(spine, head.points, along, np.full(len(along), 0.06 * size), beyond=True)
    rings = tubes.smoothed(rings, 1).grown(
        0.0025 * studio.anatomy.cloth_scale + loose * np.sin(np.pi * along / top)[:, None]
    )
    peak = rng.uniform(0.1, 0.5) * size if rng.random() < 0.3 else 0.06 * size
    rings = tubes.closed(tubes.rumple(rings, rng, 0.05 * size, 0.7 * size), peak)
    brim = rng.random() < 0.25
    cloth = chest.cloth(
        str(rng.choice(["plain", "stripes", "cloth"]))
        if brim
        else str(rng.choice(["rib", "knit", "plain", "stripes", "cloth"]))
    )
    thick, scale = HAT_THICKNESS * studio.anatomy.cloth_scale, studio.anatomy.cloth_scale
    meshes = [tubes.knit(rings, cloth.swatch, scale, thick, vertices)]
    edge = _brim(rings, 0.9 * size, rng) if brim else _cuff(rings, rng.uniform(0.3, 0.6) * size, thick)
    if brim or rng.random() < 0.7:
        meshes.append(tubes.knit(edge, cloth.swatch, scale, thick, vertices))
    if not brim and rng.random() < 0.2:
        away = spine.point(float(rings.along[-1]) + 0.15 * size, np.zeros((1, 2)) + rings.centre[-1])[0]
        material = Material(chest.cloth("plain").color.astype(np.float32), 0.95, 0.1, 0.4)
        meshes.append(ball(np.full(3, 0.3 * size)).placed(np.eye(3), away).mesh(material, vertices))
    return meshes


def _cuff(rings: tubes.Rings, width: float, thick: float) -> tubes.Rings:
    """Return the turned-up edge of a cap."""
    along = np.linspace(-0.001, width, 6)
    radius = np.stack([np.interp(along, rings.along, column) for column in rings.radius.T], axis=1)
    centre = np.stack([np.interp(along, rings.along, column) for column in rings.centre.T], axis=1)
    bulge = thick * (1.0 + np.sin(np.pi * np.linspace(0, 1, 6)))
    return tubes.Rings(rings.spine, along, centre, radius + bulge[:, None])


def _brim(rings: tubes.Rings, width: float, rng: np.random.Generator) -> tubes.Rings:
    """Draw a brim that slopes down and waves, from its outer edge to the hat."""
    out = np.linspace(1, 0, 7)
    around = 2 * np.pi * np.arange(tubes.AROUND) / tubes.AROUND
    waves = 0.06 * np.sin(3 * around + rng.uniform(0, 6)) + 0.05 * np.sin(5 * around + rng.uniform(0, 6))
    radius = rings.radius[:1] + width * out[:, None] * (1 + waves)
    drop = -rng.uniform(0.1, 0.45) * width * out**1.5 + 0.002
    return tubes.Rings(rings.spine, drop, np.repeat(rings.centre[:1], 7, axis=0), radius)


def headband(studio: Studio, vertices: Array, chest: Chest) -> list[Mesh]:
    """Draw a band round the head, at times with a bow."""
    rng, head = chest.rng, find_head(studio, vertices)
    size, scale = head.unit * head.frame.size, studio.anatomy.cloth_scale
    spine = _spine(
        head, head.eyes + head.unit * np.array([0, 0, rng.uniform(0.95, 1.25)]), rng.uniform(0.25, 0.45)
    )
    width = rng.uniform(0.2, 0.5) * size
    along = np.linspace(0, width, 6)
    rings = tubes.wrap(spine, head.points, along, np.full(6, 0.06 * size))
    rings = tubes.smoothed(rings, 1).grown(0.003 * scale * (0.5 + np.sin(np.pi * along / width))[:, None])
    cloth = chest.cloth("cloth" if rng.random() < 0.4 else "plain")
    meshes = [tubes.knit(rings, cloth.swatch, scale, 0.0015 * scale, vertices)]
    if rng.random() < 0.5:
        material = Material(cloth.color.astype(np.float32), 0.85, 0.2, 0.2)
        meshes.append(_bow(rings, head, 0.5 * size, rng).mesh(material, vertices))
    return meshes


def _bow(rings: tubes.Rings, head: Head, size: float, rng: np.random.Generator) -> Solid:
    """Draw two loops and a knot at the front of a band."""
    middle, points = len(rings.along) // 2, rings.positions()[len(rings.along) // 2]
    centre = points.mean(axis=0)
    front = head.frame.direction(np.array([rng.uniform(-0.7, 0.7), -1.0, 0.0]))
    spot = points[((points - centre) @ front).argmax()]
    out = spot - rings.spine.point(float(rings.along[middle]), rings.centre[middle : middle + 1])[0]
    out /= np.linalg.norm(out)
    up = rings.spine.first
    basis = np.stack([np.cross(up, out), up, out], axis=1)
    loops = [
        ball(np.array([0.5, 0.32, 0.2]) * size).placed(np.eye(3), np.array([lean * 0.5 * size, 0, 0]))
        for lean in (-1, 1)
    ]
    return merged([*loops, ball(np.array([0.16, 0.2, 0.24]) * size)]).placed(basis, spot)


def pacifier(studio: Studio, vertices: Array, chest: Chest) -> list[Mesh]:
    """Draw a shield on the lips with a knob or a ring before it."""
    rng, head = chest.rng, find_head(studio, vertices)
    size = head.unit * head.frame.size
    mouth = head.nose + head.unit * np.array([0.0, 0.0, -0.58])
    near = np.argsort(
        np.linalg.norm(studio.anatomy.at.rest - mouth, axis=1) + 10.0 * (studio.anatomy.at.head < 0.9)
    )[:60]
    lips = vertices[near]
    front = head.frame.direction(np.array([0.0, -1.0, 0.0]))
    reach = float((lips @ front).max())
    centre = head.frame.point(mouth)
    centre = centre + front * (reach - centre @ front + 0.03 * size)
    # z of the parts to the front
    basis = head.frame.rotation @ np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])
    shield = ball(np.array([0.46, 0.36, 0.1]) * size, 24)
    knob = ring(0.22 * size, 0.05 * size) if rng.random() < 0.5 else ball(np.array([0.17, 0.17, 0.2]) * size)
    color = np.array(_PACIFIERS[rng.integers(len(_PACIFIERS))], dtype=np.float32) * np.float32(
        rng.uniform(0.85, 1.1)
    )
    material = Material(np.clip(color, 0, 1), 0.35, 0.5)
    whole = merged([shield, knob.placed(np.eye(3), np.array([0, 0, 0.12 * size]))])
    return [whole.placed(basis, centre).mesh(material, vertices)]


_HEAD = {"hat": hat, "headband": headband, "pacifier": pacifier}


def add_extras(studio: Studio, vertices: Array, outfit: Outfit, chest: Chest) -> list[Mesh]:
    """Draw meshes of an outfit's extras on the posed body (V, 3) m."""
    rng = chest.rng
    meshes: list[Mesh] = []
    for name in outfit.extras:
        if name in _HEAD:
            meshes += _HEAD[name](studio, vertices, chest)
        elif name == "mittens":
            cloth = chest.cloth("plain").swatch
            meshes += [mitten(studio, vertices, side, cloth, rng) for side in _SIDES]
        else:
            cloth = _sock_cloth(name, outfit, chest)
            top = min(rng.uniform(0.72, 0.92), 0.95) if name == "socks" else 0.95
            top = max(top, _hem(studio, outfit) - 0.03)
            meshes += [sock(studio, vertices, side, cloth, top, rng) for side in _SIDES]
    return meshes


def _sock_cloth(name: str, outfit: Outfit, chest: Chest) -> Swatch:
    """Choose the cloth of socks, or that of the sleeper for its feet."""
    if name == "feet":
        return outfit.garments[0].cloth
    return chest.cloth(str(chest.rng.choice(["rib", "plain", "stripes"], p=[0.45, 0.35, 0.2]))).swatch


def _hem(studio: Studio, outfit: Outfit) -> float:
    """Measure how far down the leg the garments go, in the coordinate along it."""
    anatomy = studio.anatomy
    leg = anatomy.at.leg
    worn = np.logical_or.reduce([garment.inside(anatomy, anatomy.at) > 0 for garment in outfit.garments])
    return min(1.0, float(leg[worn].max()))
