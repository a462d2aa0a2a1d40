"""The files of the packaged bodies: small, exact to a fraction of the millimetre, the same bytes from the same body."""

from pathlib import Path

import numpy as np

from infantsynth.body.bake.rig import Rig
from infantsynth.body.bake.source import Source

Array = np.ndarray

STEP = 2e-5  # m: shapes are stored in whole steps of this
_CARRIERS = 6  # joints that a vertex hangs on at most
_FAINT = 5e-4  # weights under this are dropped


def steps(offsets: Array, step: float = STEP) -> Array:
    """Offsets (V, 3, K) in m as int16 differences from vertex to vertex, which pack better; undone by a sum."""
    whole = np.round(offsets / step).astype(np.int64)
    differences = np.diff(whole, axis=0, prepend=0)
    if np.abs(differences).max() > np.iinfo(np.int16).max:
        raise ValueError("an offset is too large for its step")
    return np.ascontiguousarray(differences.transpose(2, 1, 0)).astype(np.int16)


def topology(source: Source, rig: Rig, regressor: Array) -> dict[str, Array]:
    """What all bodies share: faces, atlas, joints, weights, keypoints and regions."""
    vertex, coords, uv_faces = _split_seams(source)
    order = np.argsort(-rig.weights, axis=1, kind="stable")[:, :_CARRIERS]
    values = np.take_along_axis(rig.weights, order, axis=1)
    values[values < _FAINT] = 0
    values /= values.sum(axis=1, keepdims=True)
    order[values == 0] = 0
    rows, vertices = np.nonzero(regressor)
    packed = {
        "faces": source.faces.astype(np.uint16),
        "uv_vertex": vertex.astype(np.uint16),
        "uv_coords": np.round(coords * 65535).astype(np.uint16),
        "uv_faces": uv_faces.astype(np.uint16),
        "joint_names": np.array(rig.names),
        "parents": np.array(rig.parents, dtype=np.int8),
        "weight_joints": order.astype(np.uint8),
        "weight_values": np.round(values * 65535).astype(np.uint16),
        "regressor_rows": rows.astype(np.uint8),
        "regressor_vertices": vertices.astype(np.uint16),
        "regressor_values": regressor[rows, vertices].astype(np.float32),
    }
    packed["region_names"] = np.array(sorted(source.regions))
    for name, mask in source.regions.items():
        inside = np.flatnonzero(mask > 0.05)
        packed[f"region_{name}"] = inside.astype(np.uint16)
        packed[f"region_{name}_value"] = np.round(mask[inside] * 255).astype(np.uint8)
    return packed


def write(path: Path, arrays: dict[str, Array]) -> None:
    """Write an .npz whose bytes depend on the arrays alone; whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    part.replace(path)


def _split_seams(source: Source) -> tuple[Array, Array, Array]:
    """The atlas with a vertex for each pair of a vertex and its place in the texture."""
    corners = np.stack([source.faces.ravel(), source.uv_faces.ravel()], axis=1)
    pairs, index = np.unique(corners, axis=0, return_inverse=True)
    return pairs[:, 0], source.uv_coords[pairs[:, 1]], index.reshape(-1, 3)
