import importlib.util
from pathlib import Path

import pytest
import yaml

from fidip.config import (
    KEYS,
    check_for_testing,
    check_for_training,
    defaults,
    load_config,
    read_settings,
    run_name,
)
from fidip.errors import ConfigError

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
CONFIGS = sorted(
    p for p in EXPERIMENTS.rglob("*.yaml") if not {"_base_", "protocols", "skeletons"} & {*p.parts}
)
TABLES = EXPERIMENTS / "tables"

# The published files, key for key; DATASET.DATASET and the like are read by nothing any more.
PUBLISHED_HRNET = """
AUTO_RESUME: true
CUDNN: {BENCHMARK: true, DETERMINISTIC: false, ENABLED: true}
DATA_DIR: ''
GPUS: (0,)
OUTPUT_DIR: output
LOG_DIR: log
WORKERS: 1
PRINT_FREQ: 20
DATASET: {COLOR_RGB: true, DATASET: syrip, DATA_FORMAT: jpg, FLIP: true, NUM_JOINTS_HALF_BODY: 8,
  PROB_HALF_BODY: 0.3, ROOT: data/syrip/, ROT_FACTOR: 45, SCALE_FACTOR: 0.35, TEST_SET: validate_infant,
  TRAIN_SET: train_infant, TRAIN_PRE_SET: train_pre_infant}
MODEL:
  INIT_WEIGHTS: true
  NAME: adaptive_pose_hrnet
  NUM_JOINTS: 17
  PRETRAINED: ''
  TARGET_TYPE: gaussian
  IMAGE_SIZE: [288, 384]
  HEATMAP_SIZE: [72, 96]
  SIGMA: 3
  EXTRA:
    PRETRAINED_LAYERS: [conv1, bn1]
    FINAL_CONV_KERNEL: 1
    STAGE2: {NUM_MODULES: 1, NUM_BRANCHES: 2, BLOCK: BASIC, NUM_BLOCKS: [4, 4], NUM_CHANNELS: [48, 96], FUSE_METHOD: SUM}
LOSS: {USE_TARGET_WEIGHT: true}
TRAIN: {PRE_BATCH_SIZE_PER_GPU: 16, BATCH_SIZE_PER_GPU: 20, CHECKPOINT: '', SHUFFLE: true, PRE_EPOCH: 0,
  BEGIN_EPOCH: 0, END_EPOCH: 20, LAMBDA: 0.000, OPTIMIZER: adam, LR: 0.0001, LR_FACTOR: 0.1, LR_STEP: [40, 200],
  WD: 0.0001, GAMMA1: 0.99, GAMMA2: 0.0, MOMENTUM: 0.9, NESTEROV: false}
TEST: {BATCH_SIZE_PER_GPU: 16, COCO_BBOX_FILE: x.json, BBOX_THRE: 1.0, IMAGE_THRE: 0.0, IN_VIS_THRE: 0.2,
  MODEL_FILE: models/x.pth, NMS_THRE: 1.0, OKS_THRE: 0.9, USE_GT_BBOX: true, FLIP_TEST: true, POST_PROCESS: true,
  BLUR_KERNEL: 11}
DEBUG: {DEBUG: true, SAVE_BATCH_IMAGES_GT: true, SAVE_BATCH_IMAGES_PRED: true, SAVE_HEATMAPS_GT: true,
  SAVE_HEATMAPS_PRED: true}
"""
PUBLISHED_RESNET_2020 = """
GPUS: '0'
DATASET: {DATASET: coco, ROOT: data/coco/, TEST_SET: validate_infant, TRAIN_SET: train_infant, FLIP: true,
  TRAIN_PRE_SET: train_pre_infant, ROT_FACTOR: 40, SCALE_FACTOR: 0.3}
MODEL:
  NAME: pose_resnet
  PRETRAINED: models/pytorch/imagenet/resnet50-caffe.pth.tar
  IMAGE_SIZE: [288, 384]
  NUM_JOINTS: 17
  EXTRA: {TARGET_TYPE: gaussian, HEATMAP_SIZE: [72, 96], SIGMA: 3, FINAL_CONV_KERNEL: 1, DECONV_WITH_BIAS: false,
    NUM_DECONV_LAYERS: 3, NUM_DECONV_FILTERS: [256, 256, 256], NUM_DECONV_KERNELS: [4, 4, 4], NUM_LAYERS: 50}
LOSS: {USE_TARGET_WEIGHT: true}
TRAIN: {BATCH_SIZE: 85, BATCH_SIZE1: 128, SHUFFLE: true, CHECKPOINT: start.pth, BEGIN_EPOCH: 0, END_EPOCH: 80,
  RESUME: false, OPTIMIZER: adam}
TEST: {BATCH_SIZE: 5, BBOX_THRE: 1.0, FLIP_TEST: false}
"""


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: str(p.relative_to(EXPERIMENTS)))
def test_every_config_loads_without_contradiction(path, monkeypatch):
    monkeypatch.setattr("fidip.config.check._missing", lambda *args, **kwargs: [])  # weights are not shipped
    cfg = load_config(path)
    check_for_testing(cfg)
    if not cfg.TEST.MODEL_FILE:
        check_for_training(cfg)
    lines = [line for line in path.read_text().splitlines() if line.strip()]
    assert len(lines) <= 25


