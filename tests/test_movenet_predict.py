"""The packaged default in use: found without a box, in any orientation, and nobody where nobody is."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import fidip
from fidip.cli import COMMANDS
from fidip.cli import main as console
from fidip.errors import ConfigError, FidipError
from fidip.pixels import read_rgb
from fidip.predict.finder import Finder
from fidip.predict.follow import Follower, Plan
from fidip.predict.pose_file import Header, PoseFile, frame_line, header_line
from fidip.predict.poses import Poses
from fidip.predict.predictor import load
from fidip.predict.sources import SourceImage
from fidip.skeleton import COCO17

INFANT = Path(__file__).parent / "data" / "infant.jpg"  # synthetic, made by syn_generation/generate.py


@pytest.fixture(scope="module")
def infant():
    """A synthetic infant, RGB uint8 (240, 320, 3)."""
    return read_rgb(INFANT)


@pytest.fixture(scope="module")
def lightning():
    return load("movenet_lightning", "cpu")


def placed(image, size, corner):
    """The image on a grey ground of ``size`` (W, H) px, at ``corner`` (x, y)."""
    ground = np.full((size[1], size[0], 3), 118, np.uint8)
    x, y = corner
    ground[y : y + image.shape[0], x : x + image.shape[1]] = image
    return ground


def test_the_infant_is_found_without_a_box_at_any_place(infant, lightning):
    near = lightning(infant)
    assert len(near) == 1 and near.scores.mean() > 0.4
    far = lightning(placed(infant, (640, 480), (300, 200)))
    assert (
        np.median(np.abs(far.keypoints - near.keypoints - [300, 200])) < 3
    )  # px; other crops of the same infant
    assert near.boxes == pytest.approx(far.boxes - [300, 200, 0, 0], abs=15)


def test_poses_turn_with_the_image(infant, lightning):
    upright = lightning(infant).keypoints[0]
    turned = lightning(np.ascontiguousarray(infant[::-1, ::-1])).keypoints[0]
    assert np.median(np.abs([319, 239] - turned - upright)) < 3  # px


def test_a_turned_infant_is_followed_in_turned_crops(infant, lightning, tmp_path):
    upside_down = np.ascontiguousarray(infant[::-1, ::-1])
    pictures = [SourceImage(i, 0.04 * i, "", upside_down) for i in range(4)]
    frames = list(Follower(lightning, Plan()).run(pictures))
    origins = [(person.box_from[0], person.turn[0]) for frame in frames for person in frame]
    assert origins == [("frame", 180.0), *[("track", 180.0)] * 3]
    (upright,) = lightning(infant)
    errors = [np.abs([319, 239] - frame.keypoints[0] - upright.keypoints[0]) for frame in frames]
    assert np.median(errors) < 4  # px
    header = Header("x.mp4", COCO17.names, (320, 240), 25.0, "m")
    path = tmp_path / "x.poses.jsonl"
    path.write_text(header_line(header) + "".join(frame_line(frame) for frame in frames))
    assert [frame.turn[0] for frame in PoseFile(path)] == [180.0] * 4
    halves = Follower(lightning, Plan())
    halves.restore(list(PoseFile(path))[:2])
    rest = list(halves.run(pictures[2:]))
    assert [frame_line(frame) for frame in rest] == [frame_line(frame) for frame in frames[2:]]


def test_nobody_is_reported_where_nobody_is(lightning):
    rng = np.random.default_rng(0)
    for image in (np.zeros((120, 160, 3), np.uint8), rng.integers(0, 256, (120, 160, 3), dtype=np.uint8)):
        assert len(lightning(image)) == 0


def test_a_large_frame_is_shrunk_before_the_finder_sees_it(infant, lightning):
    finder = lightning.finder
    assert isinstance(finder, Finder)
    small = finder([infant])[0]
    large = finder([cv2.resize(infant, (2560, 1920), interpolation=cv2.INTER_CUBIC)])[0]
    assert (
        np.median(np.abs((large.keypoints[0] - 3.5) / 8 - small.keypoints[0])) < 0.5
    )  # px of the small image


def test_poses_are_reached_by_name_and_by_person():
    xy = np.arange(68, dtype=float).reshape(2, 17, 2)
    poses = Poses(xy, np.stack([np.full(17, 0.5), np.full(17, 0.9)]), np.stack([np.zeros(4), np.ones(4)]))
    assert poses["left_wrist"].tolist() == [[18, 19, 0.5], [52, 53, 0.9]]
    assert (
        len(poses) == 2 and poses[1].keypoints.shape == (1, 17, 2) and poses[-1].boxes.tolist() == [[1] * 4]
    )
    assert [one.scores[0, 0] for one in poses] == [0.5, 0.9]
    with pytest.raises(KeyError, match="no keypoint 'tail'; choose from nose"):
        poses["tail"]
    with pytest.raises(IndexError):
        poses[2]
    records = poses.to_coco(7)
    assert records[1]["image_id"] == 7 and records[1]["keypoints"][:3] == [34.0, 35.0, 0.9]
    table = poses.to_dataframe()
    assert table.shape == (34, 5) and table.query("person == 1 and joint == 'nose'").x.item() == 34
    nobody = Poses.nobody(COCO17)
    assert (
        len(nobody) == 0
        and nobody.keypoints.shape == (0, 17, 2)
        and poses.joined([nobody, poses[1]])[2]["nose"][0, 0] == 34
    )


def test_drawing_leaves_the_image_alone(infant, lightning):
    before = infant.copy()
    drawn = lightning(infant).draw(infant)
    assert (
        np.array_equal(before, infant) and not np.array_equal(drawn, infant) and drawn.shape == infant.shape
    )


def test_the_command_needs_nothing_but_a_file(infant, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("baby.png", infant[..., ::-1])
    cv2.imwrite("wall.png", np.full((90, 120, 3), 200, np.uint8))
    assert console(["predict", "baby.png", "--model", "movenet_lightning"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith(
        "model: MoveNet Lightning (Apache-2.0, Google LLC), run by PyTorch; Research use"
    )
    assert shown[-1] == "Results are in output/predictions: an infant was found in 1 of 1 images."
    (frame,) = PoseFile(Path("output/predictions/baby.poses.jsonl"))
    (pose,) = load("movenet_lightning", "cpu")(infant)
    assert frame.keypoints[0] == pytest.approx(pose.keypoints[0], abs=0.0051)
    overlay = read_rgb(Path("output/predictions/baby.overlay/baby.jpg"))
    assert overlay.shape == infant.shape and np.abs(overlay.astype(int) - infant).max() > 100
    assert console(["predict", "wall.png", "--model", "movenet_lightning", "--out", "w"]) == 0
    shown = capsys.readouterr().out
    assert "found in 0 of 1 images" in shown and "Nobody was found. Check" in shown


def test_an_unknown_model_lists_the_known_ones():
    with pytest.raises(
        ConfigError, match=r"unknown model 'thunder'.* packaged are movenet_thunder, movenet_light"
    ):
        load("thunder")


def test_weights_are_listed(capsys):
    assert console(["weights"]) == 0
    shown = capsys.readouterr().out
    assert "movenet_thunder (default)" in shown and shown.count("Apache-2.0, Google LLC") == 2


def test_help_names_every_command_and_loads_nothing_heavy():
    code = (
        "import sys, fidip, fidip.cli; fidip.cli.main([]); "
        "sys.exit(bool({'torch', 'cv2', 'numpy', 'yacs'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, "a heavy module was imported"
    assert (
        all(f"    {name} " in done.stdout for name in COMMANDS) and done.stdout.count("fidip predict ") >= 3
    )
    module = subprocess.run([sys.executable, "-m", "fidip"], capture_output=True, text=True, check=True)
    assert module.stdout == done.stdout


def test_the_package_offers_its_names_lazily():
    assert fidip.load is load and callable(fidip.load_config) and fidip.Poses.__name__ == "Poses"
    assert set(fidip.__all__) <= set(dir(fidip))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        fidip.nothing  # noqa: B018


def test_openvino_finds_the_same_keypoints(infant, lightning):
    pytest.importorskip("openvino")
    fast = load("movenet_lightning", "cpu", backend="openvino")
    assert (fast.runtime, lightning.runtime) == ("OpenVINO", "PyTorch")
    ours, theirs = lightning(infant), fast(infant)
    assert theirs.keypoints == pytest.approx(ours.keypoints, abs=0.01)  # px
    assert theirs.scores == pytest.approx(ours.scores, abs=1e-4)


def test_a_network_that_openvino_cannot_run_stays_with_pytorch(monkeypatch, caplog):
    def refuse(*_):
        raise FidipError("OpenVINO cannot run this network (no such operation)")

    predictor = load("movenet_lightning", "cpu")
    monkeypatch.setattr("fidip.deploy.openvino.compile_net", refuse)
    predictor.accelerate_if_possible()
    assert predictor.runtime == "PyTorch" and "no such operation); PyTorch runs it" in caplog.text
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    predictor.accelerate_if_possible()  # nothing to try
    with pytest.raises(ConfigError, match="needs an exported network"):
        load("movenet_lightning", "cpu", backend="onnxruntime")


def test_a_long_video_is_run_by_the_fastest_runtime(infant, tmp_path, capsys, monkeypatch):
    asked = []
    monkeypatch.setattr("fidip.commands.predict_run.LONG", 2)
    monkeypatch.setattr("fidip.predict.predictor.Predictor.accelerate", lambda self: asked.append(self))
    for name in "ab":
        cv2.imwrite(str(tmp_path / f"{name}.png"), infant[..., ::-1])
    predict = ["predict", str(tmp_path / "a.png"), "--export", "none", "--model", "movenet_lightning"]
    assert console([*predict, "--out", str(tmp_path / "one")]) == 0 and not asked
    both = [*predict[:2], str(tmp_path / "b.png"), *predict[2:]]
    assert console([*both, "--out", str(tmp_path / "both")]) == 0
    assert len(asked) == 1
    assert console([*both, "--out", str(tmp_path / "three"), "--backend", "torch"]) == 0
    assert len(asked) == 1 and "run by PyTorch" in capsys.readouterr().out
