"""Features -> points in the plane, to be looked at."""

import numpy as np
from numpy.typing import NDArray

from fidip.errors import DataError, require
from fidip.registry import Registry

EMBEDDINGS = Registry("embedding")

COMPONENTS = 50  # principal ones that are kept first: less noise, less time
PERPLEXITY = 30.0
NEIGHBOURS = 15
LEAST = 4  # pictures


@EMBEDDINGS.register("tsne")
def _tsne(vectors: np.ndarray, seed: int) -> np.ndarray:
    """t-SNE (van der Maaten & Hinton 2008)."""
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    build = require("sklearn.manifold", "analysis").TSNE
    points: np.ndarray = build(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(vectors)
    return points


@EMBEDDINGS.register("umap")
def _umap(vectors: np.ndarray, seed: int) -> np.ndarray:
    """UMAP (McInnes et al. 2018); one thread, as more are not reproducible."""
    build = require("umap", remedy="pip install umap-learn").UMAP
    neighbours = min(NEIGHBOURS, len(vectors) - 1)
    points: np.ndarray = build(n_neighbors=neighbours, random_state=seed, n_jobs=1).fit_transform(vectors)
    return points


def embed(vectors: np.ndarray, method: str = "tsne", seed: int = 0) -> NDArray[np.float64]:
    """Points (N, 2) for features (N, D), channels standardised. method: a name of ``EMBEDDINGS``.

    Distances between clusters and their sizes mean little in such pictures: the numbers of ``measure_gap`` count.
    Raises DataError for fewer than 4 pictures and ConfigError without the package of the method.
    """
    if len(vectors) < LEAST:
        raise DataError(f"{len(vectors)} pictures cannot be embedded; give at least {LEAST}")
    spread = vectors.std(axis=0)
    scaled = (vectors - vectors.mean(axis=0)) / np.where(spread > 0, spread, 1)
    left, values, _ = np.linalg.svd(scaled, full_matrices=False)
    kept = min(COMPONENTS, len(values))
    return np.asarray(EMBEDDINGS[method](left[:, :kept] * values[:kept], seed), dtype=np.float64)
