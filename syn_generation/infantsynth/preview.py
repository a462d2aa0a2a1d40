"""A contact sheet: pictures of a split with their labels drawn over them, to be looked at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from fidip.annotations import load_annotations
from fidip.errors import DataError
from fidip.pixels import read_rgb
from fidip.skeleton import COCO17
from infantsynth.dataset import annotation_path, image_folder

Array = np.ndarray
Record = Mapping[str, Any]

LEFT, RIGHT, MIDDLE = (235, 60, 50), (60, 120, 255), (70, 220, 90)  # RGB, the person's own sides
BOX, OUTLINE, INK, PAPER = (255, 220, 60), (255, 255, 255), (20, 20, 20), (250, 250, 250)
_CAPTION = 18  # px below each tile


@dataclass(frozen=True)
class SheetOptions:
    """count: pictures, evenly spread over the split; columns; tile: width of one in px; what is drawn."""

    count: int = 40
    columns: int = 8
    tile: int = 240
    joints: bool = True
    outline: bool = False
    posture: str = ""  # only this one


def contact_sheet(root: Path, split: str, options: SheetOptions) -> Array:
    """Draw pictures of a split, RGB uint8 (H, W, 3).

    Joints: filled where they are seen, a ring where they are hidden; left red, right blue, nose green. Box yellow,
    outline white. Raises DataError when the split has no such picture.
    """
    data = load_annotations(annotation_path(root, split))
    wanted = [i for i in data["images"] if options.posture in ("", i.get("posture"))]
    if not wanted:
        raise DataError(f"{annotation_path(root, split)} has no picture of posture {options.posture!r}")
    chosen = [
        wanted[i]
        for i in np.linspace(0, len(wanted) - 1, min(options.count, len(wanted))).round().astype(int)
    ]
    persons: dict[Any, list[Record]] = {image["id"]: [] for image in chosen}
    for annotation in data["annotations"]:
        if annotation["image_id"] in persons:
            persons[annotation["image_id"]].append(annotation)
    tiles = [_tile(image_folder(root, split), image, persons[image["id"]], options) for image in chosen]
    return _grid(tiles, options.columns)


def draw_labels(picture: Array, annotation: Record, options: SheetOptions, scale: float = 1.0) -> None:
    """Draw the labels of one person over a picture that was scaled by ``scale``."""
    if options.outline and isinstance(annotation.get("segmentation"), dict):
        mask = coco_mask.decode(annotation["segmentation"])
        mask = cv2.resize(mask, picture.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        outlines = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)[0]
        cv2.drawContours(picture, outlines, -1, OUTLINE, 1)
        x, y, w, h = (round(v * scale) for v in annotation["bbox"])
        cv2.rectangle(picture, (x, y), (x + w - 1, y + h - 1), BOX, 1)
    if options.joints:
        labels = np.reshape(annotation["keypoints"], (-1, 3))
        points = ((labels[:, :2] + 0.5) * scale - 0.5).round().astype(int).tolist()
        _draw_joints(picture, points, labels[:, 2])


def _draw_joints(picture: Array, points: Sequence[Sequence[int]], visibility: Array) -> None:
    colours = _colours()
    for start, end in COCO17.limbs:
        if visibility[start] and visibility[end]:
            colour = colours[start] if colours[start] == colours[end] else MIDDLE
            cv2.line(picture, points[start], points[end], colour, 1, cv2.LINE_AA)
    for point, v, colour in zip(points, visibility, colours, strict=True):
        if v:
            cv2.circle(picture, point, 4, INK, cv2.FILLED, cv2.LINE_AA)
            cv2.circle(picture, point, 3, colour, cv2.FILLED if v > 1 else 1, cv2.LINE_AA)


def _colours() -> list[tuple[int, int, int]]:
    colours = [MIDDLE] * COCO17.num_joints
    for left, right in COCO17.flip_pairs:
        colours[left], colours[right] = LEFT, RIGHT
    return colours


def _tile(folder: Path, image: Record, persons: Sequence[Record], options: SheetOptions) -> Array:
    """One picture in a square, labels drawn, with a caption."""
    picture = read_rgb(folder / image["file_name"])
    scale = options.tile / max(picture.shape[:2])
    picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    for person in persons:
        draw_labels(picture, person, options, scale)
    tile = np.full((options.tile + _CAPTION, options.tile, 3), PAPER, np.uint8)
    height, width = picture.shape[:2]
    top, left = (options.tile - height) // 2, (options.tile - width) // 2
    tile[top : top + height, left : left + width] = picture[: options.tile, : options.tile]
    caption = f"{Path(image['file_name']).stem} {image.get('posture', '')}"
    cv2.putText(tile, caption, (3, options.tile + 13), cv2.FONT_HERSHEY_SIMPLEX, 0.42, INK, 1, cv2.LINE_AA)
    return tile


def _grid(tiles: Sequence[Array], columns: int) -> Array:
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    height, width = tiles[0].shape[:2]
    sheet = np.full((rows * height, columns * width, 3), PAPER, np.uint8)
    for number, tile in enumerate(tiles):
        y, x = number // columns * height, number % columns * width
        sheet[y : y + height, x : x + width] = tile
    return sheet
