"""Draw keypoints, limbs, boxes and labels on images: the only place that does."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from fidip.skeleton import Skeleton

Colour = tuple[int, int, int]

# RGB of left, right and middle; blue against orange is told apart by colour-blind readers too
TRUTH_COLOURS: tuple[Colour, Colour, Colour] = ((150, 225, 255), (0, 90, 230), (60, 165, 250))
PREDICTION_COLOURS: tuple[Colour, Colour, Colour] = ((255, 215, 80), (225, 60, 0), (255, 140, 20))
INK: Colour = (20, 20, 20)
PAPER: Colour = (255, 255, 255)
FAINT: Colour = (235, 235, 235)


@dataclass(frozen=True)
class Pen:
    """Colours of left, right and middle; width of limbs and radius of joints in px, without their outline."""

    colours: tuple[Colour, Colour, Colour]
    width: int
    radius: int


# labels are drawn first and broader, so that their colour shows even under an exact prediction
TRUTH_PEN = Pen(TRUTH_COLOURS, width=8, radius=7)
PREDICTION_PEN = Pen(PREDICTION_COLOURS, width=2, radius=3)


def draw_joints(tile: np.ndarray, xy: np.ndarray, shown: np.ndarray, pen: Pen, skeleton: Skeleton) -> None:
    """Draw limbs and keypoints with a dark outline, which keeps both colours visible on any image.

    Args:
        tile: RGB uint8 (H, W, 3), drawn on.
        xy: (K, 2) keypoints, px.
        shown: (K,) which of them are drawn.
        pen: colours and widths.
        skeleton: of the keypoints.
    """
    sides = joint_sides(skeleton)
    # far outside the tile OpenCV's line drawing overflows
    points = np.clip(np.rint(xy), -5 * len(tile), 5 * len(tile)).astype(int).tolist()
    for outline in (True, False):
        for start, end in skeleton.limbs:
            if shown[start] and shown[end]:
                # a limb across the body is neither left nor right
                side = sides[start] if sides[start] == sides[end] else 2
                colour, width = (INK, pen.width + 2) if outline else (pen.colours[side], pen.width)
                cv2.line(tile, points[start], points[end], colour, width, cv2.LINE_AA)
        for joint in np.flatnonzero(shown):
            colour, radius = (INK, pen.radius + 1) if outline else (pen.colours[sides[joint]], pen.radius)
            cv2.circle(tile, points[joint], radius, colour, cv2.FILLED, cv2.LINE_AA)


def joint_sides(skeleton: Skeleton) -> list[int]:
    """Return for each keypoint 0 for left, 1 for right, 2 for the middle."""
    sides = [2] * skeleton.num_joints
    for left, right in skeleton.flip_pairs:
        sides[left], sides[right] = 0, 1
    return sides


def draw_pose(
    canvas: np.ndarray, xy: np.ndarray, solid: np.ndarray, hollow: np.ndarray, pen: Pen, skeleton: Skeleton
) -> None:
    """Draw a pose whose keypoints are not all sure: those are hollow, and a limb to one is thin.

    Args:
        canvas: RGB uint8 (H, W, 3), drawn on.
        xy: (K, 2) keypoints, px.
        solid: (K,) sure ones.
        hollow: (K,) unsure ones; all others are left out.
        pen: colours and widths.
        skeleton: of the keypoints.
    """
    sides = joint_sides(skeleton)
    reach = 5 * max(canvas.shape)  # far outside the image OpenCV's line drawing overflows
    points = np.clip(np.rint(xy), -reach, reach).astype(int).tolist()
    for start, end in skeleton.limbs:
        if (solid | hollow)[[start, end]].all() and hollow[[start, end]].any():
            side = sides[start] if sides[start] == sides[end] else 2
            cv2.line(canvas, points[start], points[end], INK, 3, cv2.LINE_AA)
            cv2.line(canvas, points[start], points[end], pen.colours[side], 1, cv2.LINE_AA)
    draw_joints(canvas, xy, solid, pen, skeleton)
    for joint in np.flatnonzero(hollow):
        radius, width = pen.radius + 1, max(1, pen.width // 2)
        cv2.circle(canvas, points[joint], radius, INK, width + 2, cv2.LINE_AA)
        cv2.circle(canvas, points[joint], radius, pen.colours[sides[joint]], width, cv2.LINE_AA)


def pen_for(shape: Sequence[int]) -> Pen:
    """Return a pen that suits an image of (height, width)."""
    width = max(2, round(max(shape[:2]) / 320))
    return Pen(PREDICTION_COLOURS, width, width + 1)


def draw_box(canvas: np.ndarray, box: np.ndarray, pen: Pen, label: str = "") -> None:
    """Draw a box (x, y, w, h) in px, and a label above or below it."""
    limit = 5 * max(canvas.shape)
    x, y, w, h = np.clip(np.rint(box), -limit, limit).astype(int).tolist()
    line = max(1, pen.width // 2)
    cv2.rectangle(canvas, (x, y), (x + w, y + h), INK, line + 2, cv2.LINE_AA)
    cv2.rectangle(canvas, (x, y), (x + w, y + h), FAINT, line, cv2.LINE_AA)
    if label:
        tall = _text_size(label, canvas.shape)[1]
        # above the box, else below it, else inside it, where it lies over the person; never outside the image
        tops = (y - 2 - tall, y + h + 2)
        top = next((edge for edge in tops if 0 <= edge <= canvas.shape[0] - tall), 0)
        write_label(canvas, label, (x, top), pen)


def _text_size(text: str, shape: Sequence[int]) -> tuple[int, int]:
    """Return width and height in px of a label with its margin, on an image of this shape."""
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, _scale(shape), 1)
    return width + 4, height + below + 2


def _scale(shape: Sequence[int]) -> float:
    """Return the scale of OpenCV's font at which letters are about 1/45 of the longer side."""
    return max(max(shape[:2]) / 1000, 0.25)


def write_label(canvas: np.ndarray, text: str, place: tuple[int, int], pen: Pen) -> None:
    """Write light letters on a dark ground; place: left and top px, moved into the image where need be."""
    width, tall = _text_size(text, canvas.shape)
    left, top = min(max(place[0], 0), max(canvas.shape[1] - width, 0)), max(place[1], 0)
    cv2.rectangle(canvas, (left, top), (left + width, top + tall), INK, cv2.FILLED)
    below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, _scale(canvas.shape), 1)[1]
    line = max(1, pen.width // 3)
    cv2.putText(canvas, text, (left + 2, top + tall - below), cv2.FONT_HERSHEY_SIMPLEX, _scale(canvas.shape),
                FAINT, line, cv2.LINE_AA)  # fmt: skip
