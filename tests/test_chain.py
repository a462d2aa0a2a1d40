"""A perfect network must score AP 1.0 through crop, target, decoding, inverse map and evaluation."""

import numpy as np
import pytest
import torch
from figures import write_split
from torch import nn
from torch.utils.data import DataLoader

from fidip.codec import HeatmapCodec
from fidip.data.augment import CropPolicy
from fidip.data.dataset import PoseDataset
from fidip.data.records import find_split, load_records, read_split
from fidip.evaluation import CocoEvaluator
from fidip.inference import Estimator, save_features
from fidip.pixels import normalise
from fidip.skeleton import COCO17
from fidip.testing import predict


class Oracle(nn.Module):
    """Knows the target heatmaps of every crop, and of every mirrored crop."""

    def __init__(self, dataset):
        super().__init__()
        self.known = {}
        for i in range(len(dataset)):
            sample = dataset[i]
            pixels = normalise(sample["image"][None])
            self.known[pixels.numpy().tobytes()] = sample["target"]
            mirrored = sample["target"].flip(2)[COCO17.flip_order]
            self.known[pixels.flip(3).contiguous().numpy().tobytes()] = mirrored

    def forward(self, images):
        maps = torch.stack([self.known[image[None].contiguous().numpy().tobytes()] for image in images])
        return maps.mean(dim=1, keepdim=True), maps


def setup(tmp_path, size, sigma):
    content = write_split(tmp_path, "infants", 12, seed=4, size=(320, 240))
    split = find_split("infants", tmp_path)
    records = load_records(split, read_split(split, COCO17), COCO17)
    codec = HeatmapCodec((size[0] // 4, size[1] // 4), sigma)
    dataset = PoseDataset(records, CropPolicy(size, COCO17), codec)
    return content, split, records, codec, dataset


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize(("size", "sigma"), [((288, 384), 3.0), ((224, 224), 2.0), ((192, 256), 2.0)])
def test_a_perfect_network_scores_one(tmp_path, size, sigma, flip):
    content, split, records, codec, dataset = setup(tmp_path, size, sigma)
    estimator = Estimator(Oracle(dataset), codec, size, COCO17, torch.device("cpu"), flip=flip)
    evaluator = CocoEvaluator(split.annotation_file, area="bbox")
    predict(estimator, DataLoader(dataset, batch_size=5), records, [1e4] * len(records), evaluator)
    metrics = evaluator.summarize()
    assert metrics["AP"] == metrics["AR"] == metrics["AP75"] == 1.0
    truth = {a["image_id"]: np.reshape(a["keypoints"], (17, 3))[:, :2] for a in content["annotations"]}
    errors = [
        np.abs(np.reshape(r["keypoints"], (17, 3))[:, :2] - truth[r["image_id"]]).max()
        for r in evaluator.results()
    ]
    assert max(errors) < 0.02  # image px


def test_a_shifted_network_does_not(tmp_path):
    _, split, records, codec, dataset = setup(tmp_path, (224, 224), 2.0)
    oracle = Oracle(dataset)
    oracle.known = {key: maps.roll(6, dims=2) for key, maps in oracle.known.items()}
    estimator = Estimator(oracle, codec, (224, 224), COCO17, torch.device("cpu"), flip=False)
    evaluator = CocoEvaluator(split.annotation_file, area="bbox")
    predict(estimator, DataLoader(dataset, batch_size=5), records, [1e4] * len(records), evaluator)
    assert evaluator.summarize()["AP"] < 0.3


def test_features_are_streamed_row_by_record(tmp_path):
    _, _, records, codec, dataset = setup(tmp_path, (224, 224), 2.0)
    estimator = Estimator(Oracle(dataset), codec, (224, 224), COCO17, torch.device("cpu"))
    loader = DataLoader(dataset, batch_size=5)
    file = tmp_path / "features.npy"
    passed = list(save_features(estimator.run(loader), file, len(records)))
    rows = np.load(file, mmap_mode="r")
    assert rows.shape == (12, 1, 56, 56) and rows.dtype == np.float16 and len(passed) == 3
    expected = dataset[7]["target"].mean(dim=0).numpy()
    assert np.abs(rows[7, 0] - expected).max() < 1e-3


def test_an_interrupted_stream_leaves_no_file(tmp_path):
    _, _, records, codec, dataset = setup(tmp_path, (224, 224), 2.0)
    estimator = Estimator(Oracle(dataset), codec, (224, 224), COCO17, torch.device("cpu"))
    stream = save_features(estimator.run(DataLoader(dataset, batch_size=5)), tmp_path / "f.npy", len(records))
    next(stream)
    stream.close()
    assert not list(tmp_path.glob("*f.npy*"))
