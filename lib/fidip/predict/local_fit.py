"""Polynomials fitted to the samples around each moment: Savitzky and Golay's filter on any time grid."""

import numpy as np

TOLERANCE = 1e-5  # s: a sample this far outside a window belongs to it, as times are rounded
BLOCK = 20_000  # samples fitted at once, which bounds memory


def local_fit(
    times: np.ndarray, values: np.ndarray, window: float, order: int, derivatives: int = 0
) -> np.ndarray:
    """Fit a polynomial to the samples within ``window`` s around each sample and evaluate it there.

    times (N,): s, increasing, any spacing. values (N, D). Returns (derivatives + 1, N, D): the smoothed values,
    then the derivatives, per s, per s^2 and so on. At both ends the window is shifted inward, not cut. On an
    even grid this is the filter of Savitzky & Golay (1964, Analytical Chemistry 36, 1627-1639). A window always
    holds ``order`` + 1 samples at least, the nearest; that few are passed through. Of N <= ``order`` samples the
    order is N - 1, and derivatives above it are 0.
    """
    count = len(times)
    order = min(order, count - 1)
    result = np.zeros((derivatives + 1, count, values.shape[1]))
    if not count:
        return result
    first, last = windows(times, window, order + 1)
    for start in range(0, count, BLOCK):
        block = slice(start, start + BLOCK)
        _fit_block(times, values, first[block], last[block], order, result[:, block], start)
    return result


def windows(times: np.ndarray, window: float, least: int) -> tuple[np.ndarray, np.ndarray]:
    """First sample and the one after the last (N,) of the window around each sample; ``least`` samples in it."""
    count = len(times)
    low = np.clip(times - window / 2, times[0], max(times[0], times[-1] - window))
    first = np.searchsorted(times, low - TOLERANCE, side="left")
    last = np.searchsorted(times, low + window + TOLERANCE, side="right")
    few = last - first < least
    nearest = np.clip(np.arange(count) - least // 2, 0, count - least)
    return np.where(few, nearest, first), np.where(few, nearest + least, last)


def _fit_block(
    times: np.ndarray,
    values: np.ndarray,
    first: np.ndarray,
    last: np.ndarray,
    order: int,
    result: np.ndarray,
    start: int,
) -> None:
    """Fill ``result`` (derivatives + 1, n, D) for the n samples from ``start`` on."""
    width = int((last - first).max())
    rows = np.minimum(first[:, None] + np.arange(width), len(times) - 1)  # (n, width)
    inside = np.arange(width) < (last - first)[:, None]
    # -1..1 within each window keeps the equations well-conditioned
    middle = (times[first] + times[last - 1]) / 2
    half = np.where(last - first > 1, (times[last - 1] - times[first]) / 2, 1.0)
    powers = np.arange(order + 1)
    where = (times[rows] - middle[:, None]) / half[:, None]
    basis = np.where(inside[..., None], where[..., None] ** powers, 0.0)  # (n, width, order + 1)
    transposed = basis.swapaxes(1, 2)
    coefficients = np.linalg.solve(transposed @ basis, transposed @ values[rows])  # (n, order + 1, D)
    here = (times[start : start + len(first)] - middle) / half
    factors = np.ones(order + 1)
    for degree in range(min(len(result), order + 1)):
        terms = factors[degree:] * here[:, None] ** powers[: order + 1 - degree]
        result[degree] = np.einsum("np,npd->nd", terms, coefficients[:, degree:]) / half[:, None] ** degree
        factors = factors * np.maximum(powers - degree, 0)
