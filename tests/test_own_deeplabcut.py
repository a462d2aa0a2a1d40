"""DeepLabCut's CSV and HDF5, both ways."""

import numpy as np
import pytest
from own_data import TINY, assert_same_labels, collector, labelled_set, write_pictures

from fidip.errors import DataError
from fidip.labels import FORMATS

LOST = ("bbox", "area", "id", "image_id", "is_synthetic", "posture", "image_source", "individual")
SINGLE = """scorer,,,me,me,me,me,me,me,me,me
bodyparts,,,nose,nose,left_hand,left_hand,right_hand,right_hand,tail,tail
coords,,,x,y,x,y,x,y,x,y
labeled-data,v,a.png,10.5,20,,,30,40,,
labeled-data,v,b.png,,,,,,,,
"""
OLD = SINGLE.replace(",,,me", ",me").replace("bodyparts,,,", "bodyparts,").replace("coords,,,", "coords,")
OLD = OLD.replace("labeled-data,v,", "labeled-data\\v\\")


def folder_with(tmp_path, *names, size=(64, 48)):
    images = [{"file_name": name, "width": size[0], "height": size[1]} for name in names]
    return write_pictures(tmp_path / "images", {"images": images})


def read(tmp_path, text, images, name="CollectedData_me.csv", **options):
    path = tmp_path / name
    path.write_text(text)
    return FORMATS["deeplabcut"].read(path, collector(f"deeplabcut file {name}", images=images, **options))


def refused(tmp_path, text, message, images):
    with pytest.raises(DataError, match=message) as error:
        read(tmp_path, text, images)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", [SINGLE, OLD], ids=["three columns", "one column"])
def test_labels_of_one_animal(tmp_path, text):
    images = folder_with(tmp_path, "v/a.png", "v/b.png")
    source = collector(images=images)
    (tmp_path / "CollectedData_me.csv").write_text(text)
    data = FORMATS["deeplabcut"].read(tmp_path / "CollectedData_me.csv", source)
    first, second = data["images"]
    assert (first["id"], first["file_name"], first["width"], first["height"]) == (1, "v/a.png", 64, 48)
    assert first["image_source"] == "v" and (second["id"], second["file_name"]) == (2, "v/b.png")
    (person,) = data["annotations"]
    assert person["keypoints"] == [10.5, 20, 2, 0, 0, 0, 30, 40, 2, 0, 0, 0] and person["image_id"] == 1
    np.testing.assert_allclose(person["bbox"], [8.5, 18, 23.5, 24])  # 0.1 x 20 px on each side
    assert source.counts == {"boxes made from joints": 1}


@pytest.mark.parametrize("suffix", ["csv", "h5"])
@pytest.mark.parametrize("several", [False, True])
def test_round_trip_keeps_joints_to_the_digit(tmp_path, suffix, several):
    if suffix == "h5":
        pytest.importorskip("tables")
        pytest.importorskip("h5py")
    data = labelled_set(pictures=8)
    if not several:
        alone = {a["image_id"]: a for a in data["annotations"]}
        data["annotations"] = list(alone.values())
    path = tmp_path / "labeled-data" / "clip" / f"CollectedData_me.{suffix}"
    lost = FORMATS["deeplabcut"].write(data, TINY, path)
    hidden = sum(flag == 1 for a in data["annotations"] for flag in a["keypoints"][2::3])
    assert f"{hidden} hidden joints become visible ones" in lost and hidden > 3
    images = write_pictures(tmp_path / "p", data)
    found = FORMATS["deeplabcut"].read(path, collector(images=images))
    assert "2 pictures without a labelled joint are left out" in lost
    shown = {annotation["image_id"] for annotation in data["annotations"]}
    data["images"] = [image for image in data["images"] if image["id"] in shown]
    for annotation in data["annotations"]:
        annotation["keypoints"] = [
            2 if i % 3 == 2 and v else v for i, v in enumerate(annotation["keypoints"])
        ]
    assert_same_labels(found, data, without=LOST)
    assert ("individual" in found["annotations"][-1]) == several
    assert [image["id"] for image in found["images"]] == list(range(1, 7))
    again = FORMATS["deeplabcut"].read(path.parent, collector(images=images))
    assert again["annotations"] == found["annotations"]  # ids too; a folder is read like its only file
    second = tmp_path / "labeled-data" / "clip" / "again" / f"CollectedData_me.{suffix}"
    FORMATS["deeplabcut"].write(found, TINY, second)
    if suffix == "csv":
        assert second.read_text() == path.read_text()


