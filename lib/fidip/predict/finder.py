"""Find persons without any box: the one near the middle of an image by MoveNet, or all by a detector of torchvision.

MoveNet's centre head says where persons are, its regression head where a person's keypoints lie from there, its
heatmaps and offsets refine each keypoint near that place.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
import torchvision
from torch import Tensor

from fidip.errors import ConfigError, WeightsError
from fidip.geometry import Array, compose, invert, similarity, transform
from fidip.models.movenet import MoveNetFinder
from fidip.models.weights import first_sentence, load_weights
from fidip.packaged import FINDER
from fidip.pixels import normalise
from fidip.predict.poses import Poses

SIZE = 192  # px, input of the finder
STRIDE = 4  # crop px per heatmap px
SPREAD = 1.8  # heatmap px, added to the distance from the expected place, as in the published graph
MIDDLE = (
    12.0  # the same for the distance from the middle; 1.8 as published, which overlooks infants at the side
)
CENTRE = 0.3  # least value of the centre map at a person
APART = 0.25  # share of the crop's side between two persons' centres, at least

DEFAULT = "fasterrcnn_mobilenet_v3_large_320_fpn"
PERSON = 1  # COCO category of all detectors of torchvision


class Finder:
    """The packaged MoveNet Lightning with all its heads."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.net = MoveNetFinder().eval()
        load_weights(self.net, FINDER)
        self.net.to(device).to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def __call__(self, images: Sequence[np.ndarray], turn: float = 0.0) -> list[Poses]:
        """Look at whole frames, letter-boxed.

        Args:
            images: RGB uint8 (H, W, 3) each.
            turn: degrees, as in ``similarity``.

        Returns:
            For each image the person nearest the middle, of 17 keypoints, in the box of the whole image.
        """
        if not images:
            return []
        views = [_view(image, turn) for image in images]
        crops = torch.from_numpy(np.stack([crop for crop, _ in views])).permute(0, 3, 1, 2)
        maps = self.net.maps(normalise(crops.to(self.device)))
        numbers = {name: value.float().cpu() for name, value in maps.items()}
        return [
            _read({name: value[i] for name, value in numbers.items()}, matrix, images[i].shape)
            for i, (_, matrix) in enumerate(views)
        ]


def _view(image: np.ndarray, turn: float) -> tuple[np.ndarray, np.ndarray]:
    factor = max(image.shape[:2]) // (2 * SIZE)
    shrink = np.eye(2, 3)
    if factor > 1:  # an affine warp alone would skip pixels of large images
        size = (-(-image.shape[1] // factor), -(-image.shape[0] // factor))
        scale = np.array(size) / image.shape[1::-1]
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        shrink = np.column_stack([np.diag(scale), (scale - 1) / 2])  # resizing keeps pixel edges, not centres
    height, width = image.shape[:2]
    matrix = similarity([(width - 1) / 2, (height - 1) / 2], max(width, height), (SIZE, SIZE), turn)
    return cv2.warpAffine(image, matrix, (SIZE, SIZE)), compose(matrix, shrink)


def _read(maps: dict[str, Tensor], matrix: np.ndarray, shape: Sequence[int]) -> Poses:
    """Turn the maps of one crop, (C, h, w) each, into the person nearest the middle, image px."""
    heatmap, center = maps["heatmap"].numpy(), maps["center"][0].sigmoid().numpy()
    count, side, _ = heatmap.shape
    y, x = np.mgrid[:side, :side]
    weighted = center / (np.hypot(y - side / 2, x - side / 2) + MIDDLE)
    cy, cx = divmod(int(weighted.argmax()), side)
    aim = maps["regress"].numpy().reshape(count, 2, side, side)[:, :, cy, cx] + [cy, cx]  # (17, 2) y, x
    distance = np.hypot(y - aim[:, 0, None, None], x - aim[:, 1, None, None])
    peak = (heatmap / (distance + SPREAD)).reshape(count, -1).argmax(axis=1)
    py, px = peak // side, peak % side
    joints = np.arange(count)
    offset = maps["offset"].numpy().reshape(count, 2, side, side)[joints, :, py, px]
    xy = STRIDE * np.stack([px + offset[:, 1], py + offset[:, 0]], axis=1)
    away = (np.hypot(y - cy, x - cx) > APART * side) & (center > CENTRE)
    return Poses(
        transform(invert(matrix), xy)[None],
        heatmap[joints, py, px][None],
        np.array([[0.0, 0.0, shape[1], shape[0]]]),
        box_from=("frame",),
        others=_persons(center * away),
    )


def _persons(center: np.ndarray) -> int:
    """Count peaks of a centre map (h, w) that lie ``APART``."""
    center, count, side = center.copy(), 0, len(center)
    y, x = np.mgrid[:side, :side]
    while center.max() > CENTRE:
        cy, cx = np.unravel_index(int(center.argmax()), center.shape)
        center[np.hypot(y - cy, x - cx) <= APART * side] = 0
        count += 1
    return count


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
