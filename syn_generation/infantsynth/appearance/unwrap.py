"""Texture coordinates for a body that has none: each part is cut into charts that face one way, and these are packed."""

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from infantsynth.appearance.anatomy import PARTS, Anatomy
from infantsynth.appearance.panels import part_axis

Array = np.ndarray

GAP = 0.006  # free space round a chart, share of the texture's side
STRETCH = 1.6  # how much more finely the head is drawn than the rest


def unwrap(anatomy: Anatomy, faces: Array) -> tuple[Array, Array, Array]:
    """Body vertex (N,), coordinates (N, 2) in 0..1 and faces (F, 3) into N of a made-up texture layout.

    Each part of the body is seen from four sides round its axis and from both ends; faces that look the same way
    and hang together make a chart.
    """
    part = _majority(anatomy.at.part[faces])
    way, flat = _project(anatomy, faces, part)
    chart = _charts(faces, part * 6 + way)
    count = int(chart.max()) + 1
    key = chart[:, None] * np.int64(len(anatomy.at.rest)) + faces
    used, uv_faces = np.unique(key, return_inverse=True)
    uv_faces = uv_faces.reshape(-1, 3)
    place = np.zeros((len(used), 2))
    place[uv_faces] = flat
    owner = used // len(anatomy.at.rest)
    low = np.full((count, 2), np.inf)
    high = np.full((count, 2), -np.inf)
    np.minimum.at(low, owner, place)
    np.maximum.at(high, owner, place)
    corner, scale = _pack(high - low)
    coords = (corner[owner] + (place - low[owner]) * scale).astype(np.float32)
    return (used % len(anatomy.at.rest)).astype(np.int32), coords, uv_faces.astype(np.int32)


def _majority(parts: Array) -> Array:
    return np.where(parts[:, 1] == parts[:, 2], parts[:, 1], parts[:, 0])


def _project(anatomy: Anatomy, faces: Array, part: Array) -> tuple[Array, Array]:
    """Which of six ways each face (F,) looks, seen along its part's axis, and its corners seen from there (F, 3, 2)."""
    corners = anatomy.at.rest[faces].astype(np.float64)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    way = np.zeros(len(faces), dtype=np.int64)
    flat = np.zeros((len(faces), 3, 2))
    for index, name in enumerate(PARTS):
        mine = part == index
        _, axis = part_axis(anatomy, name)
        front = np.array([0.0, -1.0, 0.0]) - axis * -axis[1]
        front /= np.linalg.norm(front)
        frame = np.stack([np.cross(front, axis), front, axis])
        looks = normal[mine] @ frame.T
        looks[:, 2] *= 0.7  # sides first: a limb's charts run along it
        strongest = np.abs(looks).argmax(axis=1)
        way[mine] = 2 * strongest + (np.take_along_axis(looks, strongest[:, None], axis=1)[:, 0] < 0)
        seen = corners[mine] @ frame.T
        across = np.array([[1, 2], [0, 2], [0, 1]])[strongest]
        zoom = STRETCH if name == "head" else 1.0
        flat[mine] = zoom * np.take_along_axis(seen, across[:, None, :].repeat(3, axis=1), axis=2)
    return way, flat


def _charts(faces: Array, group: Array) -> Array:
    """Number of the connected patch of equal ``group`` that each face belongs to, (F,)."""
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    owner = np.tile(np.arange(len(faces)), 3)
    order = np.lexsort((edges[:, 1], edges[:, 0]))
    same = (edges[order][1:] == edges[order][:-1]).all(axis=1)
    first, second = owner[order][:-1][same], owner[order][1:][same]
    alike = group[first] == group[second]
    links = coo_matrix((np.ones(alike.sum()), (first[alike], second[alike])), shape=(len(faces),) * 2)
    return connected_components(links, directed=False)[1].astype(np.int64)


def _pack(sizes: Array) -> tuple[Array, float]:
    """Lower corners (C, 2) and common scale at which charts of (C, 2) fit the unit square, on shelves by height."""
    order = np.argsort(-sizes[:, 1], kind="stable")
    scale = 0.95 / np.sqrt(sizes.prod(axis=1).sum())
    while True:
        corner, top = _shelves(sizes * scale, order)
        if top <= 1:
            return corner, scale
        scale *= 0.97


def _shelves(sizes: Array, order: Array) -> tuple[Array, float]:
    corner = np.zeros_like(sizes)
    x = y = height = 0.0
    for chart in order:
        width = sizes[chart, 0] + GAP
        if x + width > 1 and x > 0:
            x, y, height = 0.0, y + height, 0.0
        corner[chart] = (x + GAP / 2, y + GAP / 2)
        x += width
        height = max(height, sizes[chart, 1] + GAP)
    return corner, (2.0 if sizes[:, 0].max() + GAP > 1 else y + height)
