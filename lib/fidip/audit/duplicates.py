"""Byte-identical and near-identical pictures.

Near-identical: the difference hash (Krawetz 2013) of 2 x 16 x 16 bits differs in at most a tenth of them, and small
grey versions agree. Finds copies that were compressed anew, resized, darkened or mirrored, and neighbouring frames
of a video; not crops of more than a few percent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from fidip.audit.findings import Finding, Place

Array = np.ndarray
Edge = tuple[int, int]

NEAR = 0.1  # share of hash bits that may differ
SIDE = 16  # differences per row and column
STEP = 2.0  # grey levels; smaller differences are noise of the compression
THUMB = 32  # px, side of the small grey version
AGREE = 0.8  # least correlation of the small grey versions: flat pictures have alike hashes
_CHUNK = 1024  # pictures compared with all others at once


@dataclass(frozen=True)
class PictureHash:
    """bits, mirrored: difference hashes (512,) bool of the picture and its mirror image. thumb: (32, 32) uint8."""

    bits: Array
    mirrored: Array
    thumb: Array


@dataclass(frozen=True)
class NearPair:
    """Indices of two pictures, share of bits that differ (0..1), whether one is mirrored."""

    first: int
    second: int
    distance: float
    mirrored: bool


def hash_picture(grey: Array) -> PictureHash:
    """Hashes of a grey picture (H, W) uint8."""
    thumb = cv2.resize(grey, (THUMB, THUMB), interpolation=cv2.INTER_AREA)
    return PictureHash(_difference_hash(grey), _difference_hash(grey[:, ::-1]), thumb)


def _difference_hash(grey: Array) -> Array:
    """Whether each cell of a 16 x 16 grid is brighter than the one to its left, and than the one above."""
    values = np.ascontiguousarray(grey, dtype=np.float32)
    wide = cv2.resize(values, (SIDE + 1, SIDE), interpolation=cv2.INTER_AREA)
    high = cv2.resize(values, (SIDE, SIDE + 1), interpolation=cv2.INTER_AREA)
    return np.concatenate([(np.diff(wide, axis=1) > STEP).ravel(), (np.diff(high, axis=0) > STEP).ravel()])


def near_pairs(hashes: Sequence[PictureHash], limit: float = NEAR) -> list[NearPair]:
    """Pairs of near-identical pictures, byte-identical ones included. limit: share of bits that may differ."""
    if len(hashes) < 2:
        return []
    plain = _signs([h.bits for h in hashes])
    thumbs = np.stack([h.thumb for h in hashes])
    pairs = []
    for mirrored, others in ((False, plain), (True, _signs([h.mirrored for h in hashes]))):
        for start in range(0, len(hashes), _CHUNK):
            distances = (1 - plain[start : start + _CHUNK] @ others.T / plain.shape[1]) / 2
            for row, second in np.argwhere(distances <= limit).tolist():
                first = start + row
                if first < second and _agree(thumbs[first], thumbs[second], mirrored):
                    pairs.append(NearPair(first, second, float(distances[row, second]), mirrored))
    return pairs


def _signs(bits: list[Array]) -> Array:
    return np.where(np.stack(bits), 1, -1).astype(np.float32)


def _agree(first: Array, second: Array, mirrored: bool) -> bool:
    """Whether two small grey pictures correlate; a picture of one colour agrees with none."""
    a = first.astype(np.float64) - first.mean()
    b = (second[:, ::-1] if mirrored else second).astype(np.float64) - second.mean()
    scale = np.sqrt((a**2).sum() * (b**2).sum())
    return bool(scale > 0 and (a * b).sum() >= AGREE * scale)


def groups(count: int, edges: Sequence[Edge]) -> list[list[int]]:
    """Sets of two or more of the nodes 0..count-1 that edges connect."""
    if not edges:
        return []
    rows, columns = np.array(edges).T
    graph = coo_array((np.ones(len(edges)), (rows, columns)), shape=(count, count))
    labels = connected_components(graph, directed=False)[1]
    members: dict[int, list[int]] = {}
    for node in np.unique(rows.tolist() + columns.tolist()).tolist():
        members.setdefault(int(labels[node]), []).append(node)
    return list(members.values())


def check_duplicates(
    places: Sequence[Place], digests: Sequence[str], near: Sequence[NearPair]
) -> list[Finding]:
    """One finding for each set of byte-identical, and for each set of near-identical pictures.

    places, digests: of the readable pictures, in the order that ``near`` refers to.
    """
    findings = []
    same: dict[str, list[int]] = {}
    for index, digest in enumerate(digests):
        same.setdefault(digest, []).append(index)
    for members in same.values():
        if len(members) > 1:
            findings.append(
                _finding("duplicate", f"{len(members)} files with the same bytes", members, places)
            )
    distinct = [pair for pair in near if digests[pair.first] != digests[pair.second]]
    sets = groups(len(places), [(pair.first, pair.second) for pair in distinct])
    owner = {node: number for number, members in enumerate(sets) for node in members}
    inside: list[list[NearPair]] = [[] for _ in sets]
    for pair in distinct:
        inside[owner[pair.first]].append(pair)
    for members, pairs in zip(sets, inside, strict=True):
        findings.append(_finding("near_duplicate", _near_text(members, pairs), members, places))
    return findings


def _near_text(members: Sequence[int], pairs: Sequence[NearPair]) -> str:
    mirrored = ", mirrored" if all(pair.mirrored for pair in pairs) else ""
    return f"{len(members)} pictures; the hashes of the closest two differ in {min(p.distance for p in pairs):.1%}{mirrored}"


def _finding(kind: str, message: str, members: Sequence[int], places: Sequence[Place]) -> Finding:
    chosen = tuple(places[index] for index in members)
    where = "between" if len({place.split for place in chosen}) > 1 else "within"
    return Finding(f"{kind}_{where}", message, chosen)
