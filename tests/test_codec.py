import cv2
import numpy as np
import pytest
import torch

from fidip.codec import REACH, HeatmapCodec


def dark_reference(maps, kernel):
    """The described procedure for (K, H, W) maps, joint by joint."""
    height, width = maps.shape[1:]
    result = np.zeros((len(maps), 2))
    for k, original in enumerate(maps):
        peak = original.max()
        if peak <= 0:
            continue
        py, px = np.unravel_index(original.argmax(), original.shape)
        result[k] = px, py
        border = (kernel - 1) // 2
        padded = np.zeros((height + 2 * border, width + 2 * border), np.float64)
        padded[border:-border, border:-border] = original
        blurred = cv2.GaussianBlur(padded, (kernel, kernel), 0)[border:-border, border:-border]
        m = np.log(np.maximum(blurred * peak / blurred.max(), 1e-10))
        if not (1 < px < width - 2 and 1 < py < height - 2):
            continue
        dx, dy = 0.5 * (m[py, px + 1] - m[py, px - 1]), 0.5 * (m[py + 1, px] - m[py - 1, px])
        dxx = 0.25 * (m[py, px + 2] - 2 * m[py, px] + m[py, px - 2])
        dyy = 0.25 * (m[py + 2, px] - 2 * m[py, px] + m[py - 2, px])
        dxy = 0.25 * (m[py + 1, px + 1] - m[py - 1, px + 1] - m[py + 1, px - 1] + m[py - 1, px - 1])
        if dxx * dyy - dxy**2 != 0:
            hessian = np.array([[dxx, dxy], [dxy, dyy]])
            step = np.linalg.inv(hessian) @ [dx, dy]
            result[k] -= step if np.abs(step).max() <= REACH else 0
    return result


# With sigma 1 the sampled three-tap blur is no Gaussian any more: the described procedure itself is off by 0.01.
@pytest.mark.parametrize(
    ("size", "sigma", "kernel", "tolerance"),
    [((72, 96), 3.0, 11, 1e-3), ((56, 56), 2.0, 11, 1e-3), ((24, 32), 1.0, 3, 2e-2)],
)
def test_round_trip_is_subpixel(size, sigma, kernel, tolerance):
    rng = np.random.default_rng(0)
    codec = HeatmapCodec(size, sigma, kernel)
    margin = 3 * sigma + 4
    xy = rng.uniform([margin, margin], np.array(size) - margin, (17, 2))
    maps, weights = codec.encode(xy, np.ones(17))
    decoded, score = codec.decode(maps[None])
    assert weights.all()
    assert np.abs(decoded[0] - xy).max() < tolerance  # heatmap px
    assert score.min() > np.exp(-(0.5**2 + 0.5**2) / (2 * sigma**2)) - 1e-6


@pytest.mark.parametrize("kernel", [3, 5, 7, 11, 17])
def test_decoding_equals_the_described_procedure(kernel):
    rng = np.random.default_rng(kernel)
    codec = HeatmapCodec((72, 96), 3.0, blur_kernel=kernel)
    xy = rng.uniform([-4, -4], [76, 100], (40, 2))  # peaks on and beyond the border too
    maps, _ = codec.encode(xy, np.ones(40))
    maps = maps * rng.uniform(0.2, 1.0, (40, 1, 1)).astype(np.float32)
    maps += (
        cv2.GaussianBlur(rng.normal(0, 0.3, (96, 72, 40)), (9, 9), 0).transpose(2, 0, 1).astype(np.float32)
    )
    decoded, _ = codec.decode(maps[None])
    expected = dark_reference(maps, kernel)
    assert np.abs(decoded[0] - expected).max() < 1e-3


def test_torch_and_numpy_agree_and_keep_their_kind():
    codec = HeatmapCodec((56, 56), 2.0)
    maps = np.random.default_rng(1).random((2, 3, 56, 56), dtype=np.float32)
    xy, score = codec.decode(maps)
    xy_torch, score_torch = codec.decode(torch.from_numpy(maps))
    assert isinstance(xy, np.ndarray) and isinstance(xy_torch, torch.Tensor)
    assert np.array_equal(xy, xy_torch.numpy()) and np.array_equal(score, score_torch.numpy())


