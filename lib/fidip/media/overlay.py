"""Poses drawn over the picture that they were found in."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from fidip.evaluation.pictures import INK, PREDICTION_COLOURS, Colour, Pen, draw_joints, joint_sides
from fidip.media.frames import Frame, Person
from fidip.media.tracks import MIN_SCORE, known, seen
from fidip.skeleton import Skeleton

FAINT: Colour = (235, 235, 235)


@dataclass(frozen=True)
class Overlay:
    """Draws the persons of a frame: left yellow, right red, joints that were not seen hollow, and the box.

    The box is labelled with the track and with where it came from. A joint is hollow when its score is below
    ``min_score`` or it was put in by gap filling; a limb to it is thin.
    """

    skeleton: Skeleton
    min_score: float = MIN_SCORE
    boxes: bool = True

    def __call__(self, image: np.ndarray, frame: Frame) -> np.ndarray:
        """A copy of RGB uint8 (H, W, 3) with the frame's persons on it."""
        canvas = np.ascontiguousarray(image).copy()
        pen = pen_for(canvas.shape)
        for person in frame.persons:
            if self.boxes:
                _draw_box(canvas, person, pen)
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


def _draw_box(canvas: np.ndarray, person: Person, pen: Pen) -> None:
    limit = 5 * max(canvas.shape)
    x, y, w, h = np.clip(np.rint(person.box), -limit, limit).astype(int).tolist()
    line = max(1, pen.width // 2)
    cv2.rectangle(canvas, (x, y), (x + w, y + h), INK, line + 2, cv2.LINE_AA)
    cv2.rectangle(canvas, (x, y), (x + w, y + h), FAINT, line, cv2.LINE_AA)
    text, font, scale = f"{person.track} {person.box_from}", cv2.FONT_HERSHEY_SIMPLEX, 0.2 * pen.width
    (width, height), below = cv2.getTextSize(text, font, scale, line)
    # above the box, else below it, else inside it, where it lies over the person; never outside the picture
    left = min(max(x, 0), max(canvas.shape[1] - width - 4, 0))
    tall = height + below + 2
    bottom = next((edge for edge in (y - 2, y + h + 2 + tall) if tall <= edge <= canvas.shape[0]), tall)
    top = bottom - tall
    cv2.rectangle(canvas, (left, top), (left + width + 4, bottom), INK, cv2.FILLED)
    cv2.putText(canvas, text, (left + 2, bottom - below), font, scale, FAINT, line, cv2.LINE_AA)
