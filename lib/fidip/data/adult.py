"""Join adult sets into one training split and one test split, for a start of the pose network on adults.

Leeds Sports Pose Extended (Johnson & Everingham, CVPR 2011) gives bodies in every orientation; COCO 2017 gives
everyday scenes. Leeds labels come from the crowd and some have left and right swapped: each person carries
``peer_pck`` and ``peer_pck_lrswapped``, the fractions of joints (0..1) at which another model agrees with the
labels as they are and with left and right swapped.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fidip.data.coco_json import PreparedSplit, SplitBuilder, read_coco
from fidip.errors import DataError
from fidip.skeleton import COCO17

Record = dict[str, Any]

logger = logging.getLogger("fidip")

SWAP_MARGIN = 0.3  # labels are taken as swapped when the swapped ones agree better by more than this fraction
FACE_JOINTS = 5  # nose, eyes, ears: the joints to which the five ``pseudo_face`` flags belong
MIN_JOINTS = 5  # fewer labelled joints do not show a pose


def join_adult_sets(
    lspet: Path | None,
    coco: Sequence[tuple[Path, Path]],
    train_split: str = "train2017",
    test_split: str = "val2017",
    min_joints: int = MIN_JOINTS,
    drop_pseudo_face: bool = False,
) -> tuple[PreparedSplit, PreparedSplit]:
    """Make the training split (Leeds and COCO ``train_split``) and the test split (COCO ``test_split``).

    lspet: folder with person_keypoints.json and images/. coco: pairs of annotation file and picture folder;
    the part of COCO that a picture belongs to is its field ``split``, else the folder in its ``coco_url``.
    Training keeps persons who are no crowd and have ``min_joints`` labelled joints. The test split keeps every
    picture with every annotation and the picture's id, so that results compare with those of others.
    Raises DataError for records that lack what is needed, or when a split is empty.
    """
    if train_split == test_split:
        raise DataError(f"{train_split} cannot be both the training and the test split; choose two")
    train = SplitBuilder(COCO17, f"Adults: Leeds Sports Pose Extended and COCO {train_split}, cleaned")
    test = SplitBuilder(COCO17, f"Adults: COCO {test_split}, all annotations")
    if lspet is not None:
        _add_lspet(train, lspet, drop_pseudo_face)
    for annotation_file, folder in coco:
        _add_coco(train, test, annotation_file, folder, (train_split, test_split), min_joints)
    for what, split in (("training", train), ("test", test)):
        if not split.pictures:
            raise DataError(f"the {what} split is empty; check the given sets and the names of COCO's splits")
    return train.prepared(), test.prepared()


def _add(
    split: SplitBuilder, folder: Path, image: Record, persons: Sequence[Record], image_id: int | None = None
) -> None:
    image_id = split.add_picture(
        folder / image["file_name"],
        Path(image["file_name"]).name,
        (image["width"], image["height"]),
        is_synthetic=False,
        image_source=image.get("coco_url") or image.get("flickr_url") or "",
        image_id=image_id,
    )
    for person in persons:
        split.add_person(image_id, person["bbox"], person["keypoints"], person.get("area"), person["iscrowd"])


def _persons_by_image(data: Record) -> dict[int, list[Record]]:
    persons: dict[int, list[Record]] = {image["id"]: [] for image in data["images"]}
    for annotation in data["annotations"]:
        persons[annotation["image_id"]].append(annotation)
    return persons


def _add_lspet(train: SplitBuilder, folder: Path, drop_pseudo_face: bool) -> None:
    path = folder / "person_keypoints.json"
    data = read_coco(path, COCO17)
    dropped = 0
    persons = _persons_by_image(data)
    for image in data["images"]:
        kept = [person for person in persons[image["id"]] if not _is_swapped(path, person)]
        dropped += len(persons[image["id"]]) - len(kept)
        if drop_pseudo_face:
            kept = [_without_pseudo_face(path, person) for person in kept]
        if kept:
            _add(train, folder / "images", image, kept)
    logger.info("%s: %d persons left out, left and right look swapped", path, dropped)


def _is_swapped(path: Path, person: Record) -> bool:
    try:
        return bool(person["peer_pck_lrswapped"] > person["peer_pck"] + SWAP_MARGIN)
    except KeyError as error:
        raise DataError(f"{path}: annotation {person.get('id')} lacks {error.args[0]!r}; add it") from error


def _without_pseudo_face(path: Path, person: Record) -> Record:
    """A copy without the face joints that a model filled in."""
    flags = person.get("pseudo_face")
    if not isinstance(flags, list) or len(flags) != FACE_JOINTS:
        raise DataError(
            f"{path}: annotation {person.get('id')} needs {FACE_JOINTS} flags in 'pseudo_face'; add them"
        )
    keypoints = list(person["keypoints"])
    for joint, filled in enumerate(flags):
        if filled:
            keypoints[3 * joint : 3 * joint + 3] = [0, 0, 0]
    return {**person, "keypoints": keypoints}


def _add_coco(
    train: SplitBuilder,
    test: SplitBuilder,
    path: Path,
    folder: Path,
    splits: tuple[str, str],
    min_joints: int,
) -> None:
    data = read_coco(path, COCO17)
    persons = _persons_by_image(data)
    for image in data["images"]:
        part = _coco_split(path, image)
        if part == splits[1]:
            _add(test, folder, image, persons[image["id"]], image["id"])
        elif part == splits[0]:
            kept = [person for person in persons[image["id"]] if _shows_pose(person, min_joints)]
            if kept:
                _add(train, folder, image, kept)


def _coco_split(path: Path, image: Record) -> str:
    """The part of COCO, e.g. "train2017", from the field ``split`` or from .../train2017/000000000009.jpg."""
    split = image.get("split") or Path(image.get("coco_url", "")).parent.name
    if not split:
        raise DataError(f"{path}: picture {image['id']} has neither 'split' nor 'coco_url'; add one of them")
    return str(split)


def _shows_pose(person: Record, min_joints: int) -> bool:
    return not person["iscrowd"] and person["num_keypoints"] >= min_joints and min(person["bbox"][2:]) > 0
