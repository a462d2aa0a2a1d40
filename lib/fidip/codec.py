"""Heatmaps: encode joints, decode maps (DARK: Zhang et al., CVPR 2020, arXiv 1910.06278)."""

from typing import overload

import cv2
import numpy as np
import torch
from torch import Tensor

FLOOR = 1e-10  # maps are clamped here before the logarithm
REACH = 2.0  # heatmap px around the maximum that the differences look at; a step beyond is a guess about what they did not see


class HeatmapCodec:
    """Encode and decode in one object, so that they cannot disagree.

    size: heatmap (W, H). sigma: of the target Gaussian, heatmap px. blur_kernel: odd width in heatmap px of
    the Gaussian that smooths a map before the sub-pixel step; 0 decodes to the plain maximum.
    """

    def __init__(self, size: tuple[int, int], sigma: float, blur_kernel: int = 11) -> None:
        if blur_kernel and blur_kernel % 2 == 0:
            raise ValueError(f"blur_kernel must be odd or 0, got {blur_kernel}")
        if not sigma > 0:
            raise ValueError(f"sigma must be positive, got {sigma}")
        self.size = (int(size[0]), int(size[1]))
        self.sigma = float(sigma)
        self.blur_kernel = int(blur_kernel)
        self._blur = torch.from_numpy(_blur_matrix(self.blur_kernel or 1))

    def encode(self, xy: np.ndarray, visible: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Draw one untruncated Gaussian per joint, peak 1.0 at its sub-pixel position.

        xy: (K, 2) heatmap px, integer = pixel centre. visible: (K,) bool or 0/1.
        Returns heatmaps (K, H, W) and weights (K,), float32. The weight is 0, and the map empty, for a joint
        that is not visible or whose 3-sigma window lies outside the map.
        """
        width, height = self.size
        xy = np.asarray(xy, dtype=np.float64)
        reach = 3 * self.sigma
        near = np.all((xy > -reach - 1) & (xy < np.array(self.size) + reach), axis=1)
        weights = ((np.asarray(visible) > 0) & near).astype(np.float32)
        xy = np.where(weights[:, None] > 0, xy, 0.0)  # a far or NaN position must not reach exp()
        column = np.exp(-((np.arange(width) - xy[:, :1]) ** 2) / (2 * self.sigma**2))  # (K, W)
        row = np.exp(-((np.arange(height) - xy[:, 1:]) ** 2) / (2 * self.sigma**2))  # (K, H)
        heatmaps = row[:, :, None] * column[:, None, :] * weights[:, None, None]
        return heatmaps.astype(np.float32), weights

    @overload
    def decode(self, heatmaps: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...
    @overload
    def decode(self, heatmaps: Tensor) -> tuple[Tensor, Tensor]: ...

    def decode(self, heatmaps: np.ndarray | Tensor) -> tuple[np.ndarray, np.ndarray] | tuple[Tensor, Tensor]:
        """Find the joints: (B, K, H, W) -> xy (B, K, 2) in heatmap px and score (B, K), the maximum.

        numpy in, numpy out; torch in, torch out on the same device. A map without a positive value gives
        (0, 0). No loop over samples or joints.
        """
        if isinstance(heatmaps, np.ndarray):
            xy, score = self._decode(torch.from_numpy(np.ascontiguousarray(heatmaps)))
            return xy.numpy(), score.numpy()
        return self._decode(heatmaps)

    @torch.no_grad()
    def _decode(self, heatmaps: Tensor) -> tuple[Tensor, Tensor]:
        width, height = self.size
        if heatmaps.shape[-2:] != (height, width):
            raise ValueError(f"expected maps of {height}x{width}, got {tuple(heatmaps.shape[-2:])}")
        maps = heatmaps.float()
        score, index = _peaks(maps.flatten(2))
        px, py = index % width, index // width
        found = score > 0
        xy = torch.stack([px, py], dim=-1).float() * found[..., None]
        if self.blur_kernel:
            inside = found & (px > 1) & (px < width - 2) & (py > 1) & (py < height - 2)
            xy = xy + _newton_step(self._log_windows(maps, px, py, score), inside)
        return xy, score

    def _log_windows(self, maps: Tensor, px: Tensor, py: Tensor, peak: Tensor) -> Tensor:
        """Logarithm of the blurred maps in the 5 x 5 windows around integer peaks (B, K): (B, K, 5, 5).

        The blur sees zeros beyond the border of a map. DARK rescales the blurred map to its old maximum, which changes
        no difference of logarithms; here the window is, so that ``FLOOR`` means the same.
        """
        width, height = self.size
        blur = self._blur.to(maps.device)
        reach = blur.shape[1] // 2
        offsets = torch.arange(-reach, reach + 1, device=maps.device)
        x, y = px[..., None] + offsets, py[..., None] + offsets  # (B, K, N)
        inside = ((x >= 0) & (x < width))[..., None, :] & ((y >= 0) & (y < height))[..., :, None]
        index = y.clamp(0, height - 1)[..., :, None] * width + x.clamp(0, width - 1)[..., None, :]
        patch = maps.flatten(2).gather(2, index.flatten(2)).view(index.shape) * inside
        window = blur @ patch @ blur.T
        highest = window.amax(dim=(2, 3), keepdim=True).clamp_min(torch.finfo(maps.dtype).tiny)
        return (window * (peak[..., None, None] / highest)).clamp_min(FLOOR).log()


def _peaks(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Maximum and its first index of flat maps (B, K, N). numpy finds both faster on a CPU."""
    if maps.device.type != "cpu":
        score, index = maps.max(dim=2)
        return score, index
    index = torch.from_numpy(maps.numpy().argmax(axis=2))
    return maps.gather(2, index[..., None])[..., 0], index


def _blur_matrix(kernel: int) -> np.ndarray:
    """Banded matrix (5, 4 + kernel) that takes a line to five points of its convolution with OpenCV's Gaussian."""
    matrix = np.zeros((5, 4 + kernel), dtype=np.float32)
    for row in range(5):
        matrix[row, row : row + kernel] = cv2.getGaussianKernel(kernel, 0)[:, 0]
    return matrix


def _newton_step(window: Tensor, inside: Tensor) -> Tensor:
    """One Newton step to the maximum of log maps from the middle of windows (B, K, 5, 5); 0 outside ``inside``.

    Central differences, eq. 7-9 of DARK; a joint whose Hessian is singular, or whose step leaves what the
    differences saw, as on maps that are nearly flat, stays where it is.
    """

    def at(dx: int, dy: int) -> Tensor:
        return window[..., 2 + dy, 2 + dx]

    center = at(0, 0)
    dx, dy = 0.5 * (at(1, 0) - at(-1, 0)), 0.5 * (at(0, 1) - at(0, -1))
    dxx = 0.25 * (at(2, 0) - 2 * center + at(-2, 0))
    dyy = 0.25 * (at(0, 2) - 2 * center + at(0, -2))
    dxy = 0.25 * (at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1))
    determinant = dxx * dyy - dxy**2
    solvable = inside & (determinant != 0)
    safe = torch.where(solvable, determinant, torch.ones_like(determinant))
    step = -torch.stack([dyy * dx - dxy * dy, dxx * dy - dxy * dx], dim=-1) / safe[..., None]
    taken = solvable & (step.abs().amax(dim=-1) <= REACH)
    return torch.where(taken[..., None], step, torch.zeros_like(step))
