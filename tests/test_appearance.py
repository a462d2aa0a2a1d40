import numpy as np
import pytest
import torch
from figures import write_split
from torch.utils.data import DataLoader

from fidip.codec import HeatmapCodec
from fidip.data.appearance import AppearancePolicy
from fidip.data.augment import CropPolicy
from fidip.data.dataset import PoseDataset
from fidip.data.records import find_split, load_records, read_split
from fidip.skeleton import COCO17

ALL = AppearancePolicy(1.0, 0.4, 0.4, 0.4, 0.1, 0.3, 2.0, 20.0, 30, 0.5)


def image(seed=0, size=(48, 64)):
    smooth = np.random.default_rng(seed).uniform(60, 190, (3, 6, 8)).astype(np.float32)
    up = torch.nn.functional.interpolate(torch.from_numpy(smooth)[None], size=size, mode="bilinear")[0]
    return up.round().to(torch.uint8)


def apply(policy, seed=1, source=None):
    return policy(image() if source is None else source, np.random.default_rng(seed))


def test_equal_generators_give_equal_bytes_and_the_input_stays():
    source = image()
    before = source.clone()
    first, again = apply(ALL, 3, source), apply(ALL, 3, source)
    assert torch.equal(first, again) and torch.equal(source, before)
    assert first.dtype == torch.uint8 and first.shape == source.shape
    assert not torch.equal(first, apply(ALL, 4, source))


def test_the_defaults_change_nothing():
    assert torch.equal(apply(AppearancePolicy(1.0)), image())


@pytest.mark.parametrize(
    ("key", "value"),
    [("brightness", 0.5), ("contrast", 0.5), ("saturation", 0.5), ("hue", 0.2), ("grey", 1.0), ("blur", 3.0),
     ("noise", 30.0), ("jpeg", 10), ("erase", 1.0)],
)  # fmt: skip
def test_each_effect_alone_changes_the_image(key, value):
    changed = [apply(AppearancePolicy(1.0, **{key: value}), seed) for seed in range(4)]
    assert any(not torch.equal(one, image()) for one in changed)
    if key not in ("grey", "erase"):  # those have shares of their own
        assert torch.equal(apply(AppearancePolicy(0.0, **{key: value})), image())


def test_switching_an_effect_off_leaves_the_others_as_they_were():
    both = AppearancePolicy(1.0, brightness=0.4, noise=0.0, erase=1.0)
    only = AppearancePolicy(1.0, erase=1.0)
    changed = (apply(only) != image()).any(0)
    factor = 1 + 0.4 * np.random.default_rng(1).uniform(-1, 1, 14)[7]  # the first seven draws choose
    expected = (apply(only)[:, ~changed].float() * factor).clamp(0, 255)
    torch.testing.assert_close(apply(both)[:, ~changed].float(), expected.floor(), atol=1.0, rtol=0)


def test_brightness_noise_and_grey_have_the_stated_size():
    flat = torch.full((3, 64, 64), 100, dtype=torch.uint8)
    bright = [apply(AppearancePolicy(1.0, brightness=0.3), s, flat).float().mean() for s in range(60)]
    assert 69 <= min(bright) < 80 and 120 < max(bright) <= 131
    noise = [apply(AppearancePolicy(1.0, noise=10.0), s, flat).float().std().item() for s in range(40)]
    assert 8 < max(noise) < 10.3
    grey = apply(AppearancePolicy(0.0, grey=1.0))
    assert torch.equal(grey[0], grey[1]) and torch.equal(grey[0], grey[2])


def test_erased_patches_are_rectangles_of_the_stated_size():
    flat = torch.full((3, 100, 200), 7, dtype=torch.uint8)
    policy = AppearancePolicy(0.0, erase=1.0, erase_count=1, erase_size=0.3)
    shares = []
    for seed in range(50):
        rows, columns = torch.where((apply(policy, seed, flat) != 7).any(0))
        height, width = rows.max() - rows.min() + 1, columns.max() - columns.min() + 1
        assert height <= 30 and width <= 60
        shares.append(len(rows) / (height * width))
    assert min(shares) > 0.9  # nothing but the patch changed


def test_datasets_repeat_bit_by_bit_with_and_without_workers(tmp_path):
    write_split(tmp_path, "train", 4)
    split = find_split("train", tmp_path)
    records = load_records(split, read_split(split, COCO17), COCO17)
    policy = CropPolicy((64, 64), COCO17, rotation=30.0, rotation_probability=1.0)
    draws = [[(i % len(records), n) for n, i in enumerate(range(6))]]

    def batch(workers, appearance=ALL):
        data = PoseDataset(records, policy, HeatmapCodec((16, 16), 2.0), 5, appearance=appearance)
        return next(iter(DataLoader(data, batch_sampler=draws, num_workers=workers)))

    alone, shared, plain = batch(0), batch(2), batch(0, None)
    assert torch.equal(alone["image"], shared["image"])
    assert not torch.equal(alone["image"], plain["image"])
    assert torch.equal(alone["target"], plain["target"])  # keypoints do not move
    data = PoseDataset(records, policy, HeatmapCodec((16, 16), 2.0), 5, appearance=ALL)
    bare = PoseDataset(records, policy, HeatmapCodec((16, 16), 2.0), 5)
    assert torch.equal(data[0]["image"], bare[0]["image"])  # testing sees images as they are
