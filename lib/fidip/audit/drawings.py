"""Small pictures of findings, with boxes and joints drawn over them, and the spread of poses as a drawing."""

import base64

import cv2
import numpy as np

from fidip.audit.diversity import Diversity
from fidip.audit.findings import Place
from fidip.audit.splits import AuditSplit, Person
from fidip.drawing import Pen, draw_joints
from fidip.errors import DataError
from fidip.geometry import BOX_PADDING, transform
from fidip.pixels import read_rgb
from fidip.skeleton import Skeleton

THUMBNAIL = 200  # px
JPEG_QUALITY = 75

PEN = Pen(((255, 214, 10), (40, 110, 255), (235, 235, 235)), width=1, radius=2)  # left, right, middle
BOX, MARK, OUTSIDE = (80, 230, 120), (255, 40, 60), (90, 90, 90)
# kinds of finding about whole pictures, where the labels matter all the same
LABELLED_PICTURES = ("picture_turned", "picture_resized", "several_persons")


def draw_place(split: AuditSplit, place: Place, labels: bool, side: int = THUMBNAIL) -> np.ndarray | None:
    """RGB uint8 (h, w, 3), at most ``side`` px: the person of a place, or its whole picture; None without one.

    labels: draw boxes and joints. Boxes are green, left joints yellow, right ones blue, those in question ringed
    red; what lies outside the picture is grey.
    """
    if place.image is None or place.image not in split.images:
        return None
    try:
        picture = read_rgb(split.picture(place.image))
    except DataError:
        return None
    persons = [p for p in split.persons if p.image == place.image]
    persons = [p for p in persons if place.annotation in (None, p.index)] if labels else []
    size = np.array(picture.shape[1::-1], dtype=np.float64)
    low, high = _region(persons, size) if place.annotation is not None and persons else (np.zeros(2), size)
    scale = side / max(*(high - low), 1.0)
    matrix = np.array([[scale, 0.0, -scale * low[0]], [0.0, scale, -scale * low[1]]])
    width, height = np.maximum(np.rint((high - low) * scale), 1).astype(int).tolist()
    drawn = _resample(picture, matrix, (width, height))
    for person in persons:
        _draw_person(drawn, person, matrix, place, split.skeleton)
    return drawn


def _region(persons: list[Person], size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Around boxes and labelled joints, padded; image px."""
    points = [p.box[None, :2] for p in persons] + [p.box[None, :2] + p.box[None, 2:] for p in persons]
    points += [p.keypoints[p.labelled, :2] for p in persons]
    low, high = np.vstack(points).min(axis=0), np.vstack(points).max(axis=0)
    # a label far outside must not shrink the picture to a dot
    low, high = np.maximum(low, -size / 2), np.minimum(high, 1.5 * size)
    margin = np.maximum((high - low) * (BOX_PADDING - 1) / 2, 2.0)
    return low - margin, high + margin


def _resample(picture: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    step = int(1 / matrix[0, 0])
    if step > 1:  # warpAffine reads four pixels only: a large picture is averaged down first
        picture = cv2.resize(picture, None, fx=1 / step, fy=1 / step, interpolation=cv2.INTER_AREA)
        matrix = matrix @ np.diag([step, step, 1.0])
    return cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR, borderValue=OUTSIDE)


def _draw_person(
    drawn: np.ndarray, person: Person, matrix: np.ndarray, place: Place, skeleton: Skeleton
) -> None:
    corners = transform(matrix, np.array([person.box[:2], person.box[:2] + person.box[2:]]))
    first, second = np.clip(np.rint(corners), -10_000, 10_000).astype(int).tolist()
    cv2.rectangle(drawn, first, second, BOX, 1, cv2.LINE_AA)
    xy = transform(matrix, person.keypoints[:, :2])
    draw_joints(drawn, xy, person.labelled, PEN, skeleton)
    for joint in place.joints:
        center = np.clip(np.rint(xy[joint]), -10_000, 10_000).astype(int).tolist()
        cv2.circle(drawn, center, 7, MARK, 2, cv2.LINE_AA)


def data_uri(picture: np.ndarray) -> str:
    """A picture (h, w, 3) RGB as a JPEG within the page."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    encoded = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), quality)[1]
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode("ascii")


def pose_svg(diversity: Diversity, skeleton: Skeleton, width: int = 300) -> str:
    """The mean torso-aligned pose, and around each joint the ellipse of one standard deviation, as SVG text."""
    known = np.isfinite(diversity.spread)
    colours = {
        j: c for pair in skeleton.flip_pairs for j, c in zip(pair, ("#c98a00", "#1f6fd6"), strict=True)
    }
    parts = [
        f'<svg viewBox="-2.2 -1.8 4.4 4.6" width="{width}" role="img" aria-label="mean pose and spread">'
    ]
    for joint in np.flatnonzero(known).tolist():
        values, vectors = np.linalg.eigh(diversity.covariance[joint])
        turn = np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1]))
        radii = np.sqrt(np.maximum(values, 0))
        x, y = diversity.mean[joint]
        colour = colours.get(joint, "#777")
        parts.append(
            f'<g transform="translate({x:.3f} {y:.3f}) rotate({turn:.1f})" fill="{colour}" stroke="{colour}" '
            f'stroke-width="0.015"><ellipse rx="{radii[1]:.3f}" ry="{radii[0]:.3f}" fill-opacity="0.12"/>'
            f'<circle r="0.03"/><title>{skeleton.names[joint]}</title></g>'
        )
    for start, end in skeleton.limbs:
        if known[start] and known[end]:
            (x1, y1), (x2, y2) = diversity.mean[start], diversity.mean[end]
            parts.append(
                f'<line x1="{x1:.3f}" y1="{y1:.3f}" x2="{x2:.3f}" y2="{y2:.3f}" stroke="#777" stroke-width="0.015"/>'
            )
    return "".join([*parts, "</svg>"])
