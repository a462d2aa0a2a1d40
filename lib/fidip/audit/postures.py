"""What a split is made of: pictures, persons, domains, postures, sources, sizes."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fidip.audit.splits import AuditSplit
from fidip.data.image_source import source_key

UNKNOWN = "(none)"


@dataclass(frozen=True)
class Composition:
    """Counts of one split.

    real, synthetic, unclear: persons by ``is_synthetic``. postures: pictures by posture, "(none)" for those
    without. sources: different ones; unsourced: pictures without. width, height: smallest, median, largest
    picture in px as the file says; sizes: different ones.
    """

    pictures: int
    persons: int
    unlabelled: int  # persons without a labelled joint
    crowds: int
    real: int
    synthetic: int
    unclear: int
    postures: dict[str, int]
    sources: int
    unsourced: int
    width: tuple[float, float, float] | None
    height: tuple[float, float, float] | None
    sizes: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def compose(split: AuditSplit) -> Composition:
    """Count what a split is made of."""
    images = [split.images[index] for index in split.by_id.values()]
    sizes = np.array([(image["width"], image["height"]) for image in images], dtype=np.float64).reshape(-1, 2)
    domains = Counter(_domain(split, index) for index in range(len(split.persons)))
    keys = [source_key(image.get("image_source")) for image in images]
    postures = Counter(str(image.get("posture") or UNKNOWN) for image in images)
    return Composition(
        pictures=len(images),
        persons=len(split.persons),
        unlabelled=sum(not person.labelled.any() for person in split.persons),
        crowds=sum(bool(annotation.get("iscrowd")) for annotation in split.annotations.values()),
        real=domains[False],
        synthetic=domains[True],
        unclear=domains[None],
        postures=dict(sorted(postures.items(), key=lambda item: -item[1])),
        sources=len({key for key in keys if key}),
        unsourced=sum(not key for key in keys),
        width=_range(sizes[:, 0]),
        height=_range(sizes[:, 1]),
        sizes=len(np.unique(sizes, axis=0)),
    )


def _domain(split: AuditSplit, number: int) -> bool | None:
    person = split.persons[number]
    stated = person.annotation.get("is_synthetic", split.images[person.image].get("is_synthetic"))
    return bool(stated) if stated in (True, False) else None


def _range(values: np.ndarray) -> tuple[float, float, float] | None:
    if not values.size:
        return None
    return float(values.min()), float(np.median(values)), float(values.max())
