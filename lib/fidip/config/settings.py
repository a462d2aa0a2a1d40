"""Every key of a config: its type, default, meaning, unit and range, declared once.

``Settings`` is what a config becomes for those who use it: typed and frozen, see ``fidip.config.load.read_settings``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from fidip.skeleton import COCO17

T = TypeVar("T")


@dataclass(frozen=True)
class Rule:
    """What a value of a key must satisfy.

    Attributes:
        meaning: of the key, with its unit.
        low: smallest allowed value; of a list: of its elements.
        high: largest allowed value.
        above: value that must be exceeded.
        below: value that must not be reached.
        choices: allowed values.
        length: allowed number of elements of a list.
    """

    meaning: str
    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None
    choices: tuple[str, ...] = ()
    length: int | None = None

    def fault(self, value: Any) -> str:
        """Say what is wrong with a value; empty where nothing is."""
        if self.length is not None and len(value) != self.length:
            return f"must have {self.length} values, got {list(value)}"
        for one in value if isinstance(value, (tuple, list)) else (value,):
            if self.choices and one not in self.choices:
                return f"must be one of {', '.join(self.choices)}, got {one!r}"
            inside = (
                (self.low is None or one >= self.low)
                and (self.high is None or one <= self.high)
                and (self.above is None or one > self.above)
                and (self.below is None or one < self.below)
            )
            if not inside:
                return f"must be {self.range}, got {one}"
        return ""

    @property
    def range(self) -> str:
        """The range in words."""
        if self.above == 0 and self.high is None and self.below is None:
            return "positive"
        parts = [("at least", self.low), ("above", self.above), ("at most", self.high), ("below", self.below)]
        return " and ".join(f"{word} {bound:g}" for word, bound in parts if bound is not None)


def key(default: T, meaning: str, **bounds: Any) -> T:
    """Declare a key: default, meaning with unit, and the bounds of ``Rule``."""
    rule = {"rule": Rule(meaning, **bounds)}
    if isinstance(default, dict):
        return cast(T, field(default_factory=default.copy, metadata=rule))
    return field(default=default, metadata=rule)


@dataclass(frozen=True)
class Cudnn:
    """What cuDNN may do."""

    BENCHMARK: bool = key(True, "let cuDNN try algorithms: faster, not bit-reproducible")
    DETERMINISTIC: bool = key(False, "use deterministic algorithms only, on every device")
    ENABLED: bool = key(True, "use cuDNN")


@dataclass(frozen=True)
class Model:
    """The network."""

    NAME: str = key("pose_hrnet", "network: [adaptive_]pose_{hrnet,resnet,mobile,movenet,timm}")
    PRETRAINED: str = key(
        "", "start weights: a file, or packaged ones (fidip weights); every tensor must match"
    )
    PRETRAINED_TRUNK: str = key("", "start weights of the trunk alone: imagenet (downloaded) or a file")
    NUM_JOINTS: int = key(0, "number of heatmaps; 0: as many as DATASET.SKELETON has keypoints", low=0)
    IMAGE_SIZE: tuple[int, ...] = key((288, 384), "crop, width x height, px", above=0, length=2)
    HEATMAP_SIZE: tuple[int, ...] = key((72, 96), "width x height, px: IMAGE_SIZE / 4", above=0, length=2)
    SIGMA: float = key(3.0, "standard deviation of the target Gaussian, heatmap px", above=0, high=1000)
    CLASSIFIER: str = key("auto", "domain classifier; auto: the one that goes with NAME")
    EXTRA: Mapping[str, Any] = key({}, "keys of this kind of network alone, see fidip.models")


@dataclass(frozen=True)
class Dataset:
    """Data sets and geometric augmentation."""

    ROOT: str = key("", "folder with annotations/person_keypoints_<split>.json and images/<split>/")
    TRAIN_SET: tuple[str, ...] = key((), "splits to join: name under ROOT, root/name, or path of a .json")
    TRAIN_PRE_SET: tuple[str, ...] = key((), "splits for pre-training the domain classifier")
    VAL_SET: str = key(
        "", "split that selects the best model during training; empty: the last one is the result"
    )
    TEST_SET: str = key("", "split that is tested")
    DOMAIN: str = key("all", "part of TRAIN_SET that is used", choices=("all", "real", "synthetic"))
    REAL_COUNT: int = key(0, "real images of TRAIN_SET that are used, drawn by SEED; 0: all", low=0)
    SECOND_DOMAIN: tuple[str, ...] = key((), "splits that count as synthetic as a whole, e.g. adults")
    SKELETON: str = key(
        COCO17.name, "keypoints of the annotations: coco17, or a YAML file (docs/own-data.md)"
    )
    SAMPLER: str = key(
        "shuffle",
        "order; balanced: as many real as synthetic samples a batch",
        choices=("shuffle", "balanced"),
    )
    COLOR_RGB: bool = key(True, "the network sees RGB; False: BGR, as the oldest published ResNet does")
    EXIF: bool = key(False, "turn images by their EXIF flag; labels of SyRIP and COCO do not")
    SKIP_BAD: bool = key(False, "leave faulty records out with a warning; False: stop and name them")
    FLIP: bool = key(True, "mirror half of the training crops")
    SCALE_FACTOR: float = key(
        0.35, "training scale is 1 + N(0,1) * this, clipped to 1 -+ this", low=0, below=1
    )
    ROT_FACTOR: float = key(45.0, "rotation of training crops, degrees; see ROT_MODE", low=0, high=180)
    ROT_MODE: str = key(
        "normal",
        "normal: N(0,1) * ROT_FACTOR, clipped to twice that; uniform: within +-ROT_FACTOR",
        choices=("normal", "uniform"),
    )
    ROT_PROB: float = key(0.6, "share of training crops that are rotated", low=0, high=1)
    PROB_HALF_BODY: float = key(0.0, "share of crops around the upper or lower body only", low=0, high=1)
    NUM_JOINTS_HALF_BODY: int = key(8, "only persons with more visible keypoints than this", low=0)


@dataclass(frozen=True)
class Augment:
    """Appearance of training crops. Everything is off by default, as in the published training."""

    PROB: float = key(0.5, "share of the crops to which each of BRIGHTNESS .. JPEG is applied", low=0, high=1)
    BRIGHTNESS: float = key(0.0, "the factor is drawn from 1 -+ this", low=0, high=1)
    CONTRAST: float = key(0.0, "the factor is drawn from 1 -+ this", low=0, high=1)
    SATURATION: float = key(0.0, "the factor is drawn from 1 -+ this", low=0, high=1)
    HUE: float = key(0.0, "largest shift, as a share of the colour circle", low=0, high=0.5)
    GREY: float = key(0.0, "share of the crops that lose their colour", low=0, high=1)
    BLUR: float = key(0.0, "largest standard deviation of a Gaussian blur, crop px", low=0, high=100)
    NOISE: float = key(
        0.0, "largest standard deviation of pixel noise, grey levels of 0..255", low=0, high=255
    )
    JPEG: int = key(0, "lowest JPEG quality, 1..100; 0: no compression", low=0, high=100)
    ERASE: float = key(0.0, "share of the crops in which patches are erased", low=0, high=1)
    ERASE_COUNT: int = key(3, "largest number of erased patches in a crop", low=0, high=100)
    ERASE_SIZE: float = key(
        0.25, "longest side of an erased patch, as a share of the crop's side", low=0, high=1
    )


@dataclass(frozen=True)
class Loss:
    """The pose loss."""

    KIND: str = key(
        "mse",
        "mse (published) or cross_entropy, for networks whose heatmaps sum to 1 (pose_mobile)",
        choices=("mse", "cross_entropy"),
    )
    USE_OHKM: bool = key(False, "count only the TOPK hardest keypoints of each sample")
    TOPK: int = key(8, "number of keypoints for USE_OHKM", above=0)
    USE_TARGET_WEIGHT: bool = key(True, "keypoints without a label do not count")
    USE_DIFFERENT_JOINTS_WEIGHT: bool = key(False, "weight keypoints by JOINTS_WEIGHT")
    JOINTS_WEIGHT: tuple[float, ...] = key(
        (1.0,) * 7 + (1.2, 1.2, 1.5, 1.5, 1.0, 1.0, 1.2, 1.2, 1.5, 1.5), "weight of each keypoint", low=0
    )
    REAL_WEIGHT: float = key(1.0, "factor on the pose loss of real samples, the paper's S(I)", low=0)
    SYNTHETIC_WEIGHT: float = key(1.0, "factor on the pose loss of synthetic samples", low=0)


@dataclass(frozen=True)
class Adapt:
    """Domain adaptation."""

    METHOD: str = key(
        "",
        "none, grl (FiDIP), cdan, mmd, coral or mean_teacher; empty: grl for adaptive_* networks",
        choices=("", "none", "grl", "cdan", "mmd", "coral", "mean_teacher"),
    )
    LAMBDA_SCHEDULE: str = key(
        "constant", "warmup: TRAIN.LAMBDA is reached gradually", choices=("constant", "warmup")
    )
    TEACHER_DECAY: float = key(0.99, "mean_teacher: decay per step of the teacher's weights", low=0, below=1)


@dataclass(frozen=True)
class Distill:
    """Learning from the heatmaps of a larger network."""

    TEACHER: str = key("", "weights of the teacher: a file, or packaged ones; empty: no distillation")
    CONFIG: str = key("", "config of the teacher")
    FACTOR: float = key(1.0, "factor on the distillation loss", low=0)


@dataclass(frozen=True)
class Train:
    """Optimisation."""

    OPTIMIZER: str = key("adam", "optimiser", choices=("adam", "adamw", "sgd"))
    LR: float = key(1e-3, "learning rate of the pose network", above=0)
    CLASSIFIER_LR: float = key(0.0, "learning rate of the domain classifier; 0: the same as LR", low=0)
    SCHEDULE: str = key(
        "step", "step (LR_STEP, LR_FACTOR) or cosine (to 0 at the end)", choices=("step", "cosine")
    )
    LR_STEP: tuple[int, ...] = key((90, 110), "epochs after which the rate is multiplied by LR_FACTOR", low=0)
    LR_FACTOR: float = key(0.1, "factor on the learning rate at each LR_STEP", above=0)
    WARMUP_STEPS: int = key(0, "steps of linear rise of the learning rate", low=0)
    WD: float = key(0.0, "weight decay: added to the gradient (adam, sgd), decoupled (adamw)", low=0)
    MOMENTUM: float = key(0.9, "momentum of sgd", low=0, below=1)
    NESTEROV: bool = key(False, "Nesterov momentum for sgd")
    PRE_EPOCH: int = key(0, "epochs that train the domain classifier alone on TRAIN_PRE_SET", low=0)
    END_EPOCH: int = key(100, "epochs on TRAIN_SET", above=0)
    END_STEP: int = key(0, "optimiser steps on TRAIN_SET, in place of END_EPOCH; 0: END_EPOCH counts", low=0)
    LAMBDA: float = key(
        5e-4, "strength of adaptation: factor of the reversed gradient, or of the second loss", low=0
    )
    PRE_BATCH_SIZE_PER_GPU: int = key(128, "samples per process in classifier pre-training", above=0)
    BATCH_SIZE_PER_GPU: int = key(64, "samples per process", above=0)
    ACCUMULATE: int = key(1, "batches per optimiser step", above=0)
    SHUFFLE: bool = key(True, "new order in each epoch")
    FREEZE: tuple[str, ...] = key(
        (), "names of modules, or of a preset of the network, e.g. res1-3, transition2"
    )
    EMA: float = key(0.0, "decay per step of the running mean of the weights; 0: none", low=0, below=1)
    BLEND: float = key(0.0, "share of the start weights in the result", low=0, below=1)
    CLIP_GRAD: float = key(0.0, "largest gradient norm; 0: no clipping", low=0)
    VAL_EVERY: int = key(1, "epochs between validations", above=0)
    CHECKPOINT_EVERY: int = key(
        0, "steps between checkpoints inside an epoch; 0: at the end of epochs only", low=0
    )


@dataclass(frozen=True)
class Test:
    """Testing."""

    __test__ = False

    MODEL_FILE: str = key("", "checkpoint to test; empty: the best (else last) one of the run folder")
    BATCH_SIZE_PER_GPU: int = key(16, "crops per batch", above=0)
    FLIP_TEST: bool = key(True, "average with the heatmaps of the mirrored crop")
    POST_PROCESS: bool = key(True, "DARK sub-pixel decoding; False: plain maximum")
    BLUR_KERNEL: int = key(11, "width of the smoothing before decoding, heatmap px, odd", above=0, high=999)
    USE_GT_BBOX: bool = key(True, "boxes of the annotations; False: of COCO_BBOX_FILE")
    COCO_BBOX_FILE: str = key("", "detections, COCO results JSON with bbox and score")
    IMAGE_THRE: float = key(0.0, "minimum score of a detection")
    NMS_THRE: float = key(1.0, "IoU above which the weaker of two detections is dropped; 1: none is", low=0)
    SOFT_NMS: bool = key(False, "Gaussian OKS rescoring instead of dropping")
    OKS_THRE: float = key(0.9, "OKS above which the weaker of two poses is dropped", low=0)
    IN_VIS_THRE: float = key(0.2, "keypoints with a lower maximum do not count in a pose's score")
    AREA: str = key(
        "annotation",
        "object area in OKS; bbox: width x height (SyRIP's annotated areas are faulty)",
        choices=("annotation", "bbox", "keypoints"),
    )
    PICTURES: int = key(12, "number of best and of worst predictions that are drawn", low=0)
    BOOTSTRAP: int = key(1000, "resamples of the images behind the 95 % intervals; 0: no intervals", low=0)
    DOMAIN_GAP: str = key("", "split whose features are compared with those of TEST_SET; empty: none")
    SAVE_FEATURES: str = key("", "file (.npy) that receives the features of every crop; --save-features")


@dataclass(frozen=True)
class Debug:
    """Images of training batches."""

    DEBUG: bool = key(False, "write image grids during training")
    EVERY: int = key(200, "steps between grids", above=0)
    SAVE_BATCH_IMAGES_GT: bool = key(True, "crops with annotated keypoints")
    SAVE_BATCH_IMAGES_PRED: bool = key(True, "crops with predicted keypoints")
    SAVE_HEATMAPS_GT: bool = key(True, "target heatmaps")
    SAVE_HEATMAPS_PRED: bool = key(True, "predicted heatmaps")


@dataclass(frozen=True)
class Settings:
    """All keys of a config."""

    OUTPUT_DIR: str = key("output", "folder of run folders; --out")
    LOG_DIR: str = key("log", "folder of tensorboard event files; --log-dir")
    DATA_DIR: str = key("", "put in front of relative data and weight paths; --data-dir")
    SEED: int = key(0, "every random number derives from it", low=0)
    DEVICE: str = key("auto", "auto, cpu, cuda, cuda:N or mps")
    PRECISION: str = key("fp32", "arithmetic of the forward pass", choices=("fp32", "bf16", "fp16"))
    WORKERS: int = key(2, "processes that read images; 0: the main process reads", low=0, high=1024)
    PIN_MEMORY: bool = key(True, "page-locked batches: faster copies to cuda, ignored elsewhere")
    PRINT_FREQ: int = key(20, "steps between progress lines and logged scalars", above=0)
    AUTO_RESUME: bool = key(True, "resume from the checkpoint of the same run folder")
    CUDNN: Cudnn = field(default_factory=Cudnn)
    MODEL: Model = field(default_factory=Model)
    DATASET: Dataset = field(default_factory=Dataset)
    AUGMENT: Augment = field(default_factory=Augment)
    LOSS: Loss = field(default_factory=Loss)
    ADAPT: Adapt = field(default_factory=Adapt)
    DISTILL: Distill = field(default_factory=Distill)
    TRAIN: Train = field(default_factory=Train)
    TEST: Test = field(default_factory=Test)
    DEBUG: Debug = field(default_factory=Debug)
