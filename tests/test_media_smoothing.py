"""Smoothing against scipy's filter, the published One-Euro rules, and motions known in closed form."""

import json
import math

import numpy as np
import pytest
from pose_files import frame_of, person_at, read_xy, write_frames, write_poses
from scipy.signal import savgol_filter

from fidip.errors import ConfigError, DataError
from fidip.predict.smoothing import OneEuro, local_fit, smooth_file

RATE = 30
JOINTS = ("a", "b", "c")


def even(count, rate=RATE):
    return np.arange(count) / rate


def uneven(count, rate=RATE, seed=0):
    """Times whose steps differ fourfold."""
    return np.cumsum(np.random.default_rng(seed).uniform(0.4, 1.6, count)) / rate


@pytest.mark.parametrize(("order", "derivative"), [(2, 0), (3, 1), (4, 2), (5, 3)])
def test_local_fit_is_savitzky_golay_on_an_even_grid(order, derivative):
    values = np.random.default_rng(0).normal(300, 50, (200, 4))
    fitted = local_fit(even(200), values, 12 / RATE, order, derivative)[derivative]
    known = savgol_filter(values, 13, order, deriv=derivative, delta=1 / RATE, axis=0)
    assert np.abs(fitted - known).max() < 1e-12 * np.abs(known).max() * RATE**derivative


def test_local_fit_gives_polynomials_back_on_any_grid():
    times = uneven(120)
    polynomial = np.polynomial.Polynomial([200, -30, 15, 4, -3])
    fitted = local_fit(times, polynomial(times)[:, None], 0.5, 4, 3)
    for degree in range(4):
        known = polynomial.deriv(degree)(times) if degree else polynomial(times)
        np.testing.assert_allclose(fitted[degree, :, 0], known, rtol=1e-6, atol=1e-6)


def test_local_fit_of_few_samples():
    assert local_fit(np.array([2.0]), np.array([[7.0, 8.0]]), 0.4, 3, 1).tolist() == [[[7, 8]], [[0, 0]]]
    sparse = np.random.default_rng(1).normal(size=(30, 2))  # 2 frames/s: no window holds two of them
    np.testing.assert_allclose(local_fit(even(30, 2), sparse, 0.4, 3)[0], sparse, atol=1e-12)


def test_filter_is_the_published_one_in_one_dimension():
    times, rng = uneven(80), np.random.default_rng(2)
    x = 100 * np.sin(3 * times) + rng.normal(0, 2, 80)
    one_euro = OneEuro(1, min_cutoff=1.2, beta=0.03)
    ours = [one_euro.step(t, np.array([[v, 5.0]]), np.ones(1))[0] for t, v in zip(times, x, strict=True)]
    smooth, speed = x[0], 0.0
    for i in range(1, 80):
        step = times[i] - times[i - 1]
        weight = 1 / (1 + 1 / (2 * math.pi * 1.0) / step)
        speed = weight * (x[i] - smooth) / step + (1 - weight) * speed
        weight = 1 / (1 + 1 / (2 * math.pi * (1.2 + 0.03 * abs(speed))) / step)
        smooth = weight * x[i] + (1 - weight) * smooth
        assert ours[i][0] == pytest.approx(smooth, abs=1e-9)
        assert ours[i][1] == pytest.approx(5.0, abs=1e-12)


def test_filter_starts_anew_after_a_gap_and_leaves_unseen_joints_alone():
    one_euro, score = OneEuro(2, max_gap=0.2), np.array([0.9, 0.9])
    xy = np.array([[10.0, 20.0], [30.0, 40.0]])
    for i in range(5):
        one_euro.step(0.1 * i, xy, score)
    moved = xy + 50
    hidden = one_euro.step(0.5, moved, np.array([0.9, 0.1]))
    assert 10 < hidden[0, 0] < 60  # drawn to where it was
    assert hidden[1].tolist() == [80, 90]
    back = one_euro.step(0.65, moved, score)
    assert 10 < back[0, 0] < 60
    assert back[1].tolist() == [80, 90]  # 0.25 s after it was seen: a new start
    assert one_euro.step(0.1, xy, score).tolist() == xy.tolist()  # time ran back: another video


