"""Shards: whole or not there, the same from any number of workers and after any kill."""

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from synth_work import FakeRecipe, contents, product, run

from fidip.errors import ConfigError, DataError, FidipError
from infantsynth.dataset import merge, pack, require_own
from infantsynth.shards import Crew, Shard, ShardFolder, make_shards

SCRIPT = Path(__file__).with_name("synth_work.py")


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """The set of 14 that one worker made in one go."""
    root = tmp_path_factory.mktemp("unbroken")
    run(root, 14, FakeRecipe())
    return contents(root)


def test_a_set_has_the_published_layout(unbroken):
    names = [f"images/fake/train{i:05d}.jpg" for i in range(10001, 10015)]
    assert sorted(n for n in unbroken if n.startswith("images")) == names
    labels = json.loads(unbroken["annotations/person_keypoints_fake.json"])
    assert [image["id"] for image in labels["images"]] == list(range(10001, 10015))
    assert [a["image_id"] for a in labels["annotations"]] == list(range(10001, 10015))
    assert labels["images"][3] == product(0, 3, 0).record["image"]
    assert unbroken[names[3]] == product(0, 3, 0).files[names[3]]
    assert labels["categories"][0]["keypoints"][9] == "left_wrist"


def test_two_workers_make_the_same_bytes(tmp_path, unbroken):
    run(tmp_path, 14, FakeRecipe(seconds=0.01), workers=2)
    assert contents(tmp_path) == unbroken


