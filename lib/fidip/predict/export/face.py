"""Make faces unrecognisable, rather too much than too little."""

import re
from dataclasses import dataclass, field

import cv2
import numpy as np

from fidip.predict.poses import Poses

FACE = {"nose", "eye", "ear", "mouth", "chin", "head", "forehead", "face"}  # words in the names of its joints
CELLS = 5  # a blurred region is reduced to so many cells in each direction
WIDEN = 1.3  # growth of a region that is kept from an earlier frame

Region = np.ndarray  # (N, 2) px, corners of a convex polygon


@dataclass
class FaceBlur:
    """Blurs the faces of a video's persons, frame by frame.

    joints: K names, those with one of ``FACE`` in them bound the face. A face is blurred around its joints
    wherever the network put them, however unsure. Where it is unsure, the region of the frame before is blurred
    too; where a person or all its face joints are missing, the last known region, widened; and when no
    region was ever known, the person's whole box, or the whole image.
    """

    joints: tuple[str, ...]
    _last: dict[int, Region] = field(default_factory=dict)

    def __call__(self, image: np.ndarray, frame: Poses) -> np.ndarray:
        """Copy RGB uint8 (H, W, 3) with blurred faces."""
        return blur(image, self.regions(frame))

    def regions(self, frame: Poses) -> list[Region] | None:
        """Find the polygons to blur; None: the whole image."""
        found, regions = {}, []
        face = face_joints(self.joints)
        sures = np.asarray(frame.seen()[:, face].any(axis=1))
        for person, sure in zip(frame, sures, strict=True):
            track = int(person.track[0])
            region, earlier = face_region(person, self.joints), self._last.get(track)
            near = _grown(earlier, WIDEN) if earlier is not None else _corners(person.boxes[0])
            if region is None:
                regions.append(near)
                continue
            regions.append(region)
            found[track] = region
            if not sure:  # it may be anywhere near
                regions.append(near)
                found[track] = earlier if earlier is not None else region
        present = set(frame.track.tolist())
        for track, region in list(self._last.items()):
            if track not in present:
                if any(_overlap(region, other) for other in found.values()):
                    del self._last[track]  # the same face under a new number
                else:
                    regions.append(_grown(region, WIDEN))
        self._last |= found
        return regions or None


def face_joints(joints: tuple[str, ...]) -> list[int]:
    """Find the indices of the joints that bound a face."""
    spaced = (re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower() for name in joints)
    return [k for k, name in enumerate(spaced) if FACE & set(re.split(r"[^a-z]+", name))]


def face_region(person: Poses, joints: tuple[str, ...]) -> Region | None:
    """Compute the hull (N, 2) of the face joints with a place, widened by a head's radius; None without one."""
    there = [k for k in face_joints(joints) if person.known[0, k]]
    if not there:
        return None
    points = person.keypoints[0, there]
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    circle = _radius(person, points, joints) * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    cloud = (points[:, None] + circle).reshape(-1, 2)
    return cv2.convexHull(cloud.astype(np.float32))[:, 0]


def _radius(person: Poses, points: np.ndarray, joints: tuple[str, ...]) -> float:
    """px around each face joint: the largest guess of a head's radius."""
    spread = np.linalg.norm(points[:, None] - points[None], axis=2).max()
    guesses = [0.75 * spread, 0.12 * float(max(person.boxes[0, 2:], default=0)), 6.0]
    places = {name.lower(): k for k, name in enumerate(joints)}
    shoulders = [places[name] for name in ("left_shoulder", "right_shoulder") if name in places]
    if len(shoulders) == 2 and person.known[0, shoulders].all():
        guesses.append(0.5 * float(np.linalg.norm(np.subtract(*person.keypoints[0, shoulders]))))
    return max(guesses)


def _corners(box: np.ndarray) -> Region:
    x, y, w, h = box
    return np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]], dtype=np.float32)


def _grown(region: Region, factor: float) -> Region:
    middle = region.mean(axis=0)
    return middle + factor * (region - middle)


def _overlap(one: Region, other: Region) -> bool:
    return cv2.intersectConvexConvex(one.astype(np.float32), other.astype(np.float32))[0] > 0


def blur(image: np.ndarray, regions: list[Region] | None) -> np.ndarray:
    """Copy RGB uint8 (H, W, 3) with polygons reduced to ``CELLS`` x ``CELLS`` colours; None: all of it."""
    result = image.copy()
    height, width = image.shape[:2]
    if regions is None:
        regions = [_corners(np.array([0, 0, width - 1, height - 1]))]
    for region in regions:
        # far outside the image OpenCV's drawing overflows
        corners = np.clip(region, -4 * max(width, height), 4 * max(width, height))
        low = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, (width, height))
        high = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 1, 0, (width, height))
        if (high <= low).any():
            continue
        part = np.s_[low[1] : high[1], low[0] : high[0]]
        size = (int(high[0] - low[0]), int(high[1] - low[1]))
        cells = cv2.resize(
            image[part], (min(CELLS, size[0]), min(CELLS, size[1])), interpolation=cv2.INTER_AREA
        )
        mask = np.zeros(size[::-1], np.uint8)
        cv2.fillConvexPoly(mask, np.rint(corners - low).astype(np.int32), 1)
        result[part][mask > 0] = cv2.resize(cells, size, interpolation=cv2.INTER_LINEAR)[mask > 0]
    return result
