"""Persons found by a detector of torchvision."""

from pathlib import Path

import numpy as np
import torch
import torchvision

from fidip.errors import ConfigError, WeightsError
from fidip.geometry import Array
from fidip.models.weights import first_sentence, load_weights

DEFAULT = "fasterrcnn_mobilenet_v3_large_320_fpn"
PERSON = 1  # COCO category of all detectors of torchvision


def detector_names() -> list[str]:
    """Detectors that can be named."""
    return sorted(torchvision.models.list_models(module=torchvision.models.detection))


class Detector:
    """A detection network of torchvision that was trained on COCO.

    weights: a file; without one torchvision fetches its own once. least_score: of a person, 0..1.
    Raises ConfigError for an unknown name, WeightsError for weights that cannot be had or do not fit.
    """

    def __init__(
        self,
        name: str = DEFAULT,
        weights: Path | None = None,
        device: torch.device | None = None,
        least_score: float = 0.5,
    ) -> None:
        if name not in detector_names():
            raise ConfigError(f"unknown detector {name!r}; choose from {', '.join(detector_names())}")
        self.device, self.least_score = device or torch.device("cpu"), least_score
        self.net = _network(name, weights).eval().to(self.device)

    @torch.inference_mode()
    def __call__(self, rgb: np.ndarray) -> Array:
        """Boxes (N, 4) x, y, w, h image px of the persons in RGB uint8 (H, W, 3), the surest first."""
        pixels = torch.from_numpy(rgb).to(self.device).permute(2, 0, 1).float() / 255
        found = self.net([pixels])[0]
        kept = (found["labels"] == PERSON) & (found["scores"] >= self.least_score)
        corners = found["boxes"][kept].double().cpu().numpy()
        order = np.argsort(-found["scores"][kept].cpu().numpy(), kind="stable")
        return np.column_stack([corners[:, :2], corners[:, 2:] - corners[:, :2]])[order]


def _network(name: str, weights: Path | None) -> torch.nn.Module:
    if weights is not None:
        net = torchvision.models.get_model(name, weights=None, weights_backbone=None)
        load_weights(net, weights)
        return net
    try:
        return torchvision.models.get_model(name, weights="DEFAULT")
    except Exception as error:  # every version has its own network errors
        raise WeightsError(
            f"the weights of the detector {name} could not be fetched ({first_sentence(error)}); download them "
            "elsewhere and name the file with --detector-weights, or leave --detector out"
        ) from error
