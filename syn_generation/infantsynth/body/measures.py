"""What a tape and a scale say about a body: length, girths and mass of a closed surface."""

import numpy as np

Array = np.ndarray

DENSITY = 1000.0  # kg/m3 of an infant with the air in its lungs
_ENOUGH = 3  # points that can have a girth


def height(vertices: Array) -> float:
    """Extent of vertices (V, 3) along z, m: the length of a body that stands at rest."""
    return float(np.ptp(vertices[:, 2]))


def mass(vertices: Array, faces: Array) -> float:
    """Mass in kg of the closed surface of vertices (V, 3) in m and faces (F, 3)."""
    a, b, c = (vertices[faces[:, corner]].astype(np.float64) for corner in range(3))
    return float(abs(np.einsum("fc,fc->", np.cross(a, b), c)) / 6 * DENSITY)


def girth(vertices: Array, edges: Array, origin: Array, normal: Array) -> float:
    """What a tape shows that is drawn tight around edges (E, 2) in the plane of origin and normal (3,), m; 0: none."""
    normal = normal / np.linalg.norm(normal)
    over = (vertices - origin) @ normal
    first, second = over[edges[:, 0]], over[edges[:, 1]]
    cut = (first > 0) != (second > 0)
    start, end = edges[cut].T
    along = (first[cut] / (first[cut] - second[cut]))[:, None]
    points = vertices[start] * (1 - along) + vertices[end] * along
    if len(points) < _ENOUGH:
        return 0.0
    across = np.linalg.svd(normal[None])[2][1:]
    return _perimeter_of_hull((points - origin) @ across.T)


def edges_among(faces: Array, chosen: Array) -> Array:
    """The edges (E, 2) of faces (F, 3) whose both ends are in the mask ``chosen`` (V,)."""
    pairs = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    unique: Array = np.unique(np.sort(pairs, axis=1), axis=0)
    return unique[chosen[unique].all(axis=1)]


def head_girth(vertices: Array, edges: Array, brow: float) -> float:
    """The greatest horizontal girth of the head above its brow, m.

    edges (E, 2): of the head's skin without the ears; brow: z in m over which the tape may lie.
    """
    top = float(vertices[edges, 2].max())
    up = np.array([0.0, 0.0, 1.0])
    return max(girth(vertices, edges, up * z, up) for z in np.linspace(brow, brow + 0.6 * (top - brow), 9))


def _perimeter_of_hull(points: Array) -> float:
    """Perimeter of the convex hull of points (N, 2): support of many directions, exact to some 1e-4."""
    angle = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    support = (points @ np.stack([np.cos(angle), np.sin(angle)])).max(axis=0)
    return float(support.mean() * 2 * np.pi)  # Cauchy: perimeter = mean width times pi
