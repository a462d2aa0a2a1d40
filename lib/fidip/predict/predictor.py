"""From an image, with or without boxes, to poses: the same crops, network and decoding as in testing.

``load`` makes a predictor of the packaged default, another packaged model, a bundle, or a checkpoint with its config.
"""

import importlib.util
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from fidip.build import build_codec, build_model
from fidip.codec import HeatmapCodec
from fidip.config import Config, load_settings, read_settings, result_keys
from fidip.deploy import onnx, openvino
from fidip.deploy.model_files import BACKENDS, load_network
from fidip.environment import choose_device, logger
from fidip.errors import ConfigError, DataError, FidipError
from fidip.files import content_digest, fingerprint
from fidip.geometry import clip_box, crop_matrix, cut, inside, whole_frame
from fidip.inference import Estimator
from fidip.models import PoseNet, load_weights, network_class
from fidip.packaged import DEFAULT, find_weights, packaged_models
from fidip.predict.finder import Finder
from fidip.predict.poses import MIN_SCORE, Poses, person_box, pose_box, presence, sureness
from fidip.skeleton import COCO17, Skeleton, find_skeleton

# what of a config, besides the weights, changes the joints that are predicted
_KEYS = ("MODEL.NAME", "MODEL.EXTRA", "MODEL.NUM_JOINTS", "MODEL.IMAGE_SIZE", "MODEL.HEATMAP_SIZE", "MODEL.SIGMA",
         "DATASET.SKELETON", "DATASET.COLOR_RGB", "TEST.POST_PROCESS", "TEST.BLUR_KERNEL", "PRECISION")  # fmt: skip

# of a network that searches a whole frame by itself, each closer: the person may be a small part of it
LOOKS = 4
CLOSER = 2  # looks at whom the finder has found, the second one in the box of the first
TURNS = (90.0, 180.0, 270.0)  # degrees by which a crop is turned where the pose is not sure upright
GLIMPSE = 0.2  # least presence at which the finder's person is looked at; below, the whole frame is