def test_every_row_of_the_published_tables_has_a_config():
    nets = ("hrnet_w48", "resnet50", "mobile")
    expected = {f"generality/{net}_{row}" for net in nets for row in ("none", "finetune", "fidip")}
    expected |= {f"train_sets/{net}_{data}" for net in nets for data in ("mini_rgbd", "syrip_syn", "syrip")}
    ablation = {p.stem for p in (TABLES / "ablation").glob("*.yaml")}
    assert len(ablation) == 15
    found = {f"{p.parent.name}/{p.stem}" for p in TABLES.rglob("*.yaml")}
    assert found == expected | {f"ablation/{name}" for name in ablation}


def test_published_names_say_what_they_train():
    cfg = load_config(EXPERIMENTS / "coco/hrnet/w48_384x288_adam_lr1e-3_infant.yaml")
    assert cfg.ADAPT.METHOD == "grl" and cfg.TRAIN.LAMBDA == 5e-4 and cfg.TRAIN.PRE_EPOCH == 1
    assert cfg.MODEL.PRETRAINED == "models/coco/w48_384x288.pth" and cfg.TRAIN.LR == 1e-4
    mobile = load_config(EXPERIMENTS / "coco/mobilenet/mobile_224x224_adam_lr1e-3_infant.yaml")
    assert mobile.TRAIN.FREEZE == [] and mobile.MODEL.IMAGE_SIZE == [224, 224]


def test_published_hrnet_file_loads_unchanged(tmp_path, caught):
    cfg = load_config(write(tmp_path / "w48.yaml", PUBLISHED_HRNET))
    assert cfg.DATASET.TRAIN_SET == ["train_infant"] and cfg.TRAIN.LR_STEP == [40, 200]
    assert cfg.ADAPT.METHOD == "grl" and cfg.TRAIN.LAMBDA == 0 and cfg.TEST.AREA == "bbox"
    for key in ("GPUS", "DATASET.DATASET", "DATASET.DATA_FORMAT", "TRAIN.GAMMA1", "TEST.BBOX_THRE"):
        assert f"{key} is ignored" in caught.text
    assert "MODEL.INIT_WEIGHTS" not in caught.text and "TARGET_TYPE" not in caught.text
    with pytest.raises(ConfigError, match=r"TRAIN\.LAMBDA 0\.0 trains no adaptation"):
        check_for_training(cfg)


def test_published_resnet_file_of_2020_loads_unchanged(tmp_path, caught):
    cfg = load_config(write(tmp_path / "res.yaml", PUBLISHED_RESNET_2020))
    assert cfg.MODEL.HEATMAP_SIZE == [72, 96] and cfg.MODEL.SIGMA == 3 and "SIGMA" not in cfg.MODEL.EXTRA
    assert cfg.TRAIN.BATCH_SIZE_PER_GPU == 85 and cfg.TRAIN.PRE_BATCH_SIZE_PER_GPU == 128
    assert cfg.TEST.BATCH_SIZE_PER_GPU == 5 and cfg.AUTO_RESUME is False
    assert cfg.MODEL.PRETRAINED == "start.pth"
    assert cfg.MODEL.PRETRAINED_TRUNK == "models/pytorch/imagenet/resnet50-caffe.pth.tar"
    assert "TRAIN.BATCH_SIZE is read as TRAIN.BATCH_SIZE_PER_GPU" in caught.text