def test_maps_without_a_positive_value_give_the_origin():
    codec = HeatmapCodec((24, 32), 2.0)
    maps = np.stack([np.zeros((32, 24)), -np.ones((32, 24)), np.full((32, 24), -0.5)])[None].astype(
        np.float32
    )
    maps[0, 2, 20, 10] = -0.1
    xy, score = codec.decode(maps)
    assert np.array_equal(xy, np.zeros((1, 3, 2)))
    assert score.max() <= 0


def test_peaks_at_the_border_keep_their_integer_position():
    codec = HeatmapCodec((24, 32), 2.0)
    maps = np.zeros((1, 2, 32, 24), np.float32)
    maps[0, 0, 0, 5] = 1
    maps[0, 1, 31, 23] = 1
    xy, _ = codec.decode(maps)
    assert xy[0].tolist() == [[5, 0], [23, 31]]


def test_flat_maps_have_a_singular_hessian_and_stay():
    xy, _ = HeatmapCodec((24, 24), 2.0, blur_kernel=1).decode(np.ones((1, 1, 24, 24), np.float32))
    assert xy.tolist() == [[[0, 0]]]
    plateau = np.full((1, 1, 24, 24), 0.5, np.float32)
    plateau[0, 0, 8:15, 8:15] = 1
    xy, _ = HeatmapCodec((24, 24), 2.0, blur_kernel=1).decode(plateau)
    assert np.abs(xy - 8).max() <= REACH


@pytest.mark.parametrize("blur_kernel", [1, 5, 11])
def test_no_joint_leaves_a_nearly_flat_map(blur_kernel):
    """Hessians that are nearly singular once threw joints thousands of pixels out of the picture."""
    noise = np.random.default_rng(0).normal(size=(1, 2000, 24, 32)).astype(np.float32)
    maps = 1 / 768 + 1e-5 * noise
    xy, _ = HeatmapCodec((32, 24), 2.0, blur_kernel).decode(maps)
    index = maps.reshape(1, 2000, -1).argmax(axis=2)
    peak = np.stack([index % 32, index // 32], axis=-1)
    assert np.abs(xy - peak).max() <= REACH


def test_without_blur_kernel_the_plain_maximum_is_returned():
    codec = HeatmapCodec((72, 96), 3.0, blur_kernel=0)
    maps, _ = codec.encode(np.array([[20.4, 30.6]]), np.ones(1))
    assert codec.decode(maps[None])[0].tolist() == [[[20, 31]]]


def test_encoding_weights_follow_visibility_and_the_three_sigma_window():
    codec = HeatmapCodec((72, 96), 3.0)
    xy = np.array([[36, 48], [36, 48], [-9.5, 5], [-10.5, 5], [80.9, 5], [81.1, 5], [np.nan, np.nan]])
    maps, weights = codec.encode(xy, np.array([2, 0, 1, 1, 1, 1, 0]))
    assert weights.tolist() == [1, 0, 1, 0, 1, 0, 0]
    assert maps[1].max() == 0 and maps[3].max() == 0 and np.isfinite(maps).all()
    assert maps[0].max() == 1 and maps.dtype == np.float32
    assert maps[0, 48, 39] == pytest.approx(np.exp(-0.5))
    far = np.exp(-(36**2 + 48**2) / 18)
    assert maps[0, 0, 0] == pytest.approx(far, rel=1e-4)  # not truncated at 3 sigma


def test_wrong_shapes_and_options_are_refused():
    codec = HeatmapCodec((72, 96), 3.0)
    with pytest.raises(ValueError, match="expected maps of 96x72"):
        codec.decode(np.zeros((1, 1, 72, 96), np.float32))
    with pytest.raises(ValueError, match="odd"):
        HeatmapCodec((72, 96), 3.0, blur_kernel=10)
    with pytest.raises(ValueError, match="positive"):
        HeatmapCodec((72, 96), 0.0)
