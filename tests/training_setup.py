"""Tiny nets, random batches and tiny trainings from generated pictures, shared by the tests of training."""

import json
from pathlib import Path

import torch
from accelerate.state import AcceleratorState, GradientState, PartialState
from figures import write_split
from torch import Tensor, nn

CONFIG = """
MODEL:
  NAME: adaptive_pose_timm
  IMAGE_SIZE: [32, 32]
  HEATMAP_SIZE: [8, 8]
  SIGMA: 1
  EXTRA: {BACKBONE: test_resnet, HEAD_CHANNELS: 16}
DATASET: {ROOT: data, TRAIN_SET: [mixed], TRAIN_PRE_SET: [mixed], TEST_SET: held, VAL_SET: chosen}
TRAIN: {LAMBDA: 0.01, END_EPOCH: 2, BATCH_SIZE_PER_GPU: 4, PRE_BATCH_SIZE_PER_GPU: 6, LR_STEP: [1]}
TEST: {AREA: bbox, IN_VIS_THRE: 0.0, PICTURES: 0, FLIP_TEST: False}
PRINT_FREQ: 2
WORKERS: 0
DEVICE: cpu
"""


class TinyNet(nn.Module):
    """The smallest pose net: images (B, 3, H, W) -> features (B, 6, H/4, W/4), heatmaps (B, 3, H/4, W/4)."""

    def __init__(self, seed: int = 0, dropout: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU())
        self.body = nn.Sequential(nn.Conv2d(4, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(dropout))
        self.head = nn.Conv2d(6, 3, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.body(self.stem(images))
        return features, self.head(features)


class Pooled(nn.Module):
    """Features (B, 6, h, w) -> logits (B,)."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))

    def forward(self, features: Tensor) -> Tensor:
        return self.layers(features.mean((2, 3))).squeeze(1)


def small_classifier(seed: int = 1) -> nn.Module:
    """A domain classifier for TinyNet."""
    torch.manual_seed(seed)
    return Pooled()


def batch_of(count=8, seed=0, dtype=torch.float32):
    """A random batch for TinyNet; synthetic samples are brighter, so that a classifier has something to learn."""
    random = torch.Generator().manual_seed(seed)
    synthetic = (torch.arange(count) % 2).float()
    image = torch.randn(count, 3, 16, 16, generator=random) + 2 * synthetic.view(-1, 1, 1, 1)
    return {
        "image": image.to(dtype),
        "target": torch.rand(count, 3, 4, 4, generator=random),
        "weight": (torch.rand(count, 3, generator=random) > 0.2).float(),
        "synthetic": synthetic,
    }


def state_of(module):
    """A copy of all weights and statistics."""
    return {name: value.clone() for name, value in module.state_dict().items()}


def assert_same_state(one, other):
    """Two state dicts, equal bit for bit."""
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def forget_processes():
    """accelerate keeps the arithmetic of the first run of a process; a test begins anew."""
    for state in (AcceleratorState, PartialState, GradientState):
        state._reset_state()
    torch.use_deterministic_algorithms(False)


def write_place(folder: Path, config: str = CONFIG) -> Path:
    """A working directory: tiny.yaml, and the splits mixed (12), chosen (4), held (4) of different clips."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tiny.yaml").write_text(config)
    splits = {
        "mixed": (12, lambda i: i % 2 == 1),
        "chosen": (4, lambda i: False),
        "held": (4, lambda i: False),
    }
    for seed, (name, (count, synthetic)) in enumerate(splits.items()):
        write_split(folder / "data", name, count, seed=seed, synthetic=synthetic, first_id=1 + 100 * seed)
        edit_split(folder / "data", name, lambda content, name=name: rename_sources(content, name))
    return folder


def edit_split(root, name, change):
    """Change the JSON of a split in place."""
    file = root / "annotations" / f"person_keypoints_{name}.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def rename_sources(content, name):
    """Give a split its own clips."""
    for image in content["images"]:
        image["image_source"] = f"{name} {image['image_source']}"


def only_run(place=Path()):
    """The one run folder there is."""
    (folder,) = (place / "output").glob("tiny-*")
    return folder


def weights_of(folder, name="last"):
    """Tensors of a kept model file."""
    return torch.load(folder / f"model_{name}.pth", weights_only=True)
