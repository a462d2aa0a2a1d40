"""Load bodies: those of the package (an infant of 0 to 12 months, an adult), and SMIL and SMPL files."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from fidip.errors import DataError
from infantsynth.body.model import BodyData, BodyModel, UvMap
from infantsynth.body.smpl import load_smpl

Array = np.ndarray

PACKAGED = ("infant", "adult")
SUFFIXES = (".pkl", ".npz")  # of bodies that come as files


class PackagedBody(BodyModel):
    """A packaged body: betas are in standard deviations of the people it was baked from."""

    def __init__(self, data: BodyData, months: Array, medians: Array, spreads: Array) -> None:
        super().__init__(data)
        self._months, self._medians, self._spreads = months, medians, spreads

    def months_to_betas(self, months: float, rng: np.random.Generator | None = None) -> Array:
        """Draw betas (K,) float32 of a body of this age: the median one, or with ``rng`` one drawn around it.

        Ages outside those it was baked from are clipped; the adult has one age.
        """
        median = np.array([np.interp(months, self._months, column) for column in self._medians.T])
        if rng is not None:
            nearest = int(np.abs(self._months - months).argmin())
            median = median + self._spreads[nearest] @ rng.standard_normal(self._spreads.shape[-1])
        return median.astype(np.float32)


def load_body(name: str | Path) -> BodyModel:
    """Load the body "infant" or "adult", which come with the package, or the file of a SMIL or SMPL body. Raises DataError."""
    if name in PACKAGED:
        return load_packaged(str(name))
    if Path(name).suffix not in SUFFIXES:
        raise DataError(f"body {str(name)!r} is neither {' nor '.join(PACKAGED)} nor a file (.pkl, .npz)")
    return load_smpl(Path(name))


def load_packaged(name: str) -> PackagedBody:
    """Read a packaged body; ``name`` is one of PACKAGED."""
    folder = files("infantsynth.body") / "data"
    arrays: dict[str, Array] = {}
    for part in ("topology", name):
        with (folder / f"{part}.npz").open("rb") as file, np.load(file, allow_pickle=False) as content:
            arrays.update(content)
    return PackagedBody(_data(name, arrays), arrays["months"], arrays["month_betas"], arrays["month_spreads"])


def _data(name: str, arrays: Mapping[str, Array]) -> BodyData:
    vertices = len(arrays["template"])
    joint_names = tuple(str(joint) for joint in arrays["joint_names"])
    weights = np.zeros((vertices, len(joint_names)))
    np.add.at(
        weights,
        (np.arange(vertices)[:, None], arrays["weight_joints"].astype(np.int64)),
        arrays["weight_values"].astype(np.float64),
    )
    regressor = np.zeros((17, vertices))
    regressor[arrays["regressor_rows"], arrays["regressor_vertices"]] = arrays["regressor_values"]
    # shapes (K, 3, V) are stored as whole steps from one vertex to the next
    steps = arrays["shape_steps"].astype(np.int64).cumsum(axis=2)
    return BodyData(
        name=name,
        joint_names=joint_names,
        parents=tuple(int(parent) for parent in arrays["parents"]),
        template=arrays["template"],
        shapes=(steps.transpose(2, 1, 0) * float(arrays["shape_step"])).astype(np.float32),
        joints=arrays["joints"],
        joint_shapes=arrays["joint_shapes"],
        weights=weights / weights.sum(axis=1, keepdims=True),
        faces=arrays["faces"].astype(np.int32),
        regressor=regressor / regressor.sum(axis=1, keepdims=True),
        uv=UvMap(
            arrays["uv_vertex"].astype(np.int32),
            (arrays["uv_coords"] / 65535).astype(np.float32),
            arrays["uv_faces"].astype(np.int32),
        ),
        **_optional(arrays),
    )


def _optional(arrays: Mapping[str, Array]) -> dict[str, Any]:
    """Return expressions and regions, which are stored by the vertices that they touch."""
    vertices = len(arrays["template"])
    names = tuple(str(name) for name in arrays["expression_names"])
    expressions = np.zeros((vertices, 3, len(names)), dtype=np.float32)
    for index, name in enumerate(names):
        expressions[arrays[f"expression_{name}"], :, index] = arrays[f"expression_{name}_offset"]
    regions = {}
    for name in (str(region) for region in arrays["region_names"]):
        regions[name] = np.zeros(vertices, dtype=np.float32)
        regions[name][arrays[f"region_{name}"]] = arrays[f"region_{name}_value"] / np.float32(255)
    return {"expressions": expressions, "expression_names": names, "regions": regions}
