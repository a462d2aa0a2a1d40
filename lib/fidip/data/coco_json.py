"""Write data sets in the published layout: COCO keypoint JSON files beside folders of pictures.

    ROOT/annotations/person_keypoints_<split>.json
    ROOT/images/<split>/<file_name>

The records have the fields of SyRIP: a picture also says whether it is synthetic, the infant's posture and
where it came from.
"""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fidip.annotations import check_annotations, require_pictures
from fidip.errors import DataError
from fidip.files import read_json, write_json
from fidip.progress import progress
from fidip.skeleton import Skeleton

Place = Literal["copy", "hardlink", "symlink"]

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})


@dataclass(frozen=True)
class PreparedSplit:
    """A split that is ready to be written. data: COCO JSON; pictures: file_name -> picture to take it from."""

    data: dict[str, Any]
    pictures: dict[str, Path]


def annotation_path(root: Path, split: str) -> Path:
    """The annotation file of a split."""
    return root / "annotations" / f"person_keypoints_{split}.json"


def image_folder(root: Path, split: str) -> Path:
    """The picture folder of a split."""
    return root / "images" / split


def category(skeleton: Skeleton) -> dict[str, Any]:
    """The one COCO category, person, with joint names and limbs (indices from 1, as COCO has them)."""
    return {
        "id": 1,
        "name": "person",
        "supercategory": "person",
        "keypoints": list(skeleton.names),
        "skeleton": [[start + 1, end + 1] for start, end in skeleton.limbs],
    }


def coco_json(
    images: Sequence[Mapping[str, Any]],
    annotations: Sequence[Mapping[str, Any]],
    skeleton: Skeleton,
    description: str,
) -> dict[str, Any]:
    """A whole COCO file; ``info`` is there because pycocotools.loadRes reads it."""
    return {
        "info": {"description": description},
        "images": list(images),
        "annotations": list(annotations),
        "categories": [category(skeleton)],
    }


class SplitBuilder:
    """Collects the pictures and persons of a new split; ids run from 1."""

    def __init__(self, skeleton: Skeleton, description: str) -> None:
        self.skeleton, self.description = skeleton, description
        self.images: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []
        self.pictures: dict[str, Path] = {}
        self._image_ids: set[int] = set()

    def add_picture(
        self,
        source: Path,
        file_name: str,
        size: tuple[int, int],
        *,
        is_synthetic: bool,
        posture: str = "",
        image_source: str = "",
        image_id: int | None = None,
    ) -> int:
        """Add the picture file ``source`` under a new name and return its id, which may be given.

        size: (width, height) in px. posture and image_source are "" when unknown.
        Raises DataError when the name or the id is taken.
        """
        if file_name in self.pictures:
            raise DataError(
                f"{source} and {self.pictures[file_name]} have the same name; leave one of them out"
            )
        self.pictures[file_name] = source
        image_id = len(self.images) + 1 if image_id is None else image_id
        if image_id in self._image_ids:
            raise DataError(
                f"{source}: image id {image_id} is used by another picture; leave one of them out"
            )
        self._image_ids.add(image_id)
        self.images.append(
            {
                "id": image_id,
                "file_name": file_name,
                "width": size[0],
                "height": size[1],
                "is_synthetic": is_synthetic,
                "posture": posture,
                "image_source": image_source,
            }
        )
        return image_id

    def add_person(
        self,
        image_id: int,
        box: Sequence[float],
        keypoints: Sequence[float],
        area: float | None = None,
        iscrowd: int = 0,
    ) -> None:
        """Add a person. box: x, y, w, h in image px; keypoints: x, y, visibility per joint, flat.

        area: px^2, w * h of the box when not known.
        """
        self.annotations.append(
            {
                "id": len(self.annotations) + 1,
                "image_id": image_id,
                "category_id": 1,
                "bbox": list(box),
                "area": box[2] * box[3] if area is None else area,
                "num_keypoints": sum(visibility > 0 for visibility in keypoints[2::3]),
                "keypoints": list(keypoints),
                "iscrowd": iscrowd,
            }
        )

    def prepared(self) -> PreparedSplit:
        """The split, ready to be written."""
        data = coco_json(self.images, self.annotations, self.skeleton, self.description)
        return PreparedSplit(data, self.pictures)


def read_coco(
    path: Path, skeleton: Skeleton, need_joints: bool = True, keep_joints: bool = True
) -> dict[str, Any]:
    """Read a foreign COCO file with the checks of ``load_annotations``, and that each picture has name and size.

    need_joints: False takes persons without ``keypoints`` too, as persons without a labelled joint; keep_joints:
    False takes all persons so, whatever joints they have.
    Raises DataError that names file and records.
    """
    data, source = read_json(path, "annotation file"), f"annotation file {path}"
    optional = not (need_joints and keep_joints)
    if optional and isinstance(data, dict) and isinstance(data.get("annotations"), list):
        unlabelled = {"keypoints": [0] * (3 * skeleton.num_joints)}
        data["annotations"] = [
            {**unlabelled, **annotation} if keep_joints else {**annotation, **unlabelled, "num_keypoints": 0}
            for annotation in data["annotations"]
        ]
    checked = check_annotations(data, source, skeleton)
    require_pictures(checked, source)
    return checked


@contextmanager
def staging_folder(target: Path) -> Iterator[Path]:
    """Yield a new folder beside ``target``, to be filled and renamed; what is left of it is removed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = target.with_name(f".{target.name}.{os.getpid()}.partial")
    staging.mkdir()
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def write_split(root: Path, split: str, prepared: PreparedSplit, place: Place = "copy") -> None:
    """Write a split's pictures and its annotation file, or nothing.

    Raises DataError when the split is there already, when pictures are missing, or when they cannot be linked.
    """
    annotations, folder = annotation_path(root, split), image_folder(root, split)
    if not split or split in {".", ".."} or Path(split).name != split or "\\" in split:
        raise DataError(f"split name {split!r} must be a plain name without slashes")
    for path in (annotations, folder):
        if path.exists():
            raise DataError(f"{path} exists already; delete it or choose another split name")
    missing = [path for path in prepared.pictures.values() if not path.is_file()]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(prepared.pictures)} pictures are missing, the first is {missing[0]}; "
            "check the picture folder"
        )
    with staging_folder(folder) as staging:
        for name, source in progress(prepared.pictures.items(), len(prepared.pictures), split, "pictures"):
            _place(source, staging / name, place)
        staging.rename(folder)
    try:
        write_json(annotations, prepared.data)
    except BaseException:
        shutil.rmtree(folder)  # pictures without their labels would look like a finished split
        raise


def _place(source: Path, target: Path, place: Place) -> None:
    if place == "copy":
        shutil.copyfile(source, target)
        return
    try:
        if place == "hardlink":
            os.link(source, target)
        else:
            target.symlink_to(source.resolve())
    except OSError as error:
        raise DataError(
            f"cannot link {target} to {source} ({error.strerror}); copy the pictures instead of linking them"
        ) from error
