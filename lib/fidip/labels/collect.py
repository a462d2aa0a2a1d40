"""Pictures and persons of a foreign file, gathered into COCO keypoint JSON."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from fidip.annotations import check_annotations, is_number, raise_faults, require_pictures
from fidip.data.coco_json import coco_json
from fidip.data.mini_rgbd import joint_box
from fidip.errors import DataError
from fidip.labels.pictures import Pictures, Size
from fidip.repair import plain_name
from fidip.skeleton import Skeleton

Array = np.ndarray
DIGITS = 4  # decimals of px that are kept
HIDDEN, VISIBLE = 1, 2
PIXEL_CENTRE = (
    0.5  # px from the corner where other tools begin to count to the centre of the first pixel, 0 here
)


@dataclass
class FoundPerson:
    """A person. keypoints (K, 3): image px and visibility 0, 1, 2. box: x, y, w, h in px, or None.

    fields: further fields of its annotation, its ``id`` among them where it is known.
    """

    keypoints: Array
    box: Sequence[float] | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class FoundPicture:
    """A picture. fallback: number that the foreign tool gives it. fields: of its record, ``id`` where known."""

    name: str
    size: Size
    persons: Sequence[FoundPerson]
    fallback: int
    fields: Mapping[str, Any] = field(default_factory=dict)


class Collector:
    """Gathers what a reader finds in ``source``; faults of records are raised together at the end.

    drop_unknown: leave out joints that the skeleton lacks. counts: of what a user should know of.
    """

    def __init__(
        self, source: str, skeleton: Skeleton, pictures: Pictures, drop_unknown: bool = False
    ) -> None:
        self.source, self.skeleton, self.pictures = source, skeleton, pictures
        self.drop_unknown = drop_unknown
        self.counts: Counter[str] = Counter()
        self._found: list[FoundPicture] = []
        self._faults: list[str] = []
        self._joints = {plain_name(name): index for index, name in enumerate(skeleton.names)}

    @contextmanager
    def record(self, where: str) -> Iterator[None]:
        """What a DataError inside says is noted as a fault of the record ``where``."""
        try:
            yield
        except DataError as error:
            self._faults.append(f"{where} {error}")

    def joint(self, name: str) -> int | None:
        """Index of a joint, None for one that is to be left out. Raises DataError for an unknown name."""
        index = self._joints.get(plain_name(name))
        if index is None:
            if not self.drop_unknown:
                raise DataError(
                    f"has a joint {name!r}, which {self.skeleton.name} lacks ({', '.join(self.skeleton.names)}): "
                    "choose its skeleton with --skeleton, or leave such joints out with --drop-unknown"
                )
            self.counts["joints left out, not in the skeleton"] += 1
        return index

    def nothing(self) -> Array:
        """Keypoints (K, 3) without a label."""
        return np.zeros((self.skeleton.num_joints, 3))

    def add(self, picture: FoundPicture) -> None:
        """Take a picture with its persons.

        A person without a box and with too few joints for one is left out and counted. Raises DataError for an area or
        iscrowd that is none.
        """
        for person in picture.persons:
            area, crowd = person.fields.get("area", 1), person.fields.get("iscrowd", 0)
            if not is_number(area) or crowd not in (0, 1):
                raise DataError(
                    f"has a person of the area {area!r}, iscrowd {crowd!r}: correct or remove these"
                )
            if person.box is None:
                person.box = self._box_of_joints(person.keypoints, picture.size)
        kept = [person for person in picture.persons if person.box]
        self._found.append(replace(picture, persons=kept))

    def _box_of_joints(self, keypoints: Array, size: Size) -> list[float]:
        """A box around the labelled joints; empty where they span none."""
        labelled = keypoints[keypoints[:, 2] > 0]
        box = joint_box(labelled, size) if len(labelled) else [0.0] * 4
        if min(box[2:]) <= 0:
            self.counts["persons left out, without a box and with too few joints to make one"] += 1
            return []
        self.counts["boxes made from joints"] += 1
        return [round(value, DIGITS) for value in box]

    def data(self) -> dict[str, Any]:
        """The COCO JSON. Raises DataError with the faults, each with its record, that were found."""
        raise_faults(self.source, self._faults, "nothing is converted")
        images, annotations = [], []
        image_ids = assign_ids(
            [p.fields.get("id") for p in self._found], [p.fallback for p in self._found], "image", self.source
        )
        persons = [person for picture in self._found for person in picture.persons]
        wanted = [person.fields.get("id") for person in persons]
        annotation_ids = iter(assign_ids(wanted, [], "annotation", self.source))
        names = Counter(picture.name for picture in self._found)
        repeated = [f"picture {name} comes {count} times" for name, count in names.items() if count > 1]
        raise_faults(self.source, repeated, "leave one of them, or give files of one name in their folders")
        for image_id, picture in zip(image_ids, self._found, strict=True):
            images.append(_image(image_id, picture))
            annotations += [_annotation(next(annotation_ids), image_id, p) for p in picture.persons]
        data = coco_json(images, annotations, self.skeleton, f"converted from {self.source}")
        checked = check_annotations(data, self.source, self.skeleton)
        require_pictures(checked, self.source)
        return checked


def assign_ids(wanted: Sequence[Any], fallback: Sequence[int], what: str, source: str) -> list[int]:
    """Keep the ids that are there; the others count on above the highest, or are ``fallback`` if none is there.

    Raises DataError for an id that is no whole number or comes twice.
    """
    known = [value for value in wanted if value is not None]
    faults = [
        f"{what} id {v!r} is no whole number" for v in known if not isinstance(v, int) or isinstance(v, bool)
    ]
    faults += [f"{what} id {v} comes {n} times" for v, n in Counter(map(str, known)).items() if n > 1]
    raise_faults(source, faults, "give each its own")
    if not known and fallback and len(set(fallback)) == len(fallback) and min(fallback) > 0:
        return list(fallback)
    following = max([0, *known])
    ids = []
    for value in wanted:
        following += value is None
        ids.append(following if value is None else value)
    return ids


def _image(image_id: int, picture: FoundPicture) -> dict[str, Any]:
    folder = PurePosixPath(picture.name).parent.as_posix()
    usual = {"is_synthetic": False, "posture": "", "image_source": "" if folder == "." else folder}
    fixed = {"id": image_id, "file_name": picture.name, "width": picture.size[0], "height": picture.size[1]}
    return {**fixed, **usual, **picture.fields, **fixed}


def _annotation(annotation_id: int, image_id: int, person: FoundPerson) -> dict[str, Any]:
    box = list(person.box or ())
    flat = [
        value
        for x, y, visibility in person.keypoints.tolist()
        for value in ((round(x, DIGITS), round(y, DIGITS), int(visibility)) if visibility else (0, 0, 0))
    ]
    return {
        "area": round(box[2] * box[3], DIGITS),
        "iscrowd": 0,
        **person.fields,
        "id": annotation_id,
        "image_id": image_id,
        "category_id": 1,
        "bbox": box,
        "num_keypoints": sum(visibility > 0 for visibility in flat[2::3]),
        "keypoints": flat,
    }