def test_csv_is_what_pandas_reads_and_h5_is_what_deeplabcut_writes(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("tables")
    pytest.importorskip("h5py")
    data = labelled_set(pictures=8)
    tables = []
    for suffix in ("csv", "h5"):
        FORMATS["deeplabcut"].write(data, TINY, tmp_path / f"CollectedData_me.{suffix}")
    tables.append(
        pandas.read_csv(tmp_path / "CollectedData_me.csv", header=[0, 1, 2, 3], index_col=[0, 1, 2])
    )
    tables.append(pandas.read_hdf(tmp_path / "CollectedData_me.h5", key="df_with_missing"))
    for table in tables:
        assert list(table.columns.names) == ["scorer", "individuals", "bodyparts", "coords"]
        assert table.index[0] == ("labeled-data", "clip 1", "p1.png") and table.shape == (6, 24)
        x = table.loc[("labeled-data", "clip 1", "p1.png"), ("me", "individual1", "tail", "x")]
        assert float(np.ravel(x)[0]) == data["annotations"][0]["keypoints"][9]
    np.testing.assert_array_equal(tables[0].to_numpy(), tables[1].to_numpy())
    old = tables[1].copy()
    old.index = ["/".join(parts) for parts in old.index]
    old.to_hdf(tmp_path / "CollectedData_old.h5", key="df_with_missing", mode="w")
    images = write_pictures(tmp_path / "p", data)
    kinds = [
        FORMATS["deeplabcut"].read(tmp_path / f"CollectedData_{name}.h5", collector(images=images))
        for name in ("me", "old")
    ]
    assert kinds[0]["annotations"] == kinds[1]["annotations"]
    flat = old.loc[:, [c for c in old.columns if c[1] == "individual1"]]
    flat.columns = flat.columns.droplevel("individuals")
    flat.to_hdf(tmp_path / "CollectedData_table.h5", key="df_with_missing", mode="w", format="table")
    with pytest.raises(DataError, match="give the CSV beside it"):  # its names are pickled: not read
        FORMATS["deeplabcut"].read(tmp_path / "CollectedData_table.h5", collector(images=images))


def test_individuals_keep_their_names(tmp_path):
    text = SINGLE.replace("bodyparts,", "individuals,,,ann,ann,ann,ann,bob,bob,bob,bob\nbodyparts,", 1)
    text = text.replace(
        "left_hand,left_hand,right_hand,right_hand,tail,tail", "tail,tail,nose,nose,tail,tail"
    )
    text = text.replace("10.5,20,,,30,40,,", "10.5,20,12,22,30,40,35,45")
    images = folder_with(tmp_path, "v/a.png", "v/b.png")
    data = read(tmp_path, text, images)
    assert [(a["id"], a["individual"], a["keypoints"][9]) for a in data["annotations"]] == [
        (1, "ann", 12),
        (2, "bob", 35),
    ]
    FORMATS["deeplabcut"].write(data, TINY, tmp_path / "v" / "CollectedData_me.csv")
    header = (tmp_path / "v" / "CollectedData_me.csv").read_text().splitlines()[1].split(",")
    assert header == ["individuals", "", "", *["ann"] * 8, *["bob"] * 8]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("10.5,20", "10.5,"), "frame 'labeled-data/v/a.png' has only one of x and y of nose"),
        (("10.5,20", "ten,20"), "line 4: 'ten' is no number"),
        (("10.5,20", "inf,20"), "line 4: 'inf' is not finite"),
        (("30,40,,", "30,40,"), "line 4: 10 cells instead of 11"),
        (("tail,tail", "paw,paw"), r"CollectedData_me\.csv: has a joint 'paw', which tiny lacks"),
        (("coords,,,x,y", "coords,,,x,likelihood"), "give labels .*, not predictions"),
        (("coords,,,x,y", "coords,,,x,x"), "is 'x' of 'nose', once x and y are wanted"),
        (("v,b.png", "v,c.png"), "names the picture labeled-data/v/c.png, which is not in"),
        (("v,b.png", "v,a.png"), "picture v/a.png comes 2 times"),
        (("scorer", "points"), "does not begin with the lines scorer, bodyparts, coords"),
    ],
)  # fmt: skip
def test_faults_are_named(tmp_path, change, message):
    assert change[0] in SINGLE
    refused(tmp_path, SINGLE.replace(*change, 1), message, folder_with(tmp_path, "v/a.png", "v/b.png"))


