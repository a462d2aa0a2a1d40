"""Movement of joints whose speed, acceleration, jerk, range and correlation are known in closed form."""

import numpy as np
import pytest
from pose_files import write_poses

from fidip.errors import ConfigError, DataError
from fidip.motion.movement import TORSOS, MovementOptions, measure, symmetry
from fidip.motion.signals import correlate, quantile
from fidip.skeleton import COCO17, side_pairs, without_side
from infantsynth.body import load_body

TORSO = 80.0  # px
LENGTH = TORSOS * TORSO
HALF = MovementOptions().window / 2
K = {name: index for index, name in enumerate(COCO17.names)}


def still(times, scale=1.0):
    """An infant at rest (N, 17, 2): the trunk upright in the picture, everything else in one place."""
    xy = np.full((len(times), 17, 2), 150.0)
    xy[:, K["left_shoulder"]], xy[:, K["right_shoulder"]] = (180, 100), (120, 100)
    xy[:, K["left_hip"]], xy[:, K["right_hip"]] = (170, 100 + TORSO), (130, 100 + TORSO)
    return xy * scale


def even(seconds, rate=30):
    return np.arange(round(seconds * rate) + 1) / rate


def uneven(seconds, rate=30, seed=0):
    steps = np.random.default_rng(seed).uniform(0.5, 1.5, round(seconds * rate * 1.1)) / rate
    times = np.insert(np.cumsum(steps), 0, 0.0)
    return np.append(times[times < seconds - 0.01], seconds)


def swing(times, frequency, along=(1.0, 0.0), phase=0.0):
    return np.sin(2 * np.pi * frequency * times + phase)[:, None] * np.asarray(along)


def measured(path, times, xy, score=None, **options):
    """Numbers of the one track; px are written to 0.01 only, so bodies are drawn large."""
    options = {"window": 0.5, **options}
    header = {"size": (3200, 2400), "rate": 30.0}
    poses = write_poses(path / "m.poses.jsonl", times, xy, score, **header)
    return measure(poses, MovementOptions(**options)).tracks[0]


@pytest.mark.parametrize("grid", [even, uneven])
@pytest.mark.parametrize("along", [(1, 0), (-0.6, 0.8)])
def test_a_sinusoid_has_its_speed_acceleration_jerk_range_and_path(tmp_path, grid, along):
    frequency, reach, periods = 0.41, 0.5, 8
    times = grid(periods / frequency + 2 * HALF)
    xy = still(times, 10)
    xy[:, K["left_wrist"]] += reach * 10 * LENGTH * swing(times, frequency, along)
    track = measured(tmp_path, times, xy)
    assert track.body_length == pytest.approx(10 * LENGTH)
    wrist, turn = track.joints["left_wrist"], 2 * np.pi * frequency
    assert wrist["time_measured"] == pytest.approx(periods / frequency, abs=0.1)
    for power, name, tolerance in ((1, "speed", 1e-3), (2, "acceleration", 3e-3), (3, "jerk", 5e-3)):
        top = reach * turn**power
        assert wrist[f"{name}_mean"] == pytest.approx(2 / np.pi * top, rel=tolerance)
        assert wrist[f"{name}_median"] == pytest.approx(top * np.sin(np.pi / 4), rel=5 * tolerance)
        assert wrist[f"{name}_p95"] == pytest.approx(top * np.sin(0.95 * np.pi / 2), rel=tolerance)
    assert wrist["range_long"] == pytest.approx(2 * reach * np.cos(0.01 * np.pi), rel=2e-3)
    assert wrist["range_short"] == pytest.approx(0, abs=1e-4)
    seconds = times[-1]
    whole = 4 * reach * np.floor(frequency * seconds) + reach * abs(np.sin(turn * seconds))
    assert wrist["path"] == pytest.approx(whole, rel=0.02)
    rest = track.joints["nose"]
    assert rest["speed_mean"] == pytest.approx(0, abs=1e-9)
    assert rest["path"] == pytest.approx(0, abs=1e-9)


def test_a_circle_has_constant_derivatives(tmp_path):
    times, turn = even(12), 2 * np.pi * 0.5
    xy = still(times, 10)
    circle = np.stack([np.cos(turn * times), np.sin(turn * times)], axis=1)
    xy[:, K["right_ankle"]] += 0.3 * 10 * LENGTH * circle
    ankle = measured(tmp_path, times, xy).joints["right_ankle"]
    for power, name in ((1, "speed"), (2, "acceleration"), (3, "jerk")):
        for kind in ("mean", "median", "p95"):
            assert ankle[f"{name}_{kind}"] == pytest.approx(0.3 * turn**power, rel=3e-3)
    assert ankle["path"] == pytest.approx(0.3 * turn * 12, rel=1e-3)
    assert ankle["range_short"] == pytest.approx(ankle["range_long"], rel=2e-3)


