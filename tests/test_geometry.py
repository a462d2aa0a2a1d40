import cv2
import numpy as np
import pytest

from fidip.geometry import (
    clip_box,
    compose,
    crop_matrix,
    flip_x,
    heatmap_matrix,
    invert,
    transform,
)

SIZES = [(288, 384), (224, 224), (96, 128)]


def three_point_matrix(box, size, rotation):
    """The published construction, point by point."""
    x, y, w, h = box
    center = np.array([x + (w - 1) / 2, y + (h - 1) / 2])
    aspect = size[0] / size[1]
    if w > aspect * h:
        h = w / aspect
    elif w < aspect * h:
        w = h * aspect
    source_width = np.array([w, h])[0] / 200 * 1.25 * 200
    r = np.pi * rotation / 180

    def turned(p):
        return np.array([p[0] * np.cos(r) - p[1] * np.sin(r), p[0] * np.sin(r) + p[1] * np.cos(r)])

    def third(a, b):
        d = a - b
        return b + np.array([-d[1], d[0]])

    source, target = np.zeros((3, 2), np.float32), np.zeros((3, 2), np.float32)
    source[0], source[1] = center, center + turned([0, (source_width - 1) * -0.5])
    target[0] = [(size[0] - 1) * 0.5, (size[1] - 1) * 0.5]
    target[1] = target[0] + np.array([0, (size[0] - 1) * -0.5])
    source[2], target[2] = third(source[0], source[1]), third(target[0], target[1])
    return cv2.getAffineTransform(source, target)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("rotation", [0.0, 30.0, -77.0, 180.0])
def test_crop_equals_the_three_point_construction(size, rotation):
    rng = np.random.default_rng(0)
    for _ in range(20):
        box = [*rng.uniform(-20, 300, 2), *rng.uniform(10, 500, 2)]
        corners = np.array([[0, 0], [640, 0], [0, 480], [640, 480], box[:2]], dtype=float)
        ours = transform(crop_matrix(box, size, rotation), corners)
        theirs = transform(three_point_matrix(box, size, rotation), corners)
        assert np.abs(ours - theirs).max() < 1e-2  # crop px; float32 points limit the reference


def test_crop_of_a_box_with_the_right_aspect_is_padded_by_a_quarter():
    matrix = crop_matrix([100, 50, 72, 96], (288, 384))
    left, right = transform(invert(matrix), [[0, 191.5], [287, 191.5]])
    assert right[0] - left[0] == pytest.approx(72 * 1.25 - 1)
    assert (left + right) / 2 == pytest.approx([100 + 71 / 2, 50 + 95 / 2])


def test_rotation_turns_the_given_direction_upright():
    matrix = crop_matrix([0, 0, 100, 100], (224, 224), rotation=90.0)
    center = np.array([49.5, 49.5])
    above = center + [10.0, 0.0]  # (0, -10) turned by 90 degrees: to the right in the picture
    turned = transform(matrix, [center, above])
    assert turned[1][0] == pytest.approx(turned[0][0])
    assert turned[1][1] < turned[0][1]


@pytest.mark.parametrize("size", SIZES)
def test_heatmap_matrix_is_the_crop_at_heatmap_size(size):
    box, small = [13.0, 7.0, 111.0, 203.0], (size[0] // 4, size[1] // 4)
    points = np.random.default_rng(1).uniform(0, 200, (9, 2))
    through_crop = transform(compose(heatmap_matrix(size, small), crop_matrix(box, size)), points)
    center, width = [13 + 110 / 2, 7 + 202 / 2], max(111, 203 * size[0] / size[1]) * 1.25
    direct = (points - center) * (small[0] - 1) / (width - 1) + (np.array(small) - 1) / 2
    # the one uniform scale of the crop and of the heatmap differ in the y size only through the centre
    assert np.abs(through_crop - direct).max() < 1e-9


def test_invert_undoes_a_batch_of_maps():
    boxes = np.random.default_rng(2).uniform(20, 90, (5, 4))
    maps = np.stack([crop_matrix(box, (224, 224), 33.0, 1.2) for box in boxes])
    points = np.random.default_rng(3).uniform(0, 300, (5, 17, 2))
    assert np.abs(transform(invert(maps), transform(maps, points)) - points).max() < 1e-9


def test_clip_box_follows_the_published_rule():
    assert clip_box([10, 20, 30, 40], 640, 480).tolist() == [10, 20, 29, 39]
    assert clip_box([-10, -5, 30, 40], 640, 480).tolist() == [0, 0, 29, 39]
    assert clip_box([620, 470, 50, 50], 640, 480).tolist() == [620, 470, 19, 9]
    assert clip_box([700, 10, 50, 50], 640, 480)[2] < 0  # outside


def test_flip_x_mirrors_pixel_centres():
    assert flip_x([[0.0, 3.0], [9.0, 4.0]], 10).tolist() == [[9.0, 3.0], [0.0, 4.0]]