class Predictor:
    """A network that is given images and boxes, or finds the person by itself.

    Args:
        net: images (B, 3, H, W) -> (features, heatmaps).
        codec: of its heatmaps.
        size: of its input, (W, H) px.
        skeleton: its keypoints.
        device: where it runs.
        flip: average with the mirrored crop.
        rgb: False for networks trained on BGR.
        batch: crops that go through the network together.
        name: what identifies network and weights in the files that are written.
        kind: class of the network, which knows what its scores mean.
        title: name and licence of the network, for people.
        precision: fp32, bf16 or fp16 of the forward pass.
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
        kind: type[PoseNet] = PoseNet,
        title: str = "",
        precision: str = "fp32",
    ) -> None:
        self.skeleton, self.size, self.batch, self.name = skeleton, size, batch, name
        self.kind, self.title = kind, title
        self.estimator = Estimator(net, codec, size, skeleton, torch.device(device), flip, rgb, precision)

    @cached_property
    def finder(self) -> Finder | None:
        """What finds a person in a whole frame; None for networks of other keypoints than a person's."""
        known = len(set(self.skeleton.names) & set(COCO17.names))
        return Finder(self.estimator.device) if known > 2 else None

    @classmethod
    def from_checkpoint(
        cls,
        config: Config,
        weights: str | Path,
        device: str = "auto",
        flip: bool = False,
        batch: int = 16,
    ) -> "Predictor":
        """The network of a config with a weights file. Raises WeightsError for one that does not fit."""
        model = build_model(config)
        load_weights(model, weights)
        return cls.from_net(config, model, content_digest(find_weights(weights)), device, flip, batch)

    @classmethod
    def from_bundle(
        cls,
        path: str | Path,
        device: str = "auto",
        flip: bool = False,
        batch: int = 16,
        backend: str = "auto",
    ) -> "Predictor":
        """The network of one file that carries its config (`fidip export`), run by ``backend``."""
        settings, net = load_network(path, backend, device)
        return cls.from_net(settings, net, content_digest(Path(path)), device, flip, batch)

    @classmethod
    def from_net(
        cls,
        config: Config,
        net: nn.Module,
        weights: str,
        device: str = "auto",
        flip: bool = False,
        batch: int = 16,
    ) -> "Predictor":
        """A network made elsewhere, with codec, crops and skeleton of a config. weights: their digest."""
        settings, chosen = read_settings(config), choose_device(device)
        keys = {
            key: value for key, value in result_keys(settings, testing=True).items() if key.startswith(_KEYS)
        }
        width, height = settings.MODEL.IMAGE_SIZE
        return cls(
            net,
            build_codec(settings),
            (width, height),
            find_skeleton(settings.DATASET.SKELETON),
            chosen,
            flip,
            settings.DATASET.COLOR_RGB,
            batch,
            name=fingerprint([keys, weights, flip]),
            kind=network_class(settings.MODEL.NAME),
            precision=settings.PRECISION,
        )

    def accelerate(self) -> None:
        """Let OpenVINO run a network of PyTorch on the CPU: about twice as fast, the same keypoints.

        Takes about a second, which a handful of images do not pay back.

        Raises:
            ConfigError: without openvino.
            FidipError: where OpenVINO cannot run the network.
        """
        if self.estimator.device.type == "cpu" and isinstance(self.estimator.model, PoseNet):
            self.estimator.model = openvino.compile_net(self.estimator.model, self.size)

    def accelerate_if_possible(self) -> None:
        """Do so where openvino is installed and can run the network."""
        if importlib.util.find_spec("openvino") is None or self.estimator.dtype is not None:
            return
        try:
            self.accelerate()
        except FidipError as error:
            logger.warning("%s; PyTorch runs it", error)

    @property
    def runtime(self) -> str:
        """What runs the network, for people."""
        names = {openvino.CompiledNet: "OpenVINO", onnx.OnnxNet: "ONNX Runtime"}
        return next(
            (name for kind, name in names.items() if isinstance(self.estimator.model, kind)), "PyTorch"
        )

    def __call__(self, image: np.ndarray, boxes: Sequence[Sequence[float]] | None = None) -> Poses:
        """Estimate the keypoints of the persons in an image.

        Args:
            image: RGB uint8 (H, W, 3).
            boxes: x, y, w, h of each person, image px; without boxes the person nearest the middle is searched for.

        Returns:
            One pose per box; without boxes one pose, or none where no person was found.

        Raises:
            DataError: for another kind of array, and for a box outside the image.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise DataError(f"an image must be RGB uint8 (H, W, 3), not {image.dtype} {image.shape}")
        image = np.ascontiguousarray(image)  # a channel-reversed view will do too
        if boxes is None:
            looks = [look for look in self.search([image]) if self.found(look.scores[0], look.turn[0])]
        else:
            looks = self._looks([image] * len(boxes), [np.asarray(box, dtype=np.float64) for box in boxes])
        persons = Poses.nobody(self.skeleton).joined(looks)
        return replace(persons, track=np.arange(len(looks)), others=sum(look.others for look in looks))

    def found(self, score: np.ndarray, turn: float = 0.0) -> bool:
        """Tell whether scores (K,) are those of a person who is there; a crop turned by ``turn`` has to be surer."""
        return presence(score) >= self.kind.found_score + (self.kind.turn_margin if turn else 0.0)

    def crop(self, image: np.ndarray, box: np.ndarray, turn: float = 0.0) -> tuple[Tensor, np.ndarray]:
        """Cut out the network's view of a box (x, y, w, h image px), turned by ``turn`` degrees.

        Returns:
            uint8 (3, H, W), and the map (2, 3) from image px to crop px.

        Raises:
            DataError: for a box outside the image.
        """
        height, width = image.shape[:2]
        if not inside(box, width, height):
            shown = ", ".join(f"{value:g}" for value in box)
            raise DataError(f"box {shown} lies outside the image of {width} x {height} px; correct it")
        matrix = crop_matrix(clip_box(box, width, height), self.size, turn)
        view = cv2.warpAffine(image, matrix, self.size, flags=cv2.INTER_LINEAR)
        return torch.from_numpy(view).permute(2, 0, 1).contiguous(), matrix

    def joints(self, crops: Sequence[tuple[Tensor, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
        """Joints of N crops of ``crop``: xy (N, K, 2) image px and score (N, K), 0..1."""
        count = len(self.skeleton.names)
        all_xy, all_scores = [np.zeros((0, count, 2))], [np.zeros((0, count))]
        for start in range(0, len(crops), self.batch):
            part = crops[start : start + self.batch]
            heatmaps = self.estimator.heatmaps(torch.stack([image for image, _ in part]))[1]
            xy, score = self.estimator.codec.decode(heatmaps)
            all_xy.append(self.estimator.to_image(xy.cpu().numpy(), np.stack([matrix for _, matrix in part])))
            all_scores.append(np.clip(score.cpu().numpy() / self._peak(), 0, 1).astype(np.float64))
        return np.concatenate(all_xy), np.concatenate(all_scores)

    def search(self, images: Sequence[np.ndarray], threshold: float = MIN_SCORE) -> list[Poses]:
        """Look for one person in each whole frame: the one nearest the middle.

        Args:
            images: RGB uint8 (H, W, 3) each.
            threshold: least score of a keypoint that shapes a box.

        Returns:
            A pose for each image, always; ``found`` tells whether somebody was there.
        """
        looks = self._search(images, 0.0, threshold)
        for turn in TURNS:
            unsure = [i for i, look in enumerate(looks) if sureness(look) < self.kind.sure_score]
            turned = self._search([images[i] for i in unsure], turn, threshold)
            for i, look in zip(unsure, turned, strict=True):
                if sureness(look) > sureness(looks[i]) and self.found(look.scores[0], turn):
                    looks[i] = replace(look, others=looks[i].others)
        return looks

    def turned(self, image: np.ndarray, look: Poses) -> Poses:
        """Look at the box of one pose in other orientations; return the surest look."""
        looks = [look]
        for turn in (0.0, *TURNS):
            if turn != look.turn[0]:
                looks += self._looks([image], [look.boxes[0]], [turn])
        return max(looks, key=sureness)

    def _search(self, images: Sequence[np.ndarray], turn: float, threshold: float) -> list[Poses]:
        """Look for the person of each whole frame with crops turned by ``turn``, each time closer."""
        if not images:
            return []
        boxes = [whole_frame(image.shape[1], image.shape[0]) for image in images]
        others, count = [0] * len(images), [LOOKS] * len(images)
        for i, sight in enumerate(self.finder(images, turn) if self.finder else []):
            others[i] = sight.others
            box = cut(person_box(sight.keypoints[0], sight.scores[0], threshold), *images[i].shape[1::-1])
            if presence(sight.scores[0]) >= GLIMPSE and inside(box, *images[i].shape[1::-1]):
                boxes[i], count[i] = box, CLOSER
        looks = self._looks(images, boxes, [turn] * len(images))
        last = dict(enumerate(looks))
        for step in range(1, LOOKS):
            rows, closer = [], []
            for i, look in last.items():
                width, height = images[i].shape[1::-1]
                xy, score = look.keypoints[0], look.scores[0]
                if count[i] == CLOSER:
                    box = person_box(xy, score, threshold)
                else:
                    box = pose_box(xy, score, threshold, look.boxes[0])
                box = cut(box, width, height)
                if step < count[i] and self.found(score) and inside(box, width, height):
                    rows.append(i)
                    closer.append(box)
            last = dict(
                zip(rows, self._looks([images[i] for i in rows], closer, [turn] * len(rows)), strict=True)
            )
            for i, look in last.items():
                if sureness(look) > sureness(looks[i]) or count[i] == CLOSER:
                    looks[i] = look
        return [replace(look, others=number) for look, number in zip(looks, others, strict=True)]

    def _looks(
        self, images: Sequence[np.ndarray], boxes: Sequence[np.ndarray], turns: Sequence[float] = ()
    ) -> list[Poses]:
        """Look at one box in each image."""
        turns = turns or [0.0] * len(boxes)
        crops = [self.crop(image, box, turn) for image, box, turn in zip(images, boxes, turns, strict=True)]
        xy, score = self.joints(crops)
        return [self.pose(*row) for row in zip(boxes, turns, xy, score, strict=True)]

    def pose(self, box: np.ndarray, turn: float, xy: np.ndarray, score: np.ndarray) -> Poses:
        """Make Poses of one person: box (4,) and ``turn`` of the crop, keypoints (K, 2) and scores (K,) in it."""
        return Poses(xy[None], score[None], np.asarray(box)[None], self.skeleton, turn=np.array([turn]))

    def _peak(self) -> float:
        """The maximum of a perfect map: 1, or that of a Gaussian of sum 1 for networks whose maps sum to 1."""
        if self.kind.maps_sum_to_one:
            return min(1.0, 1 / (2 * math.pi * self.estimator.codec.sigma**2))
        return 1.0


def load(
    model: str | Path = "default",
    device: str = "auto",
    flip: bool = True,
    batch: int = 16,
    backend: str = "auto",
) -> Predictor:
    """Load a pose network that is ready to use.

    Args:
        model: "default", the name of packaged weights (``fidip weights``), a bundle (.safetensors, .onnx, .xml), or a
            checkpoint whose run folder has its config.yaml.
        device: auto, cpu, cuda, cuda:N or mps.
        flip: average with the mirrored image: 2 AP more with the default model, half the speed.
        batch: crops that go through the network together.
        backend: what runs the network: auto, torch, openvino, or onnxruntime (for an .onnx).

    Raises:
        ConfigError: for an unknown name, and for a checkpoint without a config.
        WeightsError, DataError: for a file that cannot be used.
    """
    packaged = packaged_models()
    facts = packaged.get(DEFAULT if str(model) == "default" else str(model))
    if facts is not None:
        settings = load_settings(facts.config)
        predictor = Predictor.from_checkpoint(settings, facts.name, device, flip, batch)
        predictor.title = f"{facts.title} ({facts.licence}, {facts.holder})"
        return run_by(predictor, backend)
    path = Path(model)
    if not path.is_file():
        raise ConfigError(
            f"unknown model {str(model)!r}: no such file, and packaged are {', '.join(packaged)}; see `fidip weights`"
        )
    config = path.parent / "config.yaml"
    if path.suffix in BACKENDS and not (path.suffix == ".safetensors" and config.is_file()):
        predictor = Predictor.from_bundle(path, device, flip, batch, backend)
    elif config.is_file():
        predictor = run_by(
            Predictor.from_checkpoint(load_settings(config), path, device, flip, batch), backend
        )
    else:
        raise ConfigError(
            f"checkpoint {path}: there is no config.yaml beside it; name its config with --cfg FILE, or give a bundle "
            f"({', '.join(BACKENDS)})"
        )
    predictor.title = f"{path.name}, under the licence of those who trained it"
    return predictor


def run_by(predictor: Predictor, backend: str) -> Predictor:
    """Have a checkpoint's network run by auto, torch or openvino. Raises ConfigError for another backend."""
    if backend == "openvino":
        predictor.accelerate()
    elif backend not in ("auto", "torch"):
        raise ConfigError(
            f"backend {backend!r} needs an exported network as model; make one with `fidip export --format onnx`"
        )
    return predictor


def load_named(
    model: str | None,
    bundle: Path | None,
    device: str = "auto",
    flip: bool = True,
    batch: int = 16,
    backend: str = "auto",
) -> Predictor:
    """Load what the options --model and --bundle name; the default without either. The rest is as in ``load``."""
    if bundle is None:
        return load(model or "default", device, flip, batch, backend)
    predictor = Predictor.from_bundle(bundle, device, flip, batch, backend)
    predictor.title = f"{bundle.name}, under the licence of those who trained it"
    return predictor
