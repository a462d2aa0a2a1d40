"""The person detector: its names, its weights, what it passes on."""

import numpy as np
import pytest
import torch
import torchvision

from fidip.errors import ConfigError, WeightsError
from fidip.predict.finder import DEFAULT, PERSON, Detector, detector_names

SMALL = "ssdlite320_mobilenet_v3_large"


class Found(torch.nn.Module):
    """A detector that always finds the same: two persons, one of them hardly, and a dog."""

    def forward(self, images):
        (image,) = images
        assert image.shape == (3, 120, 160) and image.min() >= 0 and image.max() <= 1
        boxes = torch.tensor([[10.0, 20, 40, 80], [50, 20, 90, 90], [0, 0, 9, 9], [1, 2, 3, 4]])
        labels = torch.tensor([PERSON, PERSON, 18, PERSON])
        return [{"boxes": boxes, "labels": labels, "scores": torch.tensor([0.6, 0.9, 0.99, 0.1])}]


def test_sure_persons_are_passed_on_the_surest_first(monkeypatch):
    monkeypatch.setattr("fidip.predict.finder._network", lambda name, weights: Found())
    boxes = Detector(DEFAULT)(np.full((120, 160, 3), 255, np.uint8))
    assert boxes.tolist() == [[50, 20, 40, 70], [10, 20, 30, 60]]
    assert Detector(DEFAULT, least_score=0.95)(np.zeros((120, 160, 3), np.uint8)).shape == (0, 4)


def test_weights_come_from_a_file(tmp_path):
    torch.manual_seed(0)
    net = torchvision.models.get_model(SMALL, weights=None, weights_backbone=None)
    torch.save(net.state_dict(), tmp_path / "d.pth")
    detector = Detector(SMALL, tmp_path / "d.pth", least_score=0.0)
    for name, value in net.state_dict().items():
        assert torch.equal(value, detector.net.state_dict()[name])
    boxes = detector(np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8))
    assert boxes.shape[1] == 4 and np.isfinite(boxes).all()


def test_the_default_is_known_and_other_names_are_refused():
    assert DEFAULT in detector_names() and SMALL in detector_names()
    with pytest.raises(ConfigError, match=r"unknown detector 'yolo'; choose from .*retinanet"):
        Detector("yolo")


def test_weights_that_cannot_be_fetched_say_what_to_do(monkeypatch):
    def offline(*arguments, **options):
        raise OSError("no route to host")

    monkeypatch.setattr(torchvision.models, "get_model", offline)
    with pytest.raises(WeightsError, match=r"no route to host.*--detector-weights"):
        Detector(DEFAULT)