def test_base_chain_and_overrides(tmp_path):
    write(tmp_path / "a.yaml", "TRAIN: {LR: 0.1, END_EPOCH: 7}\nMODEL: {EXTRA: {BACKBONE: x}}")
    write(tmp_path / "b.yaml", "TRAIN: {LR: 0.2}")
    child = write(tmp_path / "c.yaml", "BASE: [a.yaml, b.yaml]\nTRAIN: {WD: 1e-4}")
    cfg = load_config(
        child, ["TRAIN.LR", "3e-4", "DATASET.TRAIN_SET", "one", "MODEL.EXTRA.BACKBONE", "resnet18"]
    )
    assert (cfg.TRAIN.LR, cfg.TRAIN.END_EPOCH, cfg.TRAIN.WD) == (3e-4, 7, 1e-4)
    assert cfg.DATASET.TRAIN_SET == ["one"] and cfg.MODEL.EXTRA.BACKBONE == "resnet18"
    assert load_config(child, ["DATASET.TRAIN_SET", "['a', 'b/c']"]).DATASET.TRAIN_SET == ["a", "b/c"]
    assert load_config(child, ["MODEL.IMAGE_SIZE", "(224,224)"]).MODEL.IMAGE_SIZE == [224, 224]
    with pytest.raises(AttributeError):
        cfg.TRAIN.LR = 1  # frozen


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("TRAIN: {LAMDA: 1}", r"c\.yaml: unknown key TRAIN\.LAMDA; did you mean TRAIN\.LAMBDA"),
        ("TRAIN: {FLIP: true}", r"DATASET\.FLIP"),
        ("TRIAN: {LR: 1}", r"unknown key TRIAN\.LR; did you mean TRAIN\.LR"),
        ("LAMBDA: 1", r"TRAIN\.LAMBDA"),
        ("TRAIN: {LR: fast}", r"TRAIN\.LR must be a number, e\.g\. 0\.001, got 'fast'"),
        ("TRAIN: {END_EPOCH: true}", r"END_EPOCH must be a whole number"),
        ("DATASET: {FLIP: 1}", r"FLIP must be True or False"),
        ("TRAIN: 5", r"TRAIN is a group of keys"),
        ("TRAIN: {LR_STEP: [90, x]}", r"LR_STEP must be a list, each element a whole number"),
        ("TRAIN: {LR_FACTOR: -0.1}", r"c\.yaml: TRAIN\.LR_FACTOR must be positive, got -0\.1"),
        ("TRAIN: {PRE_EPOCH: -1}\nWORKERS: -1", r"WORKERS must be .*; TRAIN\.PRE_EPOCH must be at least 0"),
        ("TRAIN: {LR: .nan}", r"TRAIN\.LR must be a number"),
        ("MODEL: {IMAGE_SIZE: [256]}", r"IMAGE_SIZE must have 2 values"),
        ("DATASET: {FLIP: 'False'}", r"FLIP must be True or False, e\.g\. True, got 'False'"),
        ("a: [", "not valid YAML"),
        ("- a", "KEY: value lines"),
        ("BASE: missing.yaml", r"missing\.yaml does not exist"),
        ("BASE: c.yaml", "circle"),
        ("x: !!python/object/apply:os.system [echo]", "not valid YAML"),
    ],
)
def test_errors_name_the_file_and_the_remedy(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        load_config(write(tmp_path / "c.yaml", text))


def test_overrides_may_be_written_in_other_ways(tmp_path):
    path = write(tmp_path / "c.yaml", "BASE:\nSEED: 1")
    words = ["TRAIN.LR=1e-4", "DEBUG.DEBUG", "true", "DATASET.TRAIN_SET", "[a, b]", "TRAIN.END_EPOCH", "1e1"]
    cfg = load_config(path, words)
    assert (cfg.TRAIN.LR, cfg.DEBUG.DEBUG, cfg.DATASET.TRAIN_SET, cfg.TRAIN.END_EPOCH) == (
        1e-4,
        True,
        ["a", "b"],
        10,
    )


def test_settings_are_typed_and_frozen(tmp_path):
    cfg = load_config(write(tmp_path / "c.yaml", "MODEL: {EXTRA: {A: {B: 2}}}"), ["TRAIN.FREEZE", "[a]"])
    settings = read_settings(cfg)
    assert settings.TRAIN.FREEZE == ("a",) and settings.MODEL.EXTRA == {"A": {"B": 2}}
    assert read_settings(settings) is settings and KEYS["TRAIN.LR_STEP"].listed
    with pytest.raises(AttributeError):
        settings.TRAIN.LR = 1.0


def test_overrides_must_be_pairs_of_known_keys(tmp_path):
    path = write(tmp_path / "c.yaml", "SEED: 1")
    with pytest.raises(ConfigError, match=r"'TRAIN\.LR' has no value"):
        load_config(path, ["TRAIN.LR"])
    with pytest.raises(
        ConfigError, match=r"command line: unknown key TEST\.MODELFILE; did you mean TEST\.MODEL_FILE"
    ):
        load_config(path, ["TEST.MODELFILE", "x"])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["TRAIN.LAMBDA", "0", "ADAPT.METHOD", "grl"], "trains no adaptation"),
        (["TRAIN.FREEZE", "['layer1']"], "freeze random weights"),
        (["MODEL.HEATMAP_SIZE", "[72, 72]"], r"must be IMAGE_SIZE \[288, 384\] / 4"),
        (["ADAPT.METHOD", "magic"], "ADAPT.METHOD must be one of .*none, grl.*, got 'magic'"),
        (["ADAPT.METHOD", "grl", "TRAIN.PRE_EPOCH", "1"], "needs DATASET.TRAIN_PRE_SET"),
        (["ADAPT.METHOD", "grl", "DATASET.DOMAIN", "real"], "needs both domains"),
        (["TRAIN.LR", "0"], "TRAIN.LR must be positive"),
        (["MODEL.PRETRAINED", "nowhere.pth"], "nowhere.pth does not exist"),
        (["DATASET.TRAIN_SET", "[]"], "TRAIN_SET is empty"),
        (["MODEL.NUM_JOINTS", "14"], "differs from the 17 joints"),
        (["TRAIN.EMA", "1.0"], "EMA must be at least 0 and below 1, got 1.0"),
    ],
)
def test_contradictions_stop_training(tmp_path, overrides, message):
    path = write(tmp_path / "c.yaml", "DATASET: {TRAIN_SET: train_infant, TEST_SET: validate_infant}")
    check_for_training(load_config(path))
    with pytest.raises(ConfigError, match=message):
        check_for_training(load_config(path, overrides))


