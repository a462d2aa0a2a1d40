"""Build ``train_pre_infant``, the set on which the domain classifier is trained before adaptation.

The published one, which was never released, has 1904 adults of COCO val2017 (real, label 0) and 2000 renders
of SURREAL (synthetic, label 1). Any COCO-style real set and any synthetic set will do.

SURREAL (Varol et al., CVPR 2017) comes as one video with an _info.mat file per clip. Only the pictures are
needed here, one person each: take frames with, for example,

    ffmpeg -i 01_01_c0001.mp4 -vf fps=1 frames/01_01_c0001_%04d.jpg

and give the folder of frames as the synthetic set; the whole picture is then the person's box.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from fidip.data.coco_json import PICTURE_SUFFIXES, PreparedSplit, SplitBuilder, read_coco
from fidip.errors import DataError
from fidip.progress import progress
from fidip.skeleton import COCO17, Skeleton

logger = logging.getLogger("fidip")

PUBLISHED_REAL = 1904
PUBLISHED_SYNTHETIC = 2000


@dataclass(frozen=True)
class Person:
    """A person who may be chosen. image and annotation are COCO records; None: the whole picture, no labels."""

    picture: Path
    image: dict[str, Any] | None = None
    annotation: dict[str, Any] | None = None


def persons_of_coco(
    annotation_file: Path, folder: Path, synthetic: bool, skeleton: Skeleton = COCO17
) -> list[Person]:
    """All persons of a COCO file that have a box and are not crowds, in the order of the file.

    Pictures whose own ``is_synthetic`` says the contrary of ``synthetic`` are left out. Joints are optional, and
    dropped for a ``skeleton`` other than COCO-17: the classifier does not need them.
    """
    data = read_coco(annotation_file, skeleton, need_joints=False, keep_joints=skeleton is COCO17)
    images = {
        image["id"]: image
        for image in data["images"]
        if bool(image.get("is_synthetic", synthetic)) == synthetic
    }
    return [
        Person(
            folder / images[annotation["image_id"]]["file_name"], images[annotation["image_id"]], annotation
        )
        for annotation in data["annotations"]
        if annotation["image_id"] in images
        and not annotation.get("iscrowd")
        and min(annotation["bbox"][2:]) > 0
    ]


def persons_of_folder(folder: Path) -> list[Person]:
    """One person for each picture below a folder, in the order of the names."""
    return [Person(path) for path in sorted(folder.rglob("*")) if path.suffix.lower() in PICTURE_SUFFIXES]


def choose(persons: Sequence[Person], count: int, rng: np.random.Generator, what: str) -> list[Person]:
    """Draw ``count`` persons without repeats, in their old order; all of them, with a warning, if fewer.

    Raises DataError when there is none.
    """
    if not persons or count < 1:
        raise DataError(f"no {what} persons to choose from ({count} asked for); check the {what} set")
    if len(persons) < count:
        logger.warning("only %d of %d %s persons are available; all are used", len(persons), count, what)
    chosen = rng.choice(len(persons), size=min(count, len(persons)), replace=False)
    return [persons[index] for index in sorted(chosen)]


def build_pretrain_set(
    real: Sequence[Person],
    synthetic: Sequence[Person],
    num_real: int = PUBLISHED_REAL,
    num_synthetic: int = PUBLISHED_SYNTHETIC,
    seed: int = 0,
    skeleton: Skeleton = COCO17,
) -> PreparedSplit:
    """Choose persons of both kinds and make one split of them.

    The two draws have generators of their own, so the number of real persons does not change which synthetic
    ones are chosen. Persons of one picture share its entry. File names become real_<name> and syn_<name>.
    skeleton: as given for the persons.
    """
    split = SplitBuilder(
        skeleton, f"Real (0) and synthetic (1) persons for the domain classifier, seed {seed}"
    )
    for kind, (persons, count) in enumerate(((real, num_real), (synthetic, num_synthetic))):
        chosen = choose(persons, count, np.random.default_rng([seed, kind]), ("real", "synthetic")[kind])
        ids: dict[Path, int] = {}
        for person in progress(chosen, len(chosen), "choosing", "persons"):
            image, annotation = _records(person, skeleton)
            if person.picture not in ids:
                ids[person.picture] = split.add_picture(
                    person.picture,
                    _unique_name(f"{('real', 'syn')[kind]}_{person.picture.name}", split.pictures),
                    (image["width"], image["height"]),
                    is_synthetic=bool(kind),
                    posture=image.get("posture", ""),
                    image_source=image.get("image_source") or image.get("coco_url") or "",
                )
            split.add_person(
                ids[person.picture], annotation["bbox"], annotation["keypoints"], annotation.get("area")
            )
    return split.prepared()


def _records(person: Person, skeleton: Skeleton) -> tuple[dict[str, Any], dict[str, Any]]:
    if person.image is not None and person.annotation is not None:
        return person.image, person.annotation
    try:
        with Image.open(person.picture) as picture:
            width, height = picture.size
    except (OSError, UnidentifiedImageError) as error:
        raise DataError(f"picture {person.picture} cannot be read ({error}); remove or replace it") from error
    unlabelled = {"bbox": [0, 0, width, height], "keypoints": [0] * (3 * skeleton.num_joints)}
    return {"width": width, "height": height}, unlabelled


def _unique_name(name: str, taken: dict[str, Path]) -> str:
    """The name, or with _2, _3, ... before its suffix when pictures of different folders share it."""
    path, number, unique = Path(name), 1, name
    while unique in taken:
        number += 1
        unique = f"{path.stem}_{number}{path.suffix}"
    return unique
