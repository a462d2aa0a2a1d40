"""From a picture and boxes to named joints: the same crops, network and decoding as in testing."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from yacs.config import CfgNode

from fidip import build
from fidip.codec import HeatmapCodec
from fidip.config import result_keys
from fidip.data.augment import CropPolicy
from fidip.errors import DataError
from fidip.geometry import clip_box
from fidip.inference import Estimator
from fidip.media.backends import load_network
from fidip.media.boxes import cut, found_pose, inside, pose_box, whole_frame
from fidip.media.tracks import MIN_SCORE
from fidip.models import load_weights
from fidip.runtime import choose_device, fingerprint
from fidip.skeleton import Skeleton

# what of a config, besides the weights, changes the joints that are predicted
_KEYS = ("MODEL.NAME", "MODEL.EXTRA", "MODEL.NUM_JOINTS", "MODEL.IMAGE_SIZE", "MODEL.HEATMAP_SIZE", "MODEL.SIGMA",
         "DATASET.SKELETON", "DATASET.COLOR_RGB", "TEST.POST_PROCESS", "TEST.BLUR_KERNEL", "PRECISION")  # fmt: skip

LOOKS = 4  # at who is searched for in a whole picture, each closer: the person may be a small part of it


@dataclass(frozen=True)
class NamedPose:
    """Joints of one person by name. xy (K, 2): image px. score (K,): 0..1. box (4,): x, y, w, h image px."""

    names: tuple[str, ...]
    xy: np.ndarray
    score: np.ndarray
    box: np.ndarray

    def __getitem__(self, name: str) -> tuple[float, float, float]:
        """x, y (image px) and score of a joint. Raises KeyError for an unknown name."""
        if name not in self.names:
            raise KeyError(f"no joint {name!r}; choose from {', '.join(self.names)}")
        joint = self.names.index(name)
        return float(self.xy[joint, 0]), float(self.xy[joint, 1]), float(self.score[joint])

    def as_dict(self) -> dict[str, tuple[float, float, float]]:
        """All joints: name -> (x, y, score)."""
        return {name: self[name] for name in self.names}


class Predictor:
    """A network that is given pictures and boxes.

    net: images (B, 3, H, W) -> (features, heatmaps). size: of its input (W, H) px. flip: average with the
    mirrored crop. rgb: False for nets trained on BGR. batch: crops that go through the net together. name:
    what identifies network and weights in the files that are written.
    """

    def __init__(
        self,
        net: nn.Module,
        codec: HeatmapCodec,
        size: tuple[int, int],
        skeleton: Skeleton,
        device: str | torch.device = "cpu",
        flip: bool = False,
        rgb: bool = True,
        batch: int = 16,
        name: str = "",
    ) -> None:
        self.skeleton, self.policy, self.batch, self.name = skeleton, CropPolicy(size, skeleton), batch, name
        self.estimator = Estimator(net, codec, size, skeleton, torch.device(device), flip, rgb)

    @classmethod
    def from_checkpoint(
        cls, cfg: CfgNode, weights: str | Path, device: str = "auto", flip: bool = False, batch: int = 16
    ) -> "Predictor":
        """The network of a config with a weights file. Raises WeightsError for one that does not fit."""
        model = build.build_model(cfg)
        load_weights(model, weights)
        return cls.from_net(cfg, model, digest(Path(weights)), device, flip, batch)

    @classmethod
    def from_bundle(
        cls,
        path: str | Path,
        device: str = "auto",
        flip: bool = False,
        batch: int = 16,
        backend: str = "auto",
    ) -> "Predictor":
        """The network of one file that carries its config (tools/export_model.py), run by ``backend``."""
        cfg, net = load_network(path, backend, device)
        return cls.from_net(cfg, net, digest(Path(path)), device, flip, batch)

    @classmethod
    def from_net(
        cls,
        cfg: CfgNode,
        net: nn.Module,
        weights: str,
        device: str = "auto",
        flip: bool = False,
        batch: int = 16,
    ) -> "Predictor":
        """A network made elsewhere, with codec, crops and skeleton of a config. weights: their digest."""
        chosen = choose_device(device)
        # an empty test loader says how testing crops and decodes
        testing: Any = build.plain_loader(cfg, []).dataset
        keys = {key: value for key, value in result_keys(cfg, testing=True).items() if key.startswith(_KEYS)}
        size, skeleton = testing.policy.size, testing.policy.skeleton
        name = fingerprint([keys, weights, flip])
        predictor = cls(net, testing.codec, size, skeleton, chosen, flip, True, batch, name)
        predictor.estimator = build.build_estimator(cfg, net, chosen)
        predictor.estimator.flip = flip
        return predictor

    def __call__(self, image: np.ndarray, boxes: Sequence[Sequence[float]] | None = None) -> list[NamedPose]:
        """Joints of the persons in RGB uint8 (H, W, 3), one for each box (x, y, w, h image px).

        Without boxes one person is looked for in the whole picture, and closer where found. Raises DataError
        for another array, and for a box outside the picture.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise DataError(f"a picture must be RGB uint8 (H, W, 3), not {image.dtype} {image.shape}")
        whole = whole_frame(image.shape[1], image.shape[0])
        places = [whole] if boxes is None else [np.asarray(box, dtype=np.float64) for box in boxes]
        xy, score = self.joints([self.crop(image, box) for box in places])
        if boxes is None:
            places, xy, score = self.look_closer([image], places, xy, score)
        rows = zip(places, xy, score, strict=True)
        return [NamedPose(self.skeleton.names, a, s, box) for box, a, s in rows]

    def crop(self, image: np.ndarray, box: np.ndarray) -> tuple[Tensor, np.ndarray]:
        """The net's view of a box (x, y, w, h image px): uint8 (3, H, W), and the map (2, 3) image px -> crop px."""
        height, width = image.shape[:2]
        if not inside(box, width, height):
            shown = ", ".join(f"{value:g}" for value in box)
            raise DataError(f"box {shown} lies outside the picture of {width} x {height} px; correct it")
        joints = np.zeros((self.skeleton.num_joints, 3))
        crop = self.policy(image, clip_box(box, width, height), joints)
        return torch.from_numpy(crop.image).permute(2, 0, 1).contiguous(), crop.matrix

    def joints(self, crops: Sequence[tuple[Tensor, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
        """Joints of N crops of ``crop``: xy (N, K, 2) image px and score (N, K), 0..1."""
        count = self.skeleton.num_joints
        all_xy, all_scores = [np.zeros((0, count, 2))], [np.zeros((0, count))]
        for start in range(0, len(crops), self.batch):
            part = crops[start : start + self.batch]
            heatmaps = self.estimator.heatmaps(torch.stack([image for image, _ in part]))[1]
            xy, score = self.estimator.codec.decode(heatmaps)
            all_xy.append(self.estimator.to_image(xy.cpu().numpy(), np.stack([matrix for _, matrix in part])))
            all_scores.append(np.clip(score.cpu().numpy() / self._peak(heatmaps), 0, 1).astype(np.float64))
        return np.concatenate(all_xy), np.concatenate(all_scores)

    def look_closer(
        self,
        images: Sequence[np.ndarray],
        boxes: Sequence[np.ndarray],
        xy: np.ndarray,
        score: np.ndarray,
        threshold: float = MIN_SCORE,
    ) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
        """Look again, closer, at N persons who were found in large boxes: boxes, xy and score of the best look.

        images: one for each. threshold: least score of a joint that shapes a box. The best look is the one with
        the highest mean score: a network that takes the trunk for the whole child says so by low ones.
        """
        boxes, xy, score = list(boxes), xy.copy(), score.copy()
        looks = dict(enumerate(zip(boxes, xy.copy(), score.copy(), strict=True)))
        for _ in range(LOOKS - 1):
            closer = {}
            for row, (last_box, last_xy, last_score) in looks.items():
                height, width = images[row].shape[:2]
                box = cut(pose_box(last_xy, last_score, threshold, last_box), width, height)
                if found_pose(last_score) and inside(box, width, height):
                    closer[row] = box
            found = self.joints([self.crop(images[row], box) for row, box in closer.items()])
            looks = dict(zip(closer, zip(closer.values(), *found, strict=True), strict=True))
            for row, (box, new_xy, new_score) in looks.items():
                if np.mean(new_score) > np.mean(score[row]):
                    boxes[row], xy[row], score[row] = box, new_xy, new_score
        return boxes, xy, score

    def _peak(self, heatmaps: Tensor) -> float:
        """The maximum of a perfect map: 1, or that of a Gaussian of sum 1 for nets whose maps sum to 1."""
        sums = heatmaps.sum(dim=(2, 3))
        if float(heatmaps.min()) >= 0 and float((sums - 1).abs().max()) < 1e-3:
            return min(1.0, 1 / (2 * math.pi * self.estimator.codec.sigma**2))
        return 1.0


def digest(path: Path) -> str:
    """Short hash of a file's content."""
    found = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            found.update(block)
    return found.hexdigest()[:16]
