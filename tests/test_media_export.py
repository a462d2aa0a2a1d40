"""Exports of poses, read back with the packages of the programs that they are for."""

import contextlib
import csv
import io
import json

import numpy as np
import pytest
from figures import write_split
from pose_files import frame_of, person_at, write_frames, write_poses

from fidip.errors import ConfigError, DataError
from fidip.predict.export import EXPORTS
from fidip.predict.pose_file import PoseFile
from fidip.skeleton import COCO17

COUNT = 40


@pytest.fixture
def recording():
    """xy (N, K, 2) and score (N, K) to the digits that files keep; some joints have no place."""
    rng = np.random.default_rng(0)
    xy = np.round(rng.uniform(0, 300, (COUNT, 17, 2)), 2)
    score = np.round(rng.uniform(0.05, 1, (COUNT, 17)), 4)
    score[rng.random((COUNT, 17)) < 0.1] = 0.0
    return xy, score


@pytest.fixture
def single(tmp_path, recording):
    return write_poses(tmp_path / "clip ä 1.poses.jsonl", np.arange(COUNT) / 25, *recording)


@pytest.fixture
def pair(tmp_path, recording):
    """Two persons, the second not in every frame; frame 7 is not in the file."""
    xy, score = recording
    frames = []
    for i in range(COUNT):
        persons = [person_at(xy[i], score[i], 3, filled=[2])]
        if i % 3:
            persons.append(person_at(xy[i] + 5, score[i], 1))
        if i != 7:
            frames.append(frame_of(i, i / 25, tuple(persons)))
    return write_frames(tmp_path / "two.poses.jsonl", frames)


def places(xy, score):
    return np.where(score[..., None] > 0, xy, np.nan)


def test_csv_is_tidy(single, tmp_path, recording):
    xy, score = recording
    (path,) = EXPORTS["csv"](single, None, tmp_path / "out")
    assert path.name == "clip ä 1.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        table = list(csv.DictReader(stream))
    assert list(table[0]) == [
        "frame",
        "time_s",
        "track",
        "joint",
        "x",
        "y",
        "score",
        "visible",
        "interpolated",
    ]
    assert len(table) == COUNT * 17
    row = table[5 * 17 + 9]
    assert (row["frame"], row["time_s"], row["track"], row["joint"]) == ("5", "0.2", "0", "left_wrist")
    read = np.array([[float(r[k] or "nan") for k in ("x", "y", "score")] for r in table]).reshape(
        COUNT, 17, 3
    )
    np.testing.assert_array_equal(read[..., :2], places(xy, score))
    np.testing.assert_array_equal(read[..., 2], score)
    seen = np.array([r["visible"] == "1" for r in table]).reshape(COUNT, 17)
    assert (seen == (score >= 0.2)).all()


