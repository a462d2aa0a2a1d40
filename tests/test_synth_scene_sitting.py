"""Infants that sit hold their trunk up."""

import numpy as np

from infantsynth.body import load_body
from infantsynth.scene.places import SceneOptions
from infantsynth.scene.sample import lay_down


def test_sitters_do_not_fold_over_their_legs():
    body, options = load_body("infant"), SceneOptions(size=(160, 120), postures=("sitting",))
    leans = []
    for seed in range(8):
        joints = lay_down(body, options, np.random.default_rng(seed)).settled.keypoints
        trunk = joints[[5, 6]].mean(axis=0) - joints[[11, 12]].mean(axis=0)
        leans.append(np.degrees(np.arccos(trunk[2] / np.linalg.norm(trunk))))
    assert np.median(leans) < 25 and max(leans) < 60  # it was 46 when loose hips let the trunk fall