@pytest.mark.parametrize(
    ("workers", "number"),
    [
        (1, signal.SIGKILL),
        pytest.param(1, signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(2, signal.SIGKILL, marks=pytest.mark.slow),
        pytest.param(2, signal.SIGTERM, marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_goes_on_and_ends_the_same(tmp_path, unbroken, workers, number):
    command = [sys.executable, str(SCRIPT), str(tmp_path), "14", "0.05", str(workers)]
    started = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    shards = tmp_path / "shards/fake"
    end = time.monotonic() + 60
    while not list(shards.glob("0000?")) and time.monotonic() < end:
        time.sleep(0.01)
    os.kill(started.pid, number)
    status = started.wait(20)
    assert status == {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: -2}[number]
    finished = {path.name: path.stat().st_ino for path in shards.glob("0000?")}
    assert 1 <= len(finished) < 4 and not (tmp_path / "annotations").exists()
    made, _ = run(tmp_path, 14, FakeRecipe())
    assert len(made) <= 4 - len(finished)
    assert {name: (shards / name).stat().st_ino for name in finished} == finished
    assert contents(tmp_path) == unbroken
    assert not list(shards.glob("*.tmp"))


def test_a_larger_count_adds_to_the_set(tmp_path, unbroken):
    run(tmp_path, 6, FakeRecipe())  # one shard and a half
    made, merged = run(tmp_path, 14, FakeRecipe())
    assert [m.shard.number for m in made] == [1, 2, 3]
    assert merged.images == 14
    assert contents(tmp_path) == unbroken


def test_other_options_are_refused(tmp_path):
    run(tmp_path, 4, FakeRecipe(seed=0))
    before = contents(tmp_path)
    with pytest.raises(ConfigError, match=r"other options \(seed 0, now 1\)"):
        run(tmp_path, 4, FakeRecipe(seed=1))
    assert contents(tmp_path) == before


def test_a_spoilt_draw_is_drawn_anew(tmp_path):
    made, merged = run(tmp_path, 4, FakeRecipe(spoilt=(2,)))
    labels = json.loads(merged.annotation_file.read_text())
    assert labels["images"][2] == product(0, 2, 1).record["image"]
    assert [m.redrawn for m in made] == [1] and not merged.failed


def test_a_passing_error_changes_nothing(tmp_path, unbroken):
    made, _ = run(tmp_path, 14, FakeRecipe(flaky=True))
    assert sum(m.redrawn for m in made) == 14
    assert contents(tmp_path) == unbroken


def test_a_failed_index_is_left_out_and_reported(tmp_path):
    made, merged = run(tmp_path, 6, FakeRecipe(broken=(1, 4)))
    assert merged.images == 4 and [m.failed for m in made] == [1, 1]
    assert [f["index"] for f in merged.failed] == [1, 4]
    assert merged.failed[0]["problems"][-1] == "ValueError: no such index"
    ids = [image["id"] for image in json.loads(merged.annotation_file.read_text())["images"]]
    assert ids == [10001, 10003, 10004, 10006]
    store = ShardFolder(tmp_path / "shards/fake", 4)
    shards = store.shards(6)
    assert store.pending(shards) == [] and store.pending(shards, retry_failed=True) == shards
    make_shards(store, shards, FakeRecipe(), Crew())
    assert merge(store, shards, tmp_path, "fake", {}).images == 6


def test_a_shard_without_one_good_picture_stops_the_run(tmp_path):
    with pytest.raises(FidipError, match=r"no image of shard 00001 could be made.*ValueError: no such index"):
        run(tmp_path, 12, FakeRecipe(broken=(4, 5, 6, 7)))
    assert not list((tmp_path / "shards/fake").glob("*.tmp"))


def test_two_runs_at_once_are_refused(tmp_path):
    store = ShardFolder(tmp_path, 4)
    with store.lock("1-of-1"), pytest.raises(DataError, match="another run is writing"), store.lock("1-of-1"):
        pass
    with store.lock("1-of-1"):
        pass


def test_a_foreign_split_is_never_touched(tmp_path):
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/person_keypoints_train_infant.json").write_text("{}")
    with pytest.raises(DataError, match="exists already"):
        require_own(tmp_path, "train_infant", ShardFolder(tmp_path / "shards/train_infant", 4))
    for name in ("", "..", "a/b", "a\\b"):
        with pytest.raises(DataError, match="plain name"):
            require_own(tmp_path, name, ShardFolder(tmp_path / "shards/x", 4))


def test_an_unfinished_set_is_not_merged(tmp_path):
    store = ShardFolder(tmp_path / "shards/fake", 4)
    store.claim({})
    make_shards(store, store.shards(8)[:1], FakeRecipe(), Crew())
    with pytest.raises(DataError, match=r"shard 00001 .* is not finished"):
        merge(store, store.shards(8), tmp_path, "fake", {})


def test_unknown_and_missing_backends_are_named(tmp_path):
    store = ShardFolder(tmp_path, 4)
    with pytest.raises(ConfigError, match="--backend cloud is not one of local, dask, ray"):
        make_shards(store, [Shard(0, 0, 4)], FakeRecipe(), Crew(backend="cloud"))


def test_tars_hold_every_sample_and_are_the_same_each_time(tmp_path):
    run(tmp_path, 6, FakeRecipe())
    store = ShardFolder(tmp_path / "shards/fake", 4)
    paths = pack(store, store.shards(6), tmp_path, "fake")
    assert [path.name for path in paths] == ["fake-00000.tar", "fake-00001.tar"]
    before = [path.read_bytes() for path in paths]
    with tarfile.open(paths[1]) as tar:
        assert tar.getnames() == [
            f"train{i}.{s}" for i in (10005, 10006) for s in ("depth.png", "jpg", "json")
        ]
        labels = json.load(tar.extractfile("train10006.json"))
        assert labels == json.loads(json.dumps(product(0, 5, 0).record))
        assert (
            tar.extractfile("train10006.jpg").read() == product(0, 5, 0).files["images/fake/train10006.jpg"]
        )
    for path in paths:
        path.unlink()
    assert [path.read_bytes() for path in pack(store, store.shards(6), tmp_path, "fake")] == before


def test_a_killed_worker_is_told_and_costs_its_shard_only(tmp_path, unbroken):
    with pytest.raises(FidipError, match=r"a worker was killed from outside.*fewer --workers"):
        run(tmp_path, 14, FakeRecipe(seconds=0.02, deadly=(9,)), workers=2)
    assert not list((tmp_path / "shards/fake").glob("*.tmp"))
    run(tmp_path, 14, FakeRecipe())
    assert contents(tmp_path) == unbroken


@pytest.mark.slow
def test_dask_makes_the_same_bytes(tmp_path, unbroken):
    pytest.importorskip("distributed")
    run(tmp_path, 14, FakeRecipe(), workers=2, backend="dask")
    assert contents(tmp_path) == unbroken
