"""Boxes around poses: for a closer look, and for the next frame."""

import numpy as np
import pytest
from films import DOTS, INPUT, MAPS, ColourNet, dots, dots_predictor

from fidip.codec import HeatmapCodec
from fidip.geometry import cut, whole_frame
from fidip.predict.poses import followed_box, pose_box
from fidip.predict.predictor import LOOKS, Predictor


def test_the_box_of_a_pose_is_around_its_sure_joints():
    xy = np.array([[10.0, 20.0], [50.0, 100.0], [900.0, 900.0]])
    box = pose_box(xy, np.array([0.9, 0.8, 0.1]), 0.2, np.array([0, 0, 10, 10]))
    assert box == pytest.approx([30 - 25, 60 - 50, 50, 100])
    large = pose_box(xy, np.array([0.9, 0.8, 0.1]), 0.2, np.array([0, 0, 100, 1000]))
    assert large == pytest.approx(
        [30 - 40, 60 - 150, 80, 300]
    )  # shrinks by a fifth, but to three times at least
    last = np.array([1.0, 2.0, 3.0, 4.0])
    assert pose_box(xy, np.array([0.9, 0.1, 0.1]), 0.2, last) == pytest.approx(last)


def test_a_followed_box_does_not_close_in_on_the_sure_joints():
    """A weak network scores limbs low; frame by frame the box once left them out until only the trunk was in it."""
    xy = np.array([[80.0, 40.0], [60.0, 60.0], [100.0, 70.0], [50.0, 120.0], [115.0, 130.0]])
    score = np.array([0.9, 0.8, 0.8, 0.1, 0.15])
    box = closed_in = np.array([40.0, 20.0, 85.0, 130.0])
    for _ in range(200):
        box = followed_box(xy, score, 0.2, box)
        closed_in = pose_box(xy, score, 0.2, closed_in)
    assert (box[:2] <= xy.min(0)).all() and (box[:2] + box[2:] >= xy.max(0)).all()
    assert box[2:] == pytest.approx(1.25 * np.ptp(xy, axis=0))
    assert closed_in[2:] == pytest.approx(1.25 * np.ptp(xy[:3], axis=0))


def test_unsure_joints_never_make_a_box_larger_and_zero_scores_do_not_count():
    rng, box = np.random.default_rng(0), np.array([20.0, 20.0, 80.0, 90.0])
    sure = np.array([[40.0, 40.0], [70.0, 80.0]])
    for _ in range(100):
        before = box
        xy = np.concatenate([sure, rng.uniform(-500, 500, (3, 2))])
        box = followed_box(xy, np.array([0.9, 0.9, 0.1, 0.1, 0.0]), 0.2, box)
        assert (box[2:] <= before[2:] + 1e-9).all()
    box, nothing = np.array([20.0, 20, 37.5, 50]), np.array([[0.0, 0.0], [40.0, 40.0], [70.0, 80.0]])
    for _ in range(100):
        box = followed_box(nothing, np.array([0.0, 0.9, 0.9]), 0.2, box)
    assert box == pytest.approx([55 - 18.75, 60 - 25, 37.5, 50])


def test_a_followed_box_is_not_carried_away_by_one_wrong_joint_but_keeps_up_with_a_runner():
    rng, body = np.random.default_rng(1), np.random.default_rng(0).uniform(0, 100, (17, 2))
    score, lying = np.ones(17), np.array([-10.0, -10.0, 120.0, 120.0])
    box, middles = lying, []
    for _ in range(100):  # one frame with a limb on the wrong side, one without
        wrong = body.copy()
        wrong[rng.integers(17)] += 20 * rng.normal(size=2)
        box = followed_box(wrong, score, 0.2, box)
        middles.append(box[:2] + box[2:] / 2)
    own = pose_box(body, score, 0.2, lying)
    assert np.abs(np.array(middles) - (own[:2] + own[2:] / 2)).max() < 0.1 * own[2:].max()
    box = lying
    for step in range(1, 51):  # 0.4 of the body's length a frame, then away from the camera
        moved = body * (1 if step < 26 else 0.95 ** (step - 25)) + [40.0 * step, 0.0]
        box = followed_box(moved, score, 0.2, box)
        assert (box[:2] <= moved.min(0) + 1e-9).all() and (box[:2] + box[2:] >= moved.max(0) - 1e-9).all()
        assert (box[2:] <= 2 * 1.25 * np.ptp(moved, axis=0) + 1e-9).all()
    last = np.array([1.0, 2.0, 3.0, 4.0])
    assert followed_box(body, np.eye(17)[0], 0.2, last) == pytest.approx(last)


class MoodyNet(ColourNet):
    """As sure as ``moods`` say, one for each time that it is asked."""

    def __init__(self, moods):
        super().__init__()
        self.moods = iter(moods)

    def forward(self, images):
        features, maps = super().forward(images)
        return features, maps * next(self.moods)


def test_of_the_looks_at_a_whole_frame_the_surest_counts():
    """The last look is closest; a weak network then takes a part of the child for the whole of it, unsure."""
    image, whole = dots([np.array([230.0, 150.0])], (320, 240)), whole_frame(320, 240)
    moods = [0.7, 1.0, 0.6, 0.3]
    moody = Predictor(MoodyNet(moods), HeatmapCodec(MAPS, 1.0, 5), INPUT, DOTS)
    (look,) = moody.search([image])
    box, xy, score = look.boxes[0], look.keypoints[0], look.scores[0]
    assert len(moods) == LOOKS and next(moody.estimator.model.moods, None) is None
    plain = dots_predictor()
    first, found = (part[0] for part in plain.joints([plain.crop(image, whole)]))
    second = cut(pose_box(first, 0.7 * found, 0.2, whole), 320, 240)
    assert box == pytest.approx(second)
    (expected,), (sure,) = plain.joints([plain.crop(image, second)])
    assert xy == pytest.approx(expected, abs=1e-4) and score == pytest.approx(sure, abs=1e-4)
