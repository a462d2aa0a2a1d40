"""The kinds of finding an audit knows: how sure each is, what it harms, what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Level = Literal["fault", "leak", "suspect"]


@dataclass(frozen=True)
class Kind:
    """One kind of finding.

    level: fault (wrong for certain), leak (between splits), suspect (to be looked at; may well be right).
    harm: what it does to training or scores. remedy: what to do. droppable: whether ``fix_split`` leaves such
    pictures out on request; other kinds it corrects, or nothing can.
    """

    level: Level
    title: str
    harm: str
    remedy: str
    droppable: bool = False


_LOOK = "look at the pictures; correct the labels, or leave the pictures out with --drop"
_FIXED = "--fix corrects it"
_DISJOINT = "--fix with --disjoint-from leaves such pictures out of one split"

KINDS: Mapping[str, Kind] = {
    "info_missing": Kind("fault", "no info key in the file", "pycocotools' loadRes fails without it", _FIXED),
    "record_broken": Kind(
        "fault",
        "records that cannot be used",
        "training and scoring refuse the file, or leave these out",
        "correct them; --fix leaves them out",
    ),
    "record_repaired": Kind(
        "suspect",
        "fields that other programs may misread",
        "they are read here as they are meant, and counted",
        "write them as COCO has them; --fix does",
    ),
    "image_id_repeated": Kind(
        "fault",
        "image ids used twice",
        "nobody can tell which picture a person belongs to",
        "give each picture its own id; --fix leaves all but the first out",
    ),
    "annotation_id_zero": Kind(
        "fault",
        "annotation id 0",
        "COCOeval reads id 0 as 'unmatched': a perfect detection of this person counts as missed",
        _FIXED,
    ),
    "annotation_id_missing": Kind("fault", "annotations without an id", "pycocotools fails", _FIXED),
    "annotation_id_repeated": Kind(
        "fault", "annotation ids used twice", "pycocotools keeps only the last of them", _FIXED
    ),
    "no_person": Kind(
        "suspect",
        "pictures without a person",
        "nothing to learn from; every detection in them counts as false",
        _LOOK,
        droppable=True,
    ),
    "several_persons": Kind(
        "suspect",
        "pictures with several persons",
        "wrong where a set promises one person a picture",
        _LOOK,
        droppable=True,
    ),
    "picture_missing": Kind(
        "fault", "pictures that are missing", "the run stops", "restore them; --fix leaves them out"
    ),
    "picture_unreadable": Kind(
        "fault",
        "pictures that cannot be read to the end",
        "the run stops, or half a picture is used",
        "fetch them again; --fix leaves them out",
    ),
    "picture_turned": Kind(
        "suspect",
        "pictures that EXIF turns",
        "programs that follow the flag see other pixels than those that do not; labels fit one of the two",
        "write the pixels turned and remove the flag, or set DATASET.EXIF as the labels want it",
        droppable=True,
    ),
    "picture_resized": Kind(
        "fault",
        "pictures of another size than the file says",
        "labels are off, unless the size in the file alone is wrong",
        "restore the pictures that were labelled; or leave them out with --drop",
        droppable=True,
    ),
    "box_outside": Kind(
        "fault",
        "boxes that reach outside the picture",
        "readers clip them in different ways, or not at all",
        _FIXED,
    ),
    "joint_outside_picture": Kind(
        "fault",
        "labelled joints outside the picture",
        "no network can find them, and each counts in OKS",
        "--fix marks them as not labelled",
    ),
    "joint_outside_box": Kind(
        "suspect",
        "labelled joints outside the box",
        "a crop around the box may cut them off; COCO has such boxes too",
        "look at the pictures; --fix with --grow-boxes makes the boxes hold their joints",
        droppable=True,
    ),
    "num_keypoints_wrong": Kind(
        "fault", "num_keypoints that is not the number of labelled joints", "readers rely on it", _FIXED
    ),
    "area_constant": Kind(
        "fault",
        "areas that do not follow the persons' sizes",
        "OKS forgives errors in proportion to the area's root: AP is inflated or deflated",
        _FIXED,
    ),
    "area_impossible": Kind(
        "fault",
        "areas that are no size of the person",
        "OKS forgives these persons' errors too readily, or not at all",
        _FIXED,
    ),
    "area_small": Kind(
        "suspect",
        "areas below a tenth of the box's width x height",
        "OKS forgives these persons' errors hardly; COCO's outlines take about half of the box",
        _FIXED,
    ),
    "swapped_sides": Kind(
        "suspect",
        "left and right may be swapped",
        "a swapped pair is trained the wrong way, and scores as two misses when predicted right",
        _LOOK,
        droppable=True,
    ),
    "domain_unclear": Kind(
        "suspect",
        "persons whose domain is not clear",
        "they count as real in the training of the domain classifier",
        "write is_synthetic true or false into the images",
        droppable=True,
    ),
    "duplicate_within": Kind(
        "suspect",
        "byte-identical pictures in one split",
        "they count twice in training and scores",
        "leave all but one out with --drop",
        droppable=True,
    ),
    "near_duplicate_within": Kind(
        "suspect",
        "near-identical pictures in one split",
        "they count nearly twice; pictures of one video are not independent",
        "look at the pictures; leave all but one out with --drop",
        droppable=True,
    ),
    "duplicate_between": Kind(
        "leak", "byte-identical pictures in several splits", "the score is flattered", _DISJOINT
    ),
    "near_duplicate_between": Kind(
        "leak", "near-identical pictures in several splits", "the score is flattered", _DISJOINT
    ),
    "shared_source": Kind(
        "leak",
        "sources with pictures in several splits",
        "the same infant, room and camera on both sides: the score is flattered",
        _DISJOINT,
    ),
}

DROPPABLE = tuple(name for name, kind in KINDS.items() if kind.droppable)
