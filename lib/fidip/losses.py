"""Losses on heatmaps."""

import torch
from torch import Tensor


def joints_mse(pred: Tensor, target: Tensor, weight: Tensor, sample_weight: Tensor | None = None) -> Tensor:
    """Mean over joints of 0.5 * mean((w * pred - w * target)^2), the published loss in one pass.

    pred, target: (B, K, H, W). weight: (B, K), 0 for joints that do not count. sample_weight: (B,), the
    paper's S(I); None counts all samples alike. Returns a scalar.
    """
    per_joint = _squared_error(pred, target, weight)
    if sample_weight is not None:
        per_joint = per_joint * sample_weight[:, None]
    return 0.5 * per_joint.mean()


def hard_joints_mse(
    pred: Tensor, target: Tensor, weight: Tensor, topk: int, sample_weight: Tensor | None = None
) -> Tensor:
    """The same over the ``topk`` joints of each sample that are worst (online hard keypoint mining).

    Chen et al., CPN, CVPR 2018. Shapes as in ``joints_mse``. Raises ValueError for topk outside 1..K.
    """
    if not 1 <= topk <= pred.shape[1]:
        raise ValueError(f"topk must be in 1..{pred.shape[1]}, got {topk}")
    hardest = _squared_error(pred, target, weight).topk(topk, dim=1).values.mean(dim=1)
    if sample_weight is not None:
        hardest = hardest * sample_weight
    return 0.5 * hardest.mean()


def joints_cross_entropy(
    pred: Tensor, target: Tensor, weight: Tensor, sample_weight: Tensor | None = None
) -> Tensor:
    """Mean over joints of the Kullback-Leibler divergence from target to prediction, in nats.

    For nets whose maps are distributions (Pose-MobileNet): targets are scaled to sum 1 as well. Through the
    softmax the squared error's gradient vanishes while a map is flat; this loss's does not. Shapes as in ``joints_mse``.
    """
    aim = target.flatten(2)
    aim = aim / aim.sum(dim=2, keepdim=True).clamp_min(1e-12)
    ratio = (aim.clamp_min(1e-12) / pred.flatten(2).clamp_min(1e-12)).log()
    per_joint = (aim * ratio).sum(dim=2) * weight
    if sample_weight is not None:
        per_joint = per_joint * sample_weight[:, None]
    return per_joint.mean()


def _squared_error(pred: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """(B, K) mean over pixels of the squared, weighted difference."""
    return (pred - target).square().mean(dim=(2, 3)) * weight.square()


@torch.no_grad()
def heatmap_pck(pred: Tensor, target: Tensor, weight: Tensor, threshold: float = 0.05) -> Tensor:
    """Share of counted joints whose maximum lies within ``threshold`` of the target's, a scalar in 0..1.

    pred, target: (B, K, H, W); weight: (B, K). The distance is taken in units of the map's width and height,
    each on its own axis. Without a counted joint: nan.
    """
    height, width = pred.shape[-2:]
    size = torch.tensor([width, height], device=pred.device)
    found, true = _peaks(pred), _peaks(target)
    near = ((found - true) / size).norm(dim=-1) < threshold
    counted = weight > 0
    return (near & counted).sum() / counted.sum()


def _peaks(maps: Tensor) -> Tensor:
    index = maps.flatten(2).argmax(dim=2)
    width = maps.shape[-1]
    return torch.stack([index % width, index // width], dim=-1)