def wave(times):
    """Three joints on smooth paths (N, 3, 2)."""
    phases = np.array([0.0, 1.0, 2.0])
    angle = 2 * np.pi * 0.7 * times[:, None] + phases
    return np.stack([160 + 60 * np.cos(angle), 120 + 40 * np.sin(angle)], axis=2)


@pytest.mark.parametrize("grid", [even, uneven])
def test_noise_is_lowered_and_motion_kept(tmp_path, grid):
    times = grid(300)
    noisy = wave(times) + np.random.default_rng(3).normal(0, 2, (300, 3, 2))
    poses = write_poses(tmp_path / "a.poses.jsonl", times, noisy, joints=JOINTS)
    _, xy, score, filled = read_xy(smooth_file(poses, tmp_path / "b.poses.jsonl", "savgol"))
    before, after = (np.sqrt(np.mean((some - wave(times)) ** 2)) for some in (noisy, xy))
    assert after < 0.6 * before
    assert not filled.any()
    assert (score == 0.9).all()
    clean = write_poses(tmp_path / "c.poses.jsonl", times, wave(times), joints=JOINTS)
    _, xy, *_ = read_xy(smooth_file(clean, tmp_path / "d.poses.jsonl", "savgol"))
    assert np.abs(xy - wave(times)).max() < 0.6 / 100 * 60


def test_short_gaps_are_filled_and_flagged_and_long_ones_emptied(tmp_path):
    times = even(120)
    score = np.full((120, 3), 0.9)
    score[20:26, 0] = 0.1  # 0.233 s between the seen samples
    score[50:60, 0] = 0.1  # 0.367 s
    score[:5, 1] = 0.05  # nothing before it
    noisy = wave(times)
    noisy[score < 0.2] += 70  # where the network guessed
    poses = write_poses(tmp_path / "a.poses.jsonl", times, noisy, score, joints=JOINTS)
    out = smooth_file(poses, tmp_path / "b.poses.jsonl", "savgol", max_gap=0.25)
    _, xy, new, filled = read_xy(out)
    assert np.flatnonzero(filled[:, 0]).tolist() == list(range(20, 26))
    assert not filled[:, 1:].any()
    # right at a turn, which a curve that stays between its neighbours cuts off
    assert np.abs(xy[20:26, 0] - wave(times)[20:26, 0]).max() < 0.1 * 60
    assert (new[20:26, 0] == 0.1).all()  # the network's own word
    for gap in (np.s_[50:60, 0], np.s_[:5, 1]):
        assert (new[gap] == 0).all()
        assert (xy[gap] == 0).all()
    assert "NaN" not in out.path.read_text()
    again = smooth_file(
        out, tmp_path / "c.poses.jsonl", "savgol", max_gap=0.25
    )  # filled joints were not seen
    assert (read_xy(again)[3] == filled).all()


def test_filling_never_leaves_the_range_of_its_neighbours(tmp_path):
    times = even(40)
    xy = np.zeros((40, 1, 2))
    xy[20:] = 100.0  # a leap in the gap
    score = np.full((40, 1), 0.9)
    score[17:23] = 0.0
    poses = write_poses(tmp_path / "a.poses.jsonl", times, xy, score, joints=("a",))
    _, smooth, _, filled = read_xy(
        smooth_file(poses, tmp_path / "b.poses.jsonl", "savgol", order=0, max_gap=0.3)
    )
    assert filled[17:23].all()
    inside = smooth[16:24, 0, 0]
    assert (np.diff(inside) >= 0).all()
    assert inside[0] >= 0
    assert inside[-1] <= 100


