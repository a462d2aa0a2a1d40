"""Distances between two samples: Frechet distance of Gaussians, and maximum mean discrepancy with its test."""

from dataclasses import dataclass

import numpy as np

from fidip.errors import DataError

Array = np.ndarray


@dataclass(frozen=True)
class MmdTest:
    """squared: unbiased estimate of the squared discrepancy, below 0 at times. bandwidth: of the kernel.

    p_value: share of relabellings, the true one being one of them, with at least that discrepancy.
    """

    squared: float
    p_value: float
    bandwidth: float


def frechet_distance(first: Array, second: Array) -> float:
    """Squared Frechet distance between Gaussians with the moments of (N, D) and (M, D); Dowson & Landau 1982.

    |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^1/2), S with n - 1. Also right where there are fewer samples than
    channels. Samples from one distribution have a distance above 0: compare with such a value of equal sizes.
    """
    _check(first, second)
    roots = [_root(part) for part in (first, second)]
    # tr (S1 S2)^1/2 is the sum of the singular values of R1 R2^T for S = R^T R: no root of a singular matrix
    overlap = np.linalg.svd(roots[0] @ roots[1].T, compute_uv=False).sum()
    apart = ((first.mean(axis=0) - second.mean(axis=0)) ** 2).sum()
    return float(max(apart + sum((root**2).sum() for root in roots) - 2 * overlap, 0.0))


def _root(sample: Array) -> Array:
    """R (min(N, D), D) with R^T R the covariance."""
    centered = (sample - sample.mean(axis=0)) / np.sqrt(len(sample) - 1)
    if len(sample) <= sample.shape[1]:
        return np.asarray(centered)
    return np.asarray(np.linalg.qr(centered, mode="r"))


def median_distance(points: Array) -> float:
    """Median of the distances between two of (N, D): the usual bandwidth of the kernel (Gretton et al. 2012)."""
    squares = _squared_distances(points)
    return float(np.sqrt(np.median(squares[np.triu_indices(len(points), 1)])))


def squared_mmd(first: Array, second: Array, bandwidth: float) -> float:
    """Unbiased squared maximum mean discrepancy of (N, D) and (M, D); Gretton et al. 2012, equation 3.

    Kernel exp(-d^2 / (2 bandwidth^2)).
    """
    _check(first, second)
    kernel = _kernel(np.vstack([first, second]), bandwidth)
    return float(_discrepancies(kernel, _labels(len(first), len(second))[None])[0])


def mmd_test(first: Array, second: Array, rng: np.random.Generator, permutations: int = 1000) -> MmdTest:
    """Discrepancy with the median heuristic, and the permutation test that both samples are from one distribution.

    The samples must be independent: pictures of one video are not. Raises DataError for samples that are
    too small, or all alike.
    """
    _check(first, second)
    together = np.vstack([first, second])
    bandwidth = median_distance(together)
    if not bandwidth > 0:
        raise DataError("more than half of the features are alike: there is no scale to compare them on")
    kernel = _kernel(together, bandwidth)
    labels = _labels(len(first), len(second))
    relabelled = rng.permuted(np.tile(labels, (permutations, 1)), axis=1)
    found = _discrepancies(kernel, labels[None])[0]
    others = _discrepancies(kernel, relabelled)
    # equal relabellings differ by rounding
    as_large = int((others >= found - 1e-12).sum())
    return MmdTest(float(found), (1 + as_large) / (1 + permutations), bandwidth)


def _labels(first: int, second: int) -> Array:
    return np.repeat([1.0, 0.0], [first, second])


def _squared_distances(points: Array) -> Array:
    centered = points - points.mean(axis=0)
    norms = (centered**2).sum(axis=1)
    squares: Array = np.maximum(norms[:, None] + norms - 2 * centered @ centered.T, 0)
    return squares


def _kernel(points: Array, bandwidth: float) -> Array:
    kernel: Array = np.exp(-_squared_distances(points) / (2 * bandwidth**2))
    np.fill_diagonal(kernel, 1.0)
    return kernel


def _discrepancies(kernel: Array, labels: Array) -> Array:
    """Unbiased squared discrepancies (P,) of P labellings (P, N) of the points, 1: first, 0: second."""
    n = labels[0].sum()
    m = labels.shape[1] - n
    inside = ((labels @ kernel) * labels).sum(axis=1)
    across = labels @ kernel.sum(axis=1) - inside
    other = kernel.sum() - inside - 2 * across
    # the diagonal, a point with itself, does not count
    values: Array = (inside - n) / (n * (n - 1)) + (other - m) / (m * (m - 1)) - 2 * across / (n * m)
    return values


def _check(first: Array, second: Array) -> None:
    if min(len(first), len(second)) < 2:
        raise DataError(
            f"{len(first)} and {len(second)} independent pictures: two of each domain are the least"
        )
