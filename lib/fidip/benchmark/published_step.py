"""The training step of the published code, written up plainly: what this project's step is timed against.

The released training function runs, per batch, the pose net once and the classifier twice: forward on detached
features for Stage I, forward on the live features for Stage II. The logged domain accuracy comes from Stage I's
logits, the logged pose accuracy from the heatmaps on the CPU. A variant takes the accuracy from a third pass,
after the classifier's step. In Stage II the classifier is locked, as the paper says; the released function
computes its gradients too and drags them into the next Stage I, which costs time and is a fault.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

PCK_THRESHOLD = 0.5  # of a tenth of the map's side


@dataclass(frozen=True)
class StepFigures:
    """What one step logs. pose: the loss of Stage II, pose - LAMBDA * domain; accuracy and pck in 0..1."""

    pose: float
    domain: float
    domain_accuracy: float
    pck: float


class PublishedStep:
    """Stage I and Stage II on one batch, float32, each net with an Adam of its own.

    model and classifier are used as they are: parameters that are fixed have requires_grad False, and all
    BatchNorm layers are in train mode, those of fixed layers too. weight: LAMBDA. classifier_passes: 2 as
    released, 3 with one more for the accuracy; anything else raises ValueError.
    """

    def __init__(
        self,
        model: nn.Module,
        classifier: nn.Module,
        weight: float,
        lr: float,
        classifier_lr: float,
        classifier_passes: int = 2,
    ) -> None:
        if classifier_passes not in (2, 3):
            raise ValueError(f"classifier_passes must be 2 or 3, got {classifier_passes}")
        self.model, self.classifier, self.weight = model.train(), classifier.train(), weight
        self.third_pass = classifier_passes == 3
        self.pose_optimizer = torch.optim.Adam(model.parameters(), lr=lr)
        self.domain_optimizer = torch.optim.Adam(classifier.parameters(), lr=classifier_lr)
        self.bce = nn.BCEWithLogitsLoss()

    def __call__(self, images: Tensor, target: Tensor, weight: Tensor, synthetic: Tensor) -> StepFigures:
        """images: (B, 3, H, W) normalised float; target: (B, K, h, w); weight: (B, K); synthetic: (B,)."""
        features, heatmaps = self.model(images)

        self.classifier.requires_grad_(True)
        logits = self.classifier(features.detach())
        domain_loss = self.bce(logits, synthetic)
        self.domain_optimizer.zero_grad()
        domain_loss.backward()
        self.domain_optimizer.step()

        self.classifier.requires_grad_(False)
        adversarial_loss = self.bce(self.classifier(features), synthetic)
        loss = joints_mse_by_joint(heatmaps, target, weight) - self.weight * adversarial_loss
        self.pose_optimizer.zero_grad()
        loss.backward()
        self.pose_optimizer.step()

        if self.third_pass:
            with torch.no_grad():
                logits = self.classifier(features)
        return StepFigures(
            pose=loss.item(),
            domain=domain_loss.item(),
            domain_accuracy=domain_accuracy_by_sample(logits, synthetic),
            pck=pck_by_joint(heatmaps.detach().cpu().numpy(), target.cpu().numpy()),
        )


def joints_mse_by_joint(pred: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """JointsMSE as a loop over joints. pred, target: (B, K, H, W); weight: (B, K). Returns a scalar."""
    criterion = nn.MSELoss()
    num_joints = pred.shape[1]
    total = torch.zeros((), device=pred.device)
    for joint in range(num_joints):
        factor = weight[:, joint].view(-1, 1)
        total = total + 0.5 * criterion(
            pred[:, joint].flatten(1) * factor, target[:, joint].flatten(1) * factor
        )
    return total / num_joints


def domain_accuracy_by_sample(logits: Tensor, synthetic: Tensor) -> float:
    """Share of samples (B,) on the right side of 0."""
    right = 0
    for sample in range(len(synthetic)):
        if (logits[sample] > 0) == (synthetic[sample] == 1):
            right += 1
    return right / len(synthetic)


def pck_by_joint(pred: np.ndarray, target: np.ndarray) -> float:
    """Mean over joints of the share of maxima near the target's. pred, target: (B, K, H, W).

    Targets whose maximum lies in the first two rows or columns do not count; nan when none does. The published
    normaliser has width and height the wrong way round; here they are in order.
    """
    height, width = pred.shape[2:]
    found, true = _maxima(pred), _maxima(target)
    side = np.array([width, height]) / 10
    shares = []
    for joint in range(pred.shape[1]):
        near = []
        for sample in range(pred.shape[0]):
            if (true[sample, joint] > 1).all():
                distance = np.linalg.norm((found[sample, joint] - true[sample, joint]) / side)
                near.append(distance < PCK_THRESHOLD)
        if near:
            shares.append(np.mean(near))
    return float(np.mean(shares)) if shares else float("nan")


def _maxima(maps: np.ndarray) -> np.ndarray:
    """(B, K, H, W) -> (B, K, 2) x and y of the maxima, heatmap px."""
    index = maps.reshape(*maps.shape[:2], -1).argmax(axis=2)
    return np.stack([index % maps.shape[3], index // maps.shape[3]], axis=2)