def test_files_and_folders_that_are_no_labels(tmp_path):
    images = folder_with(tmp_path, "v/a.png")
    with pytest.raises(DataError, match="name their folder with --images"):
        read(tmp_path, SINGLE, None)
    for name, message in (("nowhere.csv", "does not exist"), ("images", "has no file CollectedData_")):
        with pytest.raises(DataError, match=message):
            FORMATS["deeplabcut"].read(tmp_path / name, collector(images=images))
    with pytest.raises(DataError, match=r"must be called CollectedData_NAME\.csv"):
        FORMATS["deeplabcut"].write(labelled_set(), TINY, tmp_path / "labels.csv")
    pytest.importorskip("h5py")
    (tmp_path / "CollectedData_x.h5").write_text("no HDF5")
    with pytest.raises(DataError, match="give the CSV beside it"):
        FORMATS["deeplabcut"].read(tmp_path / "CollectedData_x.h5", collector(images=images))


def test_several_videos_of_one_project_are_joined(tmp_path):
    images = folder_with(tmp_path, "v/a.png", "v/b.png", "w/a.png")
    for video, text in (
        ("v", SINGLE),
        ("w", SINGLE.replace("-data,v,a", "-data,w,a").rsplit("labeled", 1)[0]),
    ):
        (tmp_path / "project" / video).mkdir(parents=True)
        (tmp_path / "project" / video / "CollectedData_me.csv").write_text(text)
    data = FORMATS["deeplabcut"].read(tmp_path / "project", collector(images=images))
    assert [(i["id"], i["file_name"], i["image_source"]) for i in data["images"]] == [
        (1, "v/a.png", "v"), (2, "v/b.png", "v"), (3, "w/a.png", "w")]  # fmt: skip
    assert [a["image_id"] for a in data["annotations"]] == [1, 3]


def test_sleap_reads_what_is_written(tmp_path):
    pytest.importorskip("sleap_io")
    from sleap_io.io.dlc import load_dlc

    data = labelled_set(pictures=8)
    folder = tmp_path / "labeled-data" / "clip"
    FORMATS["deeplabcut"].write(data, TINY, folder / "CollectedData_me.csv")
    for image in data["images"]:
        image["file_name"] = image["file_name"].split("/")[1]
    write_pictures(folder, data)  # beside the labels, as in a project
    frames = load_dlc(folder / "CollectedData_me.csv", config=False).labeled_frames
    found = []
    for instance in (i for frame in frames for i in frame.instances):
        order = [instance.skeleton.node_names.index(name) for name in TINY.names]
        found.append(np.nan_to_num(instance.numpy(), nan=-1.0)[order].round(4).tolist())
    expected = []
    for annotation in data["annotations"]:
        keypoints = np.reshape(annotation["keypoints"], (4, 3))
        expected.append(np.where(keypoints[:, 2:] > 0, keypoints[:, :2], -1))
    assert len(found) == len(expected) == 12
    np.testing.assert_allclose(sorted(found), sorted(e.round(4).tolist() for e in expected), atol=1e-4)
