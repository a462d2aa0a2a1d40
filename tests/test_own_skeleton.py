"""Skeletons of YAML files, in configs and against weights of other joints."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from fidip.build import load_start
from fidip.config import check_for_training, load_config, run_name
from fidip.errors import ConfigError, WeightsError
from fidip.models import POSE_NETS, export_weights, load_weights
from fidip.skeleton import COCO17, find_skeleton, load_skeleton, skeleton_text

SHIPPED = sorted((Path(__file__).parents[1] / "experiments" / "skeletons").glob("*.yaml"))
GOOD = """
name: three
joints: [head, left_hand, right_hand]
sigmas: {head: 0.05, left_hand: 0.06, right_hand: 6e-2}
flip_pairs: [[left_hand, right_hand]]
limbs: [[head, left_hand], [right_hand, head]]
upper_body: [head]
colours: {head: "#ff8000", left_hand: "#0000ff", right_hand: "#00ff00"}
"""
TINY_NETS = {
    "pose_hrnet": {"FINAL_CONV_KERNEL": 1},
    "pose_resnet": {"NUM_LAYERS": 18, "NUM_DECONV_FILTERS": [8, 8, 8]},
    "pose_mobile": {"WIDTH_MULT": 0.25, "HEAD_CHANNELS": 16},
    "pose_timm": {"BACKBONE": "test_resnet", "HEAD_CHANNELS": 16},
}


def write(path, text):
    path.write_text(text.replace("6e-2", "0.06"), encoding="utf-8")
    return path


def test_a_yaml_becomes_a_skeleton(tmp_path):
    skeleton = load_skeleton(write(tmp_path / "s.yaml", GOOD))
    assert skeleton.names == ("head", "left_hand", "right_hand") and skeleton.sigmas == (0.05, 0.06, 0.06)
    assert skeleton.flip_order.tolist() == [0, 2, 1] and skeleton.limbs == ((0, 1), (2, 0))
    assert skeleton.upper_body == (0,) and skeleton.colours == ((255, 128, 0), (0, 0, 255), (0, 255, 0))
    assert find_skeleton(skeleton_text(skeleton)) == skeleton == find_skeleton(str(tmp_path / "s.yaml"))
    least = load_skeleton(write(tmp_path / "least.yaml", "joints: [a]\nsigmas: {a: 1}"))
    assert (least.name, least.names, least.sigmas, least.limbs, least.colours) == (
        "least",
        ("a",),
        (1.0,),
        (),
        (),
    )
    assert find_skeleton("coco17") is COCO17


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("joints: [head,", "joints: [left_hand,"), "joint 'left_hand' is named 2 times"),
        (("joints: [head,", "joints: [no,"), "joints must be a list of names"),
        (("head: 0.05", "head: -1"), r"sigmas of 'head' is -1, not a positive number"),
        (("head: 0.05", "head: .nan"), "not a positive number"),
        (("head: 0.05, ", ""), "sigmas lacks 'head'"),
        (("head: 0.05", "head: 0.05, foot: 1"), "sigmas names 'foot', which is no joint"),
        (("[[left_hand, right_hand]]", "[[left_hand, foot]]"), "flip_pairs names 'foot'"),
        (("[[left_hand, right_hand]]", "[[left_hand, right_hand], [head, left_hand]]"), "'left_hand' is in 2 flip pairs"),
        (("[[left_hand, right_hand]]", "[]"), r"flip_pairs lacks \[left_hand, right_hand\]"),
        (("[[left_hand, right_hand]]", "[left_hand]"), "flip_pairs must be a list of pairs"),
        (("[right_hand, head]", "[head, head]"), "limbs must be a list of pairs of two different"),
        (("upper_body: [head]", "upper_body: [hat]"), "upper_body names 'hat'"),
        (("#ff8000", "red"), "colours of 'head' is 'red'"),
        (("name: three", "name: coco17"), "not that of a built-in"),
        (("limbs:", "bones:"), "unknown key 'bones', known are name, joints"),
        (("name: three", "name: ["), "is not valid YAML"),
        (("\nname", "!!python/object/apply:os.system [echo]\nname"), "is not valid YAML"),
    ],
)  # fmt: skip
def test_faults_are_named(tmp_path, change, message):
    assert change[0] in GOOD
    with pytest.raises(ConfigError, match=rf"skeleton file .*s\.yaml.*{message}"):
        load_skeleton(write(tmp_path / "s.yaml", GOOD.replace(*change)))


def test_names_and_files_that_are_not_there(tmp_path):
    with pytest.raises(
        ConfigError, match=r"'coco18' is no built-in joint set \(coco17\).*experiments/skeletons"
    ):
        find_skeleton("coco18")
    with pytest.raises(ConfigError, match="cannot be read as a YAML file"):
        find_skeleton(str(tmp_path))


def test_contradictions_in_code_are_refused():
    values = {**COCO17.__dict__}
    values.pop("flip_order", None)
    for change, message in (
        ({"sigmas": (0.0, *COCO17.sigmas[1:])}, "not a positive number"),
        ({"names": ("nose", *COCO17.names[:-1])}, "named twice"),
        ({"flip_pairs": ((1, 2), (2, 3))}, "two flip pairs"),
        ({"colours": ((0, 0, 0),)}, "1 colours"),
    ):
        with pytest.raises(ValueError, match=message):
            type(COCO17)(**{**values, **change})


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_shipped_skeletons_agree_with_coco(path):
    skeleton = load_skeleton(path)
    assert skeleton.name == path.stem and str(skeleton.num_joints) in path.stem
    for index, name in enumerate(skeleton.names):
        mirrored = skeleton.names[skeleton.flip_order[index]]
        assert mirrored == name.replace("left_", "#").replace("right_", "left_").replace("#", "right_")
        assert skeleton.sigmas[index] == skeleton.sigmas[skeleton.flip_order[index]]
        if name in COCO17.names:
            number = COCO17.names.index(name)
            assert skeleton.sigmas[index] == COCO17.sigmas[number]
            assert (index in skeleton.upper_body) == (number in COCO17.upper_body)
    assert {joint for limb in skeleton.limbs for joint in limb} == set(range(skeleton.num_joints))


def test_config_takes_a_file_and_keeps_its_content(tmp_path):
    file = write(tmp_path / "s.yaml", GOOD)
    config = write(tmp_path / "c.yaml", f"DATASET: {{SKELETON: {file}, TRAIN_SET: a, TEST_SET: b}}")
    cfg = load_config(config)
    check_for_training(cfg)
    assert cfg.MODEL.NUM_JOINTS == 3 and find_skeleton(cfg.DATASET.SKELETON) == load_skeleton(file)
    with pytest.raises(ConfigError, match=r"LOSS\.TOPK 8 is more than the 3 joints"):
        check_for_training(load_config(config, ["LOSS.USE_OHKM", "True"]))
    kept = write(tmp_path / "kept.yaml", cfg.dump())
    before = run_name(config, cfg)
    write(file, GOOD.replace("head: 0.05", "head: 0.08"))
    assert run_name(config, load_config(config)) != before
    file.unlink()
    assert load_config(kept) == cfg and yaml.safe_load(cfg.dump())["MODEL"]["NUM_JOINTS"] == 3


def test_config_without_a_skeleton_is_as_it_was(tmp_path):
    config = write(tmp_path / "c.yaml", "DATASET: {TRAIN_SET: a, TEST_SET: b}")
    cfg = load_config(config)
    assert (cfg.DATASET.SKELETON, cfg.MODEL.NUM_JOINTS) == ("coco17", 17)
    assert run_name(config, cfg) == run_name(config, load_config(config, ["MODEL.NUM_JOINTS", "17"]))
    with pytest.raises(ConfigError, match="NUM_JOINTS 17 differs from the 14 joints of infant14"):
        check_for_training(
            load_config(config, ["DATASET.SKELETON", str(SHIPPED[0]), "MODEL.NUM_JOINTS", "17"])
        )
    with pytest.raises(ConfigError, match=r"'nowhere\.yaml' is no built-in joint set"):
        load_config(config, ["DATASET.SKELETON", "nowhere.yaml"])


@pytest.mark.parametrize("name", [n for n in TINY_NETS if n != "pose_hrnet"])
def test_a_start_of_other_joints_fills_all_but_the_last_layer(tmp_path, name, caught):
    caught.set_level(logging.INFO, logger="fidip")
    torch.manual_seed(0)
    source, net = (POSE_NETS[name](joints, (64, 64), TINY_NETS[name]) for joints in (17, 14))
    torch.save(export_weights(source), tmp_path / "seventeen.pth")
    fresh = {key: value.clone() for key, value in net.state_dict().items()}
    with pytest.raises(
        WeightsError, match=r"it is for 17 joints, the network has 14: check DATASET\.SKELETON"
    ):
        load_weights(net, tmp_path / "seventeen.pth")
    names = load_skeleton(SHIPPED[0]).names
    report = load_weights(net, tmp_path / "seventeen.pth", joints=names)
    assert "is for 17 joints, the network has 14: its last layer takes over 12 of them by name" in caught.text
    assert report.mismatched and all(key.startswith(f"{net.joint_layer}.") for key in report.mismatched)
    assert len(report.matched) + len(report.mismatched) == len(fresh)
    theirs = source.state_dict()
    for key, value in net.state_dict().items():
        if key not in report.mismatched:
            assert torch.equal(value, theirs[key]), key
            continue
        for index, joint in enumerate(names):
            known = COCO17.names.index(joint) if joint in COCO17.names else None
            assert torch.equal(value[index], fresh[key][index] if known is None else theirs[key][known]), (
                joint
            )
    assert net.eval()(torch.zeros(1, 3, 64, 64))[1].shape[1] == 14
    load_weights(net, _saved(tmp_path / "fourteen.pth", net), joints=names)
    assert caught.text.count("start anew") == 1


def _saved(path, net):
    torch.save(export_weights(net), path)
    return path


def test_other_differences_are_still_refused(tmp_path):
    small = POSE_NETS["pose_mobile"](17, (64, 64), {"WIDTH_MULT": 0.25, "HEAD_CHANNELS": 8})
    net = POSE_NETS["pose_mobile"](14, (64, 64), TINY_NETS["pose_mobile"])
    with pytest.raises(WeightsError, match=r"check MODEL\.NAME and MODEL\.EXTRA"):
        load_weights(net, _saved(tmp_path / "w.pth", small), joints=("nose",) * 14)


def test_load_start_takes_a_pretrained_net_of_other_joints(tmp_path):
    source = POSE_NETS["pose_timm"](17, (32, 32), TINY_NETS["pose_timm"])
    weights = _saved(tmp_path / "start.pth", source)
    config = write(
        tmp_path / "c.yaml", "MODEL: {NAME: pose_timm, IMAGE_SIZE: [32, 32], HEATMAP_SIZE: [8, 8]}"
    )
    extra = ["MODEL.EXTRA.BACKBONE", "test_resnet", "MODEL.EXTRA.HEAD_CHANNELS", "16"]
    cfg = load_config(
        config, [*extra, "DATASET.SKELETON", str(SHIPPED[-1]), "MODEL.PRETRAINED", str(weights)]
    )
    net = load_start(cfg).eval()
    assert net(torch.zeros(1, 3, 32, 32))[1].shape == (1, 19, 8, 8)
    trunk = {k: v for k, v in net.state_dict().items() if k.startswith("trunk.")}
    assert trunk and all(torch.equal(value, source.state_dict()[key]) for key, value in trunk.items())
    assert np.isfinite(net(torch.zeros(1, 3, 32, 32))[1].detach().numpy()).all()