def test_parquet_equals_csv(pair, tmp_path, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet")
    pandas = pytest.importorskip("pandas")
    monkeypatch.setattr("fidip.predict.export.tables.CHUNK", 7)
    (path,) = EXPORTS["parquet"](pair, None, tmp_path)
    file = parquet.ParquetFile(path)
    assert file.metadata.num_row_groups == 6
    assert file.schema_arrow.metadata[b"source"] == b"clip.mp4"
    read = file.read().to_pandas()
    known = pandas.read_csv(EXPORTS["csv"](pair, None, tmp_path)[0])
    for name in ("visible", "interpolated"):
        known[name] = known[name].astype(bool)
    pandas.testing.assert_frame_equal(read, known, check_dtype=False)
    assert read[read.interpolated].joint.unique().tolist() == ["right_eye"]
    assert read[read.interpolated].x.notna().all()


def test_pictures_bring_their_names_along(tmp_path, recording):
    frames = [
        frame_of(i, 0.0, (person_at(recording[0][i], recording[1][i]),), f"sub/{i}.jpg") for i in range(2)
    ]
    poses = write_frames(tmp_path / "p.poses.jsonl", frames, size=(0, 0), rate=0.0)
    lines = EXPORTS["csv"](poses, None, tmp_path)[0].read_text().splitlines()
    assert lines[0].endswith(",interpolated,name")
    assert lines[-1].endswith("sub/1.jpg")
    sleap = pytest.importorskip("sleap_io")
    labels = sleap.load_file(str(EXPORTS["sleap"](poses, tmp_path / "in", tmp_path)[0]))
    assert labels.video.filename == [str(tmp_path / f"sub/{i}.jpg") for i in range(2)]


@pytest.mark.parametrize("reader", ["hdf", "csv"])
def test_dlc_of_one_individual(single, tmp_path, recording, reader, monkeypatch):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("tables")
    monkeypatch.setattr("fidip.predict.export.tables.CHUNK", 7)
    hdf, table = EXPORTS["dlc"](single, None, tmp_path)
    assert [hdf.name, table.name] == [f"clip ä 1DLC_fidip_0123abcd{end}" for end in (".h5", ".csv")]
    read = pandas.read_hdf(hdf) if reader == "hdf" else pandas.read_csv(table, header=[0, 1, 2], index_col=0)
    assert read.columns.names == ["scorer", "bodyparts", "coords"]
    assert read.index.tolist() == list(range(COUNT))
    assert read["DLC_fidip_0123abcd"].columns.get_level_values(0).unique().tolist() == list(COCO17.names)
    numbers = read.to_numpy().reshape(COUNT, 17, 3)
    np.testing.assert_array_equal(numbers[..., :2], places(*recording))
    np.testing.assert_array_equal(numbers[..., 2], recording[1])


def test_dlc_of_several_individuals(pair, tmp_path, recording):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("tables")
    xy, score = recording
    hdf, _ = EXPORTS["dlc"](pair, None, tmp_path)
    assert hdf.name == "twoDLC_fidip_0123abcd_el.h5"
    read = pandas.read_hdf(hdf, key="df_with_missing")
    assert read.columns.names == ["scorer", "individuals", "bodyparts", "coords"]
    numbers = read.to_numpy().reshape(COUNT, 2, 17, 3)
    assert np.isnan(numbers[7]).all()
    assert np.isnan(numbers[::3, 0]).all()  # track 1
    np.testing.assert_allclose(numbers[8, 0, :, :2], places(xy, score)[8] + 5, atol=1e-9)
    assert numbers[8, 1, 2, :2].tolist() == xy[8, 2].tolist()  # filled: it has a place
    chosen = EXPORTS["dlc"](pair, None, tmp_path / "one", tracks=[3])[0]
    pair.path.rename(smooth := tmp_path / "two.smooth.poses.jsonl")
    filtered = EXPORTS["dlc"](PoseFile(smooth), None, tmp_path)[0]
    assert filtered.name == "twoDLC_fidip_0123abcd_el_filtered.h5"
    assert pandas.read_hdf(chosen).shape == (COUNT, 51)


def test_dlc_refuses_more_tracks_than_it_can_name(tmp_path, recording):
    pytest.importorskip("pandas")
    pytest.importorskip("tables")
    frame = frame_of(0, 0.0, tuple(person_at(recording[0][0], recording[1][0], track) for track in range(40)))
    poses = write_frames(tmp_path / "crowd.poses.jsonl", [frame])
    with pytest.raises(DataError, match="40 tracks are more than"):
        EXPORTS["dlc"](poses, None, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["crowd.poses.jsonl"]


def test_movement_reads_dlc_and_sleap(pair, single, tmp_path, recording):
    load = pytest.importorskip("movement.io.load_poses")
    xy, score = recording
    for path in EXPORTS["dlc"](single, None, tmp_path):
        data = load.from_dlc_file(path, fps=25)
        np.testing.assert_allclose(data.position.values[..., 0].transpose(0, 2, 1), places(xy, score))
        assert data.keypoints.values.tolist() == list(COCO17.names)
    for path in EXPORTS["dlc"](pair, None, tmp_path):
        assert load.from_dlc_file(path).individuals.values.tolist() == ["track1", "track3"]
    data = load.from_sleap_file(EXPORTS["sleap"](single, None, tmp_path)[0])
    np.testing.assert_allclose(data.position.values[..., 0].transpose(0, 2, 1), places(xy, score), rtol=1e-6)
    there = score > 0
    np.testing.assert_allclose(data.confidence.values[..., 0][there], score[there], rtol=1e-6)


def test_sleap_reads_its_own(pair, tmp_path, recording):
    sleap = pytest.importorskip("sleap_io")
    xy, score = recording
    (path,) = EXPORTS["sleap"](pair, tmp_path / "clip.mp4", tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["two.poses.jsonl", "two.slp"]
    labels = sleap.load_file(str(path))
    assert len(labels) == COUNT - 1
    assert [track.name for track in labels.tracks] == ["track1", "track3"]
    assert labels.skeletons[0].node_names == list(COCO17.names)
    assert len(labels.skeletons[0].edges) == len(COCO17.limbs)
    assert len(labels.skeletons[0].symmetries) == 8
    assert labels.video.filename == str(tmp_path / "clip.mp4")
    assert labels.video.backend_metadata["shape"] == [COUNT - 1, 240, 320, 3]
    for frame in labels:
        person = next(i for i in frame.instances if i.track.name == "track3")
        there = (score[frame.frame_idx] > 0) | (np.arange(17) == 2)
        known = np.where(there[:, None], xy[frame.frame_idx], np.nan)
        np.testing.assert_array_equal(person.numpy(), known)
        np.testing.assert_allclose(person.numpy(scores=True)[there, 2], score[frame.frame_idx][there])


def test_coco_results_score_full_marks_on_their_own_labels(tmp_path):
    content = write_split(tmp_path / "data", "set", 4)
    annotations = tmp_path / "data/annotations/person_keypoints_set.json"
    frames = []
    for index, (image, label) in enumerate(zip(content["images"], content["annotations"], strict=True)):
        joints = np.array(label["keypoints"]).reshape(17, 3)[:, :2]
        frames.append(frame_of(index, 0.0, (person_at(joints, np.full(17, 0.9)),), image["file_name"]))
    poses = write_frames(tmp_path / "set.poses.jsonl", frames, size=(0, 0), rate=0.0)
    path, _ = EXPORTS["coco"](poses, None, tmp_path, annotations=annotations)
    assert [r["image_id"] for r in json.loads(path.read_text())] == [1, 2, 3, 4]

    from fidip.evaluation import CocoEvaluator

    evaluator = CocoEvaluator(annotations)
    evaluator.load_results(path)
    assert evaluator.metrics(boxes="gt")["AP"] == pytest.approx(1.0)
    frames[2] = frame_of(2, 0.0, (), "other.png")
    with pytest.raises(DataError, match=r"frame 2: .* has no image named 'other.png'"):
        EXPORTS["coco"](write_frames(poses.path, frames), None, tmp_path, annotations=annotations)


def test_image_ids_of_pictures_in_several_folders_are_not_mixed_up(tmp_path):
    labels = tmp_path / "labels.json"
    names = ["a/1.jpg", "b/1.jpg", "b/2.jpg"]
    labels.write_text(json.dumps({"images": [{"id": 10 + i, "file_name": n} for i, n in enumerate(names)]}))
    person = person_at(np.ones((17, 2)), np.ones(17))

    def ids(*frames):
        made = [frame_of(i, 0.0, (person,), name) for i, name in enumerate(frames)]
        poses = write_frames(tmp_path / "set.poses.jsonl", made, size=(0, 0), rate=0.0)
        return [
            r["image_id"] for r in json.loads(EXPORTS["coco"](poses, None, tmp_path, labels)[0].read_text())
        ]

    assert ids(*names) == [10, 11, 12] and ids("2.jpg", "c/2.jpg") == [12, 12]
    with pytest.raises(DataError, match=r"no image named '1\.jpg'"):
        ids("1.jpg")
    labels.write_text('{"images": [{"id": 1}]}')
    with pytest.raises(DataError, match="no images with id and file_name; give a COCO JSON"):
        ids("a/1.jpg")


def test_pycocotools_reads_results_with_their_images(pair, tmp_path, recording):
    coco = pytest.importorskip("pycocotools.coco")
    results, images = EXPORTS["coco"](pair, None, tmp_path)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco.COCO(str(images))
        found = truth.loadRes(str(results))
    assert len(found.getAnnIds()) == sum(len(frame) for frame in pair)
    assert truth.loadImgs(5)[0]["width"] == 320
    assert truth.cats[1]["keypoints"] == list(COCO17.names)
    xy, score = recording
    first = next(a for a in found.loadAnns(found.getAnnIds([5])) if a["track_id"] == 3)
    triples = np.array(first["keypoints"]).reshape(17, 3)
    there = (score[5] > 0) | (np.arange(17) == 2)
    np.testing.assert_array_equal(triples[:, :2], np.where(there[:, None], xy[5], 0))
    used = (score[5] >= 0.2) & (np.arange(17) != 2)
    assert first["score"] == pytest.approx(score[5][used].mean(), abs=1e-4)


@pytest.mark.parametrize("name", ["coco", "csv", "parquet", "dlc", "sleap"])
def test_a_recording_without_anyone(tmp_path, name):
    for module in {"parquet": ["pyarrow"], "dlc": ["pandas", "tables"], "sleap": ["sleap_io"]}.get(name, []):
        pytest.importorskip(module)
    for count in (0, 3):
        poses = write_frames(tmp_path / "e.poses.jsonl", [frame_of(i, i / 25, ()) for i in range(count)])
        paths = EXPORTS[name](poses, None, tmp_path)
        assert all(path.stat().st_size for path in paths)
        if name == "coco":
            assert json.loads(paths[0].read_text()) == []
            assert len(json.loads(paths[1].read_text())["images"]) == count


def test_unknown_export_is_named():
    with pytest.raises(ConfigError, match="unknown export 'avi'; choose from coco, csv"):
        EXPORTS["avi"]
