"""One finding of an audit and the records that it is about."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fidip.audit.kinds import KINDS


@dataclass(frozen=True)
class Place:
    """A picture, or a person in it. image, annotation: index in the file's lists, None where there is none.

    joints: indices of the joints that the finding is about.
    """

    split: str
    file_name: str
    image: int | None
    image_id: Any = None
    annotation: int | None = None
    annotation_id: Any = None
    joints: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """For messages."""
        where = self.file_name or ("the file" if self.image is None else f"image at index {self.image}")
        if self.annotation is None:
            return where
        known = f"{self.annotation_id!r}" if self.annotation_id is not None else f"at index {self.annotation}"
        return f"{where} (annotation {known})"


@dataclass(frozen=True)
class Finding:
    """kind: a key of ``KINDS``. message: what is wrong, with numbers, without the names of the places."""

    kind: str
    message: str
    places: tuple[Place, ...]

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that it is about, each once."""
        return tuple(dict.fromkeys(place.split for place in self.places))


@dataclass(frozen=True)
class Count:
    """Findings of one kind in one split, or between several; pictures that they are about, each once."""

    kind: str
    splits: tuple[str, ...]
    findings: int
    pictures: int


def count_findings(findings: Sequence[Finding]) -> list[Count]:
    """Findings counted by kind (in the order of ``KINDS``) and by the splits that they are about."""
    groups: dict[tuple[str, tuple[str, ...]], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.kind, finding.splits), []).append(finding)
    order = list(KINDS)
    return [
        Count(kind, splits, len(group), len(pictures_of(group)))
        for (kind, splits), group in sorted(groups.items(), key=lambda item: order.index(item[0][0]))
    ]


def pictures_of(findings: Iterable[Finding]) -> set[tuple[str, int]]:
    """Split and index of every picture that the findings are about."""
    return {(p.split, p.image) for f in findings for p in f.places if p.image is not None}
