"""A few shape dimensions that say nearly all about many bodies: principal components in standard deviations."""

from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class ShapeSpace:
    """mean (N,), axes (K, N) per standard deviation: a body is mean + betas @ axes."""

    mean: Array
    axes: Array

    def betas(self, rows: Array) -> Array:
        """The betas (..., K) nearest to bodies (..., N): the axes are orthogonal."""
        scale = (self.axes**2).sum(axis=1)
        found: Array = (rows - self.mean) @ self.axes.T / scale
        return found


def fit_shapes(rows: Array, dimensions: int) -> ShapeSpace:
    """Principal components of bodies (M, N); each axis points to where the sum of the coordinates grows."""
    mean = rows.mean(axis=0)
    offset = rows - mean
    values, vectors = np.linalg.eigh(offset @ offset.T)
    order = np.argsort(values)[::-1][:dimensions]
    axes = vectors[:, order].T @ offset
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    axes *= np.sqrt(values[order] / (len(rows) - 1))[:, None]
    # the sign of a component is arbitrary: make it the same on every machine
    signs = np.sign(axes[np.arange(dimensions), np.abs(axes).argmax(axis=1)])
    return ShapeSpace(mean, axes * signs[:, None])
