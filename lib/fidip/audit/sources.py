"""Sources (videos, web pages) that pictures of several splits come from."""

from collections.abc import Sequence

from fidip.audit.findings import Finding, Place
from fidip.audit.splits import AuditSplit
from fidip.data.image_source import source_key


def sources_of(splits: Sequence[AuditSplit]) -> dict[str, list[Place]]:
    """Known source -> its pictures."""
    places: dict[str, list[Place]] = {}
    for split in splits:
        for index in split.by_id.values():
            key = source_key(split.images[index].get("image_source"))
            if key:
                places.setdefault(key, []).append(split.image_place(index))
    return places


def check_sources(splits: Sequence[AuditSplit]) -> list[Finding]:
    """One finding for each source with pictures in several splits."""
    findings = []
    for key, places in sources_of(splits).items():
        counts = {split.name: sum(place.split == split.name for place in places) for split in splits}
        shared = [f"{number} in {name}" for name, number in counts.items() if number]
        if len(shared) > 1:
            findings.append(Finding("shared_source", f"{key}: {', '.join(shared)}", tuple(places)))
    return findings