def test_a_person_that_is_missing_for_a_moment_is_put_in(tmp_path):
    times = even(60)
    present = np.ones(60, dtype=bool)
    present[[30, 31]] = present[45:] = False
    poses = write_poses(tmp_path / "a.poses.jsonl", times, wave(times), present=present, joints=JOINTS)
    frames = list(smooth_file(poses, tmp_path / "b.poses.jsonl", "savgol"))
    assert [frame.index for frame in frames if not frame] == list(range(45, 60))
    put_in = frames[30][0]
    assert put_in.filled[0].all()
    assert put_in.scores[0].tolist() == [0, 0, 0]
    assert put_in.box_from[0] == "track"
    boxes = [frame.boxes[0] for frame in frames[29:33]]
    np.testing.assert_allclose(boxes[1], (2 * boxes[0] + boxes[3]) / 3, atol=0.011)
    assert np.abs(put_in.keypoints[0] - wave(times)[30]).max() < 1


def test_persons_are_smoothed_apart(tmp_path):
    times = even(50)
    frames = [
        frame_of(
            i, t, (person_at(wave(times)[i], np.ones(3), 4), person_at(wave(times)[i] + 100, np.ones(3), 2))
        )
        for i, t in enumerate(times)
    ]
    poses = write_frames(tmp_path / "a.poses.jsonl", frames, JOINTS)
    for method in ("savgol", "one-euro"):
        for frame in smooth_file(poses, tmp_path / f"{method}.poses.jsonl", method):
            first, second = frame
            assert (first.track[0], second.track[0]) == (4, 2)
            np.testing.assert_allclose(first.keypoints[0] + 100, second.keypoints[0], atol=0.011)


def test_one_euro_file_equals_the_filter_in_the_stream(tmp_path):
    times = uneven(60)
    noisy = np.round(wave(times) + np.random.default_rng(4).normal(0, 2, (60, 3, 2)), 2)
    poses = write_poses(tmp_path / "a.poses.jsonl", np.round(times, 6), noisy, joints=JOINTS)
    _, xy, *_ = read_xy(smooth_file(poses, tmp_path / "b.poses.jsonl", "one-euro", beta=0.05))
    one_euro = OneEuro(3, beta=0.05)
    for row, time in enumerate(np.round(times, 6)):
        known = one_euro.step(time, noisy[row], np.full(3, 0.9))
        np.testing.assert_allclose(xy[row], known, atol=0.0051)


def test_what_cannot_be_smoothed_is_named(tmp_path):
    poses = write_poses(tmp_path / "a.poses.jsonl", even(5), wave(even(5)), joints=JOINTS)
    out = tmp_path / "b.poses.jsonl"
    with pytest.raises(ConfigError, match="choose from one-euro, savgol"):
        smooth_file(poses, out, "kalman")
    with pytest.raises(ConfigError, match="unknown smoothing option windw"):
        smooth_file(poses, out, "savgol", windw=1)
    with pytest.raises(ConfigError, match="window is too small"):
        smooth_file(poses, out, "savgol", window=0)
    pictures = write_poses(tmp_path / "p.poses.jsonl", even(5), wave(even(5)), joints=JOINTS, rate=0.0)
    with pytest.raises(DataError, match="pictures, which have no time"):
        smooth_file(pictures, out, "savgol")
    still = write_poses(tmp_path / "s.poses.jsonl", [0, 1, 1], wave(even(3)), joints=JOINTS)
    with pytest.raises(DataError, match="frame 2: its time 1 s is not after"):
        smooth_file(still, out, "savgol")
    twice = frame_of(0, 0.0, (person_at(wave(even(1))[0], np.ones(3)),) * 2)
    with pytest.raises(DataError, match="two persons have the same track"):
        smooth_file(write_frames(tmp_path / "t.poses.jsonl", [twice], JOINTS), out, "savgol")
    assert not out.exists()
    assert len(list(tmp_path.iterdir())) == 4  # nothing half-written either


def test_header_and_unknown_frames_survive(tmp_path):
    poses = write_poses(tmp_path / "a.poses.jsonl", even(5), wave(even(5)), joints=JOINTS)
    out = smooth_file(poses, tmp_path / "b c ä.poses.jsonl", "savgol")
    assert out.header == poses.header
    lines = out.path.read_text().splitlines()
    assert len(lines) == 6
    assert all(json.loads(line) for line in lines)
