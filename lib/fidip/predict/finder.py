"""Find the person near the middle of an image without any box, as the authors of MoveNet do.

MoveNet's centre head says where persons are, its regression head where a person's keypoints lie from there, its
heatmaps and offsets refine each keypoint near that place.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from fidip.geometry import compose, invert, similarity, transform
from fidip.models.movenet import MoveNetFinder
from fidip.models.weights import load_weights
from fidip.packaged import FINDER
from fidip.pixels import normalise

SIZE = 192  # px, input of the finder
STRIDE = 4  # crop px per heatmap px
SPREAD = 1.8  # heatmap px, added to the distance from the expected place, as in the published graph
MIDDLE = (
    12.0  # the same for the distance from the middle; 1.8 as published, which overlooks infants at the side
)
PERSON = 0.3  # least value of the centre map at a person
APART = 0.25  # share of the crop's side between two persons' centres, at least


@dataclass(frozen=True)
class Sight:
    """What one look at a whole frame shows.

    Attributes:
        xy: (17, 2) keypoints, image px.
        score: (17,), 0..1.
        others: number of further persons that seem to be in view.
    """

    xy: np.ndarray
    score: np.ndarray
    others: int


class Finder:
    """The packaged MoveNet Lightning with all its heads."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.net = MoveNetFinder().eval()
        load_weights(self.net, FINDER)
        self.net.to(device).to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def __call__(self, images: Sequence[np.ndarray], turn: float = 0.0) -> list[Sight]:
        """Look at whole frames, RGB uint8 (H, W, 3) each, letter-boxed; ``turn``: degrees, as in ``similarity``."""
        if not images:
            return []
        views = [_view(image, turn) for image in images]
        crops = torch.from_numpy(np.stack([crop for crop, _ in views])).permute(0, 3, 1, 2)
        maps = self.net.maps(normalise(crops.to(self.device)))
        numbers = {name: value.float().cpu() for name, value in maps.items()}
        return [
            _read({name: value[i] for name, value in numbers.items()}, matrix)
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


def _read(maps: dict[str, Tensor], matrix: np.ndarray) -> Sight:
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
    away = (np.hypot(y - cy, x - cx) > APART * side) & (center > PERSON)
    return Sight(transform(invert(matrix), xy), heatmap[joints, py, px], _persons(center * away))


def _persons(center: np.ndarray) -> int:
    """Count peaks of a centre map (h, w) that lie ``APART``."""
    center, count, side = center.copy(), 0, len(center)
    y, x = np.mgrid[:side, :side]
    while center.max() > PERSON:
        cy, cx = np.unravel_index(int(center.argmax()), center.shape)
        center[np.hypot(y - cy, x - cx) <= APART * side] = 0
        count += 1
    return count
