"""Which pictures of a split are tied to other splits: by source, by bytes, by likeness, or through each other."""

from collections.abc import Iterator, Sequence

from fidip.audit.duplicates import groups
from fidip.audit.examine import Audit
from fidip.audit.splits import AuditSplit
from fidip.data.image_source import source_key

# a picture (what, split, index), or something that pictures have in common (what, value, 0)
Node = tuple[str, str, int]


def tied_pictures(audit: Audit, split: str, others: Sequence[str]) -> dict[int, str]:
    """Pictures of ``split`` (index in its file) that are tied to a picture of ``others``, and why.

    A picture that is near-identical to one whose video is in ``others`` is tied too, whatever its own source says.
    Raises DataError for a split that was not audited.
    """
    chosen = [audit.split(name) for name in (split, *others)]
    links = list(_links(audit, chosen))
    numbers = {node: number for number, node in enumerate(dict.fromkeys(n for link in links for n in link))}
    nodes = list(numbers)
    neighbours: dict[Node, list[Node]] = {node: [] for node in nodes}
    for first, second in links:
        neighbours[first].append(second)
        neighbours[second].append(first)
    reasons: dict[int, str] = {}
    for members in groups(len(nodes), [(numbers[a], numbers[b]) for a, b in links]):
        pictures = [nodes[member] for member in members if nodes[member][0] == "picture"]
        if any(picture[1] in others for picture in pictures):
            own = [picture for picture in pictures if picture[1] == split]
            reasons |= {picture[2]: _reason(audit, picture, neighbours, others) for picture in own}
    return reasons


def _links(audit: Audit, splits: Sequence[AuditSplit]) -> Iterator[tuple[Node, Node]]:
    names = {split.name for split in splits}
    for split in splits:
        for index in split.by_id.values():
            picture = ("picture", split.name, index)
            source = source_key(split.images[index].get("image_source"))
            digest = audit.scans[split.picture(index)].digest
            if source:
                yield picture, ("source", source, 0)
            if digest:
                yield picture, ("bytes", digest, 0)
    for pair in audit.near:
        first, second = (_picture(audit, index) for index in (pair.first, pair.second))
        if {first[1], second[1]} <= names:
            yield first, second


def _picture(audit: Audit, index: int) -> Node:
    place = audit.places[index]
    return "picture", place.split, place.image if place.image is not None else -1


def _reason(audit: Audit, picture: Node, neighbours: dict[Node, list[Node]], others: Sequence[str]) -> str:
    """The shortest way from a picture to the other splits, in words."""
    texts = {"source": "its source {1} is in {0} too", "bytes": "its bytes are those of {0}/{2}"}
    for link in neighbours[picture]:
        reached = [link] if link[0] == "picture" else neighbours[link]
        for other in reached:
            if other[1] in others and other[0] == "picture":
                name = audit.split(other[1]).images[other[2]]["file_name"]
                text = texts.get(link[0], "it is near-identical to {0}/{2}")
                return text.format(other[1], link[1], name)
    return f"it is tied to {' or '.join(others)} through pictures of its own split"
