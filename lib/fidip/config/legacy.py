"""Keys of the published YAML files that are spelt differently here, or that nothing reads any more."""

from typing import Any

Tree = dict[str, Any]

RENAMED = {
    "TRAIN.BATCH_SIZE": "TRAIN.BATCH_SIZE_PER_GPU",
    "TRAIN.BATCH_SIZE1": "TRAIN.PRE_BATCH_SIZE_PER_GPU",
    "TRAIN.CHECKPOINT": "MODEL.PRETRAINED",
    "TRAIN.RESUME": "AUTO_RESUME",
    "TEST.BATCH_SIZE": "TEST.BATCH_SIZE_PER_GPU",
    "MODEL.EXTRA.TARGET_TYPE": "MODEL.TARGET_TYPE",
    "MODEL.EXTRA.HEATMAP_SIZE": "MODEL.HEATMAP_SIZE",
    "MODEL.EXTRA.SIGMA": "MODEL.SIGMA",
}

DEAD = {
    "GPUS": "the device comes from DEVICE and from the launcher",
    "RANK": "the launcher sets it",
    "MODEL.INIT_WEIGHTS": "weights come from PRETRAINED or PRETRAINED_TRUNK when these are set",
    "MODEL.TAG_PER_JOINT": "nothing ever read it",
    "MODEL.TARGET_TYPE": "targets are always Gaussian",
    "DATASET.DATASET": "every split is COCO-style JSON",
    "DATASET.DATA_FORMAT": "file names come from the JSON",
    "DATASET.HYBRID_JOINTS_TYPE": "nothing ever read it",
    "DATASET.SELECT_DATA": "nothing ever read it",
    "TRAIN.GAMMA1": "no optimiser here uses it",
    "TRAIN.GAMMA2": "no optimiser here uses it",
    "TRAIN.BEGIN_EPOCH": "a run goes on where its checkpoint ends",
    "MODEL.STYLE": "the stride of a bottleneck is in its 3x3 convolution, as in style pytorch",
    "TEST.SHIFT_HEATMAP": "heatmaps of the mirrored crop are exact mirrors and need no shift (docs/differences.md)",
    "TEST.BBOX_THRE": "nothing ever read it; see TEST.IMAGE_THRE and TEST.NMS_THRE",
}

# Dead keys whose published value is what happens anyway need no warning; any other value does.
HARMLESS = {
    "MODEL.TARGET_TYPE": "gaussian",
    "MODEL.INIT_WEIGHTS": True,
    "TRAIN.BEGIN_EPOCH": 0,
    "MODEL.STYLE": "pytorch",
    "TEST.SHIFT_HEATMAP": False,
}


def flatten(tree: Tree, prefix: str = "") -> dict[str, Any]:
    """Nested dicts as {"A.B.C": value}; an empty dict disappears."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            flat.update(flatten(value, f"{name}."))
        else:
            flat[name] = value
    return flat


def translate(flat: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Turn published keys into today's; returns the new flat keys and a sentence for each that changed."""
    result: dict[str, Any] = {}
    notes: list[str] = []
    for key, value in flat.items():
        new_key = RENAMED.get(key, key)
        if new_key in DEAD:
            if HARMLESS.get(new_key, object()) != value:
                notes.append(f"{key} is ignored: {DEAD[new_key]}")
        elif key in RENAMED:
            _translate_renamed(key, new_key, value, result, notes)
        elif new_key == "MODEL.PRETRAINED" and "imagenet" in str(value).lower():
            result["MODEL.PRETRAINED_TRUNK"] = value
            notes.append(f"{key} {value} names ImageNet weights: read as MODEL.PRETRAINED_TRUNK")
        else:
            result[new_key] = value
    if flat.get("DATASET.DATASET") == "syrip" and "TEST.AREA" not in flat:
        result["TEST.AREA"] = "bbox"
        notes.append("TEST.AREA is set to bbox for syrip, whose annotated areas are faulty")
    return result, notes


def _translate_renamed(key: str, new_key: str, value: Any, result: dict[str, Any], notes: list[str]) -> None:
    if key == "TRAIN.CHECKPOINT" and not value:  # empty: must not erase MODEL.PRETRAINED
        return
    result[new_key] = value
    notes.append(f"{key} is read as {new_key}")
