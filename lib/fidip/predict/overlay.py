"""Poses drawn over the picture that they were found in."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from fidip.evaluation.pictures import INK, PREDICTION_COLOURS, Colour, Pen, draw_joints, joint_sides
from fidip.predict.frames import Frame, Person
from fidip.predict.tracks import MIN_SCORE, known, seen
from fidip.skeleton import Skeleton

FAINT: Colour = (235, 235, 235)


@dataclass(frozen=True)
class Overlay:
    """Draws the persons of a frame: left yellow, right red, keypoints that were not detected hollow, and the box.

    Where there are several persons, boxes are numbered; where nobody was found, the frame says so. A keypoint is
    hollow when its score is below ``min_score`` or it was put in by gap filling; a limb to it is thin.
    """

    skeleton: Skeleton
    min_score: float = MIN_SCORE
    boxes: bool = True

    def __call__(self, image: np.ndarray, frame: Frame) -> np.ndarray:
        """A copy of RGB uint8 (H, W, 3) with the frame's persons on it."""
        canvas = np.ascontiguousarray(image).copy()
        pen = pen_for(canvas.shape)
        if not frame.persons:
            _write(canvas, "nobody found", (0, 0), pen)
        for person in frame.persons:
            if self.boxes:
                several = len(frame.persons) > 1 or person.track > 0
                _draw_box(canvas, person, pen, f"person {person.track + 1}" if several else "")
            self._draw_person(canvas, person, pen)
        return canvas

    def _draw_person(self, canvas: np.ndarray, person: Person, pen: Pen) -> None:
        solid = seen(person, self.min_score)
        hollow = known(person) & ~solid
        sides = joint_sides(self.skeleton)
        reach = 5 * max(canvas.shape)  # far outside the picture OpenCV's line drawing overflows
        points = np.clip(np.rint(person.xy), -reach, reach).astype(int).tolist()
        for start, end in self.skeleton.limbs:
            if (solid | hollow)[[start, end]].all() and hollow[[start, end]].any():
                side = sides[start] if sides[start] == sides[end] else 2
                cv2.line(canvas, points[start], points[end], INK, 3, cv2.LINE_AA)
                cv2.line(canvas, points[start], points[end], pen.colours[side], 1, cv2.LINE_AA)
        draw_joints(canvas, person.xy, solid, pen, self.skeleton)
        for joint in np.flatnonzero(hollow):
            radius, width = pen.radius + 1, max(1, pen.width // 2)
            cv2.circle(canvas, points[joint], radius, INK, width + 2, cv2.LINE_AA)
            cv2.circle(canvas, points[joint], radius, pen.colours[sides[joint]], width, cv2.LINE_AA)


def pen_for(shape: Sequence[int]) -> Pen:
    """A pen that suits a picture's (height, width)."""
    width = max(2, round(max(shape[:2]) / 320))
    return Pen(PREDICTION_COLOURS, width, width + 1)


def _draw_box(canvas: np.ndarray, person: Person, pen: Pen, label: str) -> None:
    limit = 5 * max(canvas.shape)
    x, y, w, h = np.clip(np.rint(person.box), -limit, limit).astype(int).tolist()
    line = max(1, pen.width // 2)
    cv2.rectangle(canvas, (x, y), (x + w, y + h), INK, line + 2, cv2.LINE_AA)
    cv2.rectangle(canvas, (x, y), (x + w, y + h), FAINT, line, cv2.LINE_AA)
    if label:
        tall = _text_size(label, canvas.shape)[1]
        # above the box, else below it, else inside it, where it lies over the person; never outside the image
        tops = (y - 2 - tall, y + h + 2)
        top = next((edge for edge in tops if 0 <= edge <= canvas.shape[0] - tall), 0)
        _write(canvas, label, (x, top), pen)


def _text_size(text: str, shape: Sequence[int]) -> tuple[int, int]:
    """Width and height in px of a label with its margin, on an image of this shape."""
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, _scale(shape), 1)
    return width + 4, height + below + 2


def _scale(shape: Sequence[int]) -> float:
    """Scale of OpenCV's font at which letters are about 1/45 of the longer side."""
    return max(max(shape[:2]) / 1000, 0.25)


def _write(canvas: np.ndarray, text: str, place: tuple[int, int], pen: Pen) -> None:
    """Write light letters on a dark ground; place: left and top px, moved into the image where need be."""
    width, tall = _text_size(text, canvas.shape)
    left, top = min(max(place[0], 0), max(canvas.shape[1] - width, 0)), max(place[1], 0)
    cv2.rectangle(canvas, (left, top), (left + width, top + tall), INK, cv2.FILLED)
    below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, _scale(canvas.shape), 1)[1]
    line = max(1, pen.width // 3)
    cv2.putText(canvas, text, (left + 2, top + tall - below), cv2.FONT_HERSHEY_SIMPLEX, _scale(canvas.shape),
                FAINT, line, cv2.LINE_AA)  # fmt: skip