def moving(times, scale=10):
    """Wrists mirrored at the body's middle, the right ankle half as far as the left, knees 0.2 s apart."""
    xy = still(times, scale)
    both = swing(times, 0.4, (0.4, 0.3)) + swing(times, 0.7, (0.1, -0.2), 1.0)
    xy[:, K["left_wrist"]] += scale * LENGTH * both
    xy[:, K["right_wrist"]] += scale * LENGTH * both * [-1, 1]
    xy[:, K["left_ankle"]] += scale * LENGTH * both
    xy[:, K["right_ankle"]] += scale * LENGTH * both * [-0.5, 0.5]
    later = swing(times - 0.2, 0.4, (0.4, 0.3)) + swing(times - 0.2, 0.7, (0.1, -0.2), 1.0)
    xy[:, K["left_knee"]] += scale * LENGTH * both
    xy[:, K["right_knee"]] += scale * LENGTH * later
    return xy


def test_sides_are_compared(tmp_path):
    times = even(20)
    pairs = measured(tmp_path, times, moving(times)).pairs
    for name in ("speed", "acceleration", "jerk", "range"):
        assert pairs["wrist"][f"symmetry_{name}"] == pytest.approx(1, abs=1e-4)
        assert pairs["ankle"][f"symmetry_{name}"] == pytest.approx(2 / 3, abs=1e-4)  # 1 - 0.5 / 1.5
    for name in ("wrist", "ankle"):
        assert pairs[name]["correlation"] == pytest.approx(1, abs=1e-5)
        assert pairs[name]["lag"] == 0
    assert pairs["knee"]["correlation"] < 0.9
    assert pairs["knee"]["correlation_max"] == pytest.approx(1, abs=1e-5)
    assert pairs["knee"]["lag"] == pytest.approx(0.2, abs=1e-5)  # the right one follows
    assert pairs["hip"]["correlation"] is None  # at rest
    assert pairs["hip"]["symmetry_speed"] is None


def test_unlike_sides_do_not_correlate(tmp_path):
    times = even(40)
    xy = still(times, 10)
    xy[:, K["left_wrist"]] += 500 * swing(times, 0.4)
    xy[:, K["right_wrist"]] += 500 * swing(times, 0.4, phase=np.pi / 2)  # fast when the other turns
    wrist = measured(tmp_path, times, xy, max_lag=0.2).pairs["wrist"]
    assert wrist["correlation"] < -0.8
    assert wrist["symmetry_speed"] == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("change", ["scale", "rate", "uneven", "shift", "turn"])
def test_numbers_do_not_depend_on_the_picture_or_the_frame_rate(tmp_path, change):
    times = even(20)
    known = measured(tmp_path, times, moving(times))
    if change in ("rate", "uneven"):
        times = even(20, 50) if change == "rate" else uneven(20)
    xy = moving(times, 4 if change == "scale" else 10)
    if change == "turn":
        xy = xy @ np.array([[0, 1], [-1, 0]])
    if change == "shift":
        xy = xy + [400, -300]
    found = measured(tmp_path, times, xy)
    for joint in ("left_wrist", "right_ankle", "left_knee"):
        for name, value in known.joints[joint].items():
            if name != "noise" and not name.endswith("_floor"):
                assert found.joints[joint][name] == pytest.approx(value, rel=0.01, abs=0.002), (joint, name)
    for pair in ("wrist", "ankle", "knee"):
        for name, value in known.pairs[pair].items():
            assert found.pairs[pair][name] == pytest.approx(value, rel=0.01, abs=0.02), (pair, name)


def test_gaps_are_never_bridged(tmp_path):
    times = even(10)
    xy, score = still(times, 10), np.full((301, 17), 0.9)
    wrist = K["left_wrist"]
    xy[150:, wrist] += 500  # moved while out of sight
    score[140:151, wrist] = 0.1
    xy[140:151, wrist] = -1e4  # what is not seen has no say
    numbers = measured(tmp_path, times, xy, score)
    found = numbers.joints["left_wrist"]
    assert found["speed_p95"] == pytest.approx(0, abs=1e-9)
    assert found["path"] == pytest.approx(0, abs=1e-9)
    assert found["time_visible"] == pytest.approx(290 / 30)
    assert found["share_visible"] == pytest.approx(290 / 301)
    reach = np.ceil(HALF * 30)  # frames at each end of a stretch without a whole window
    assert found["time_measured"] == pytest.approx((139 - 2 * reach + 149 - 2 * reach) / 30, abs=1e-5)
    whole = measured(
        tmp_path, np.delete(times, slice(100, 160)), np.delete(still(times, 10), slice(100, 160), 0)
    )
    assert whole.joints["nose"]["time_visible"] == pytest.approx(241 / 30)  # 2 s are missing in the file


