"""Feature maps -> one vector a picture, kept with what it was taken from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from fidip.errors import DataError
from fidip.inference import Estimator
from fidip.registry import Registry

Array = np.ndarray

GRID = 3  # cells on each side of the pool "grid"
POOLS = Registry("pool")


@dataclass(frozen=True)
class DomainFeatures:
    """Features of one domain. vectors: (N, D). sources: N names; pictures of one name are not independent."""

    vectors: Array
    sources: Sequence[str]

    def __post_init__(self) -> None:
        """Refuse what cannot be compared. Raises DataError."""
        if self.vectors.ndim != 2 or len(self.vectors) != len(self.sources):
            raise DataError(
                f"features {self.vectors.shape} of {len(self.sources)} sources: one row a picture is needed"
            )
        if not np.isfinite(self.vectors).all():
            raise DataError("features hold NaN or infinite values; check the weights that made them")


@POOLS.register("mean")
def _mean(features: Tensor) -> Tensor:
    return features.mean((2, 3))


@POOLS.register("moments")
def _moments(features: Tensor) -> Tensor:
    """Mean and deviation over the map: how strong a channel is, and how it varies."""
    return torch.cat([features.mean((2, 3)), features.std((2, 3), correction=0)], dim=1)


@POOLS.register("grid")
def _grid(features: Tensor) -> Tensor:
    """Means over GRID x GRID cells: where in the crop, too."""
    return adaptive_avg_pool2d(features, GRID).flatten(1)


@torch.inference_mode()
def stream_features(
    estimator: Estimator, loader: Iterable[dict[str, Tensor]], count: int, pool: str = "mean"
) -> Array:
    """Vectors (count, D), float64, of all crops of ``loader``; row i belongs to record i, maps are not kept.

    pool: a name of ``POOLS``; maps (B, C, h, w) become mean (C), moments (2 C) or grid (9 C). Raises DataError
    when the loader does not hand over each of ``count`` records.
    """
    reduce = POOLS[pool]
    rows: Array | None = None
    seen = np.zeros(count, dtype=bool)
    for batch in loader:
        vectors = reduce(estimator.heatmaps(batch["image"])[0]).cpu().double().numpy()
        if rows is None:
            rows = np.empty((count, vectors.shape[1]))
        index = np.asarray(batch["index"])
        rows[index], seen[index] = vectors, True
    if rows is None or not seen.all():
        raise DataError(f"features of {int(seen.sum())} of {count} pictures: the loader leaves records out")
    return rows


def standardise(first: Array, second: Array) -> tuple[Array, Array]:
    """Move and scale each channel of (N, D) and (M, D) so that the two together, weighing the same, have mean 0
    and deviation 1.

    Distances do not depend on the scale of a network's features then. Channels that never change are dropped.
    Raises DataError when none is left.
    """
    center = (first.mean(axis=0) + second.mean(axis=0)) / 2
    spread = np.sqrt((((first - center) ** 2).mean(axis=0) + ((second - center) ** 2).mean(axis=0)) / 2)
    alive = spread > 1e-9 * (spread.max(initial=0) + np.abs(center))
    if not alive.any():
        raise DataError("the features are the same for all pictures; check the weights that made them")
    scaled = [(part[:, alive] - center[alive]) / spread[alive] for part in (first, second)]
    return scaled[0], scaled[1]


def one_per_source(features: DomainFeatures, rng: np.random.Generator) -> Array:
    """Vectors (S, D) of one picture of each source, drawn at random: these are independent of each other."""
    order = rng.permutation(len(features.sources))
    first = {features.sources[index]: index for index in order[::-1].tolist()}
    return features.vectors[sorted(first.values())]