def test_doubtful_choices_are_said(tmp_path, caught):
    path = write(
        tmp_path / "c.yaml", "DATASET: {TRAIN_SET: a, VAL_SET: t, TEST_SET: t}\nTRAIN: {END_EPOCH: 20}"
    )
    check_for_training(load_config(path))
    assert "LR_STEP [90, 110] lies at or after END_EPOCH 20" in caught.text
    assert "starts from random weights" in caught.text
    assert "chosen on what it is tested on" in caught.text


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["TEST.MODEL_FILE", "nowhere.pth"], "nowhere.pth does not exist"),
        (["TEST.USE_GT_BBOX", "False"], "needs TEST.COCO_BBOX_FILE"),
        (["TEST.BLUR_KERNEL", "10"], "must be odd"),
        (["TEST.AREA", "mask"], "AREA must be one of annotation, bbox, keypoints, got 'mask'"),
        (["DATASET.TEST_SET", ""], "TEST_SET is empty"),
    ],
)
def test_contradictions_stop_testing(tmp_path, overrides, message):
    path = write(tmp_path / "c.yaml", "DATASET: {TEST_SET: validate_infant}")
    check_for_testing(load_config(path))
    with pytest.raises(ConfigError, match=message):
        check_for_testing(load_config(path, overrides))


def test_run_name_changes_with_what_changes_the_result(tmp_path):
    path = write(tmp_path / "exp.yaml", "TRAIN: {LR: 0.1}")

    def name(*overrides, testing=False):
        return run_name(path, load_config(path, list(overrides)), testing)

    assert name().startswith("exp-") and name() == name("WORKERS", "0", "OUTPUT_DIR", "elsewhere")
    assert name() != name("TRAIN.LAMBDA", "0.1") and name() != name("SEED", "1")
    assert name() == name("TEST.MODEL_FILE", "x") and name(testing=True) != name(
        "TEST.MODEL_FILE", "x", testing=True
    )


def test_data_dir_is_put_in_front_of_relative_paths(tmp_path):
    path = write(
        tmp_path / "c.yaml",
        "DATASET: {ROOT: syrip}\nMODEL: {PRETRAINED: /abs/x.pth, PRETRAINED_TRUNK: imagenet}",
    )
    cfg = load_config(path, ["DATA_DIR", "base", "TEST.MODEL_FILE", "m.pth"])
    assert (cfg.DATASET.ROOT, cfg.TEST.MODEL_FILE) == ("base/syrip", "base/m.pth")
    assert (cfg.MODEL.PRETRAINED, cfg.MODEL.PRETRAINED_TRUNK) == ("/abs/x.pth", "imagenet")


def test_every_key_has_a_meaning_and_a_reader():
    package = Path(__file__).parents[1] / "lib" / "fidip"
    readers = "\n".join(p.read_text() for p in package.rglob("*.py") if p.name != "settings.py")
    for name, facts in KEYS.items():
        last = name.split(".")[-1]
        assert len(facts.rule.meaning) > 7, f"{name} has no meaning"
        assert f".{last}" in readers or f'"{last}"' in readers, f"nothing reads {name}"


def test_defaults_are_a_fresh_copy():
    first = defaults()
    first.TRAIN.LR = 5.0
    assert defaults().TRAIN.LR == 1e-3
    assert yaml.safe_load("1e-4") == "1e-4"  # why numbers in strings are accepted for float keys


def test_the_page_of_keys_is_up_to_date():
    spec = importlib.util.spec_from_file_location(
        "key_table", EXPERIMENTS.parent / "docs" / "write_reference.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text(encoding="utf-8") == module.page(), "run python docs/write_reference.py"