def test_filled_joints_do_not_count(tmp_path):
    from fidip.predict.pose_file import PoseFile
    from fidip.predict.smoothing import smooth_file

    times = even(6)
    xy, score = moving(times), np.full((181, 17), 0.9)
    score[60:64] = 0.05
    poses = write_poses(tmp_path / "a.poses.jsonl", times, xy, score)
    smooth = smooth_file(poses, tmp_path / "b.poses.jsonl", "savgol")
    assert any(frame.filled[0].all() for frame in PoseFile(smooth.path))
    before, after = (measure(some).tracks[0].joints["left_wrist"] for some in (poses, smooth))
    assert after["time_visible"] == before["time_visible"]
    assert after["time_measured"] == before["time_measured"]


def test_noise_and_what_it_feigns_are_told(tmp_path):
    times = even(60)
    rng = np.random.default_rng(0)
    noise = 0.004
    xy = still(times, 10) + rng.normal(0, noise * 10 * LENGTH, (len(times), 17, 2))
    numbers = measured(tmp_path, times, xy, body_length=10 * LENGTH).joints["nose"]
    assert numbers["noise"] == pytest.approx(noise, rel=0.03)
    for name in ("speed", "acceleration", "jerk"):
        assert numbers[f"{name}_mean"] == pytest.approx(numbers[f"{name}_floor"], rel=0.06)


def test_a_body_length_is_that_of_the_packaged_infants():
    torch = pytest.importorskip("torch")
    from infantsynth.body.bake.proportions import height

    body = load_body("infant")
    for months in range(13):
        betas = torch.as_tensor(body.months_to_betas(months))[None]
        out = body(betas, torch.zeros(1, len(body.joint_names), 3), torch.zeros(1, 3))
        joints = out.keypoints[0].double().numpy()
        torso = np.linalg.norm(joints[[5, 6]].mean(axis=0) - joints[[11, 12]].mean(axis=0))
        assert height(out.vertices[0].double().numpy()) / torso == pytest.approx(TORSOS, rel=0.025)


def test_body_length_survives_a_few_wrong_frames(tmp_path):
    times = even(4)
    xy = still(times, 10)
    xy[:20, K["left_hip"]] += 900
    assert measured(tmp_path, times, xy).body_length == pytest.approx(10 * LENGTH)


def test_statistics_by_hand():
    assert symmetry(3, 1) == 0.5
    assert symmetry(0, 2) == 0
    assert symmetry(0, 0) is None
    assert quantile(np.array([3.0, 1.0, 9.0]), np.array([1.0, 1.0, 0.0]), 0.5) == 2
    assert quantile(np.array([0.0, 10.0]), np.array([3.0, 1.0]), 0.5) == pytest.approx(2.5)
    times = np.arange(200) / 20
    left = np.random.default_rng(0).normal(size=200)
    right = np.roll(left, -3)
    right[50:60] = np.nan
    zero, best, lag = correlate(times, left, right, 0.05, 0.5)
    assert zero < 0.3
    assert best == pytest.approx(1)
    assert lag == pytest.approx(-0.15)  # the left one follows
    assert correlate(times, left, np.full(200, np.nan), 0.05, 0.5) == (None, None, None)


@pytest.mark.parametrize("count", [2, 5, 12, 20])
def test_short_recordings_have_no_derivatives(tmp_path, count):
    times = even(1)[:count]
    track = measured(tmp_path, times, moving(times))
    wrist = track.joints["left_wrist"]
    assert wrist["time_visible"] == pytest.approx(count / 30, abs=1e-5)
    assert (wrist["speed_mean"] is None) == (count < 18)
    assert (track.pairs["wrist"]["symmetry_speed"] is None) == (count < 18)


def test_sides_are_told_by_names():
    names = (
        "left_wrist",
        "nose",
        "right_wrist",
        "RightKnee",
        "LeftKnee",
        "l_hip",
        "r_hip",
        "shell",
        "left_toe",
    )
    assert side_pairs(names) == ((0, 2), (4, 3), (5, 6))
    assert [without_side(name) for name in names[:7]] == [
        "wrist",
        "nose",
        "wrist",
        "Knee",
        "Knee",
        "hip",
        "hip",
    ]
    assert without_side("ankle_left_outer") == "ankle_outer"
    assert side_pairs(COCO17.names) == COCO17.flip_pairs


def test_what_cannot_be_measured_is_named(tmp_path):
    times = even(3)
    score = np.full((91, 17), 0.9)
    score[:, K["left_hip"]] = 0.0
    with pytest.raises(
        DataError, match=r"track 0: shoulders and hips are never seen together.*--body-length"
    ):
        measured(tmp_path, times, still(times), score)
    given = measured(tmp_path, times, still(times), score, body_length=300.0)
    assert given.joints["left_hip"]["speed_mean"] is None
    assert given.joints["left_hip"]["time_visible"] == 0
    with pytest.raises(ConfigError, match="the order 3 or more"):
        MovementOptions(order=2)
    short = write_poses(tmp_path / "s.poses.jsonl", times[:1], still(times[:1]))
    with pytest.raises(DataError, match="1 frames show no movement"):
        measure(short)
    pictures = write_poses(tmp_path / "p.poses.jsonl", times, still(times), rate=0.0)
    with pytest.raises(DataError, match="made from pictures"):
        measure(pictures)
