"""Draw labels over images, and contact sheets of a labelled split."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from fidip.annotations import load_annotations
from fidip.errors import DataError
from fidip.files import atomic_path
from fidip.pixels import read_rgb
from fidip.skeleton import COCO17
from infantsynth.dataset import annotation_path, image_folder

Array = np.ndarray
Record = Mapping[str, Any]
Color = tuple[int, int, int]  # RGB

LEFT, RIGHT, MIDDLE = (235, 60, 50), (60, 120, 255), (70, 220, 90)  # the person's own sides
BOX, OUTLINE, INK, PAPER = (255, 220, 60), (255, 255, 255), (20, 20, 20), (250, 250, 250)
_CAPTION = 18  # px below each tile


def write_png(path: Path, image: Array) -> None:
    """Write an image RGB uint8 (H, W, 3) as PNG, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(cv2.imencode(".png", image[..., ::-1])[1].tobytes())


def scaled_pixels(points: Array, scale: float) -> list[tuple[int, int]]:
    """Bring points (N, 2) px to the nearest pixels of an image that was scaled by ``scale``."""
    placed = ((points + 0.5) * scale - 0.5).clip(-1e4, 1e4).round().astype(int)
    return [(int(x), int(y)) for x, y in placed]


@dataclass(frozen=True)
class SheetOptions:
    """What a contact sheet shows.

    count: images, evenly spread over the split. columns: images a row. tile: side of one, px. posture: only this one.
    """

    count: int = 40
    columns: int = 8
    tile: int = 240
    keypoints: bool = True
    outline: bool = False
    posture: str = ""


def contact_sheet(root: Path, split: str, options: SheetOptions) -> Array:
    """Draw images of a split, RGB uint8 (H, W, 3). Raises DataError when the split has no such image."""
    data = load_annotations(annotation_path(root, split))
    wanted = [i for i in data["images"] if options.posture in ("", i.get("posture"))]
    if not wanted:
        raise DataError(f"{annotation_path(root, split)} has no image of posture {options.posture!r}")
    places = np.linspace(0, len(wanted) - 1, min(options.count, len(wanted))).round().astype(int)
    chosen = [wanted[i] for i in places]
    persons: dict[Any, list[Record]] = {record["id"]: [] for record in chosen}
    for annotation in data["annotations"]:
        if annotation["image_id"] in persons:
            persons[annotation["image_id"]].append(annotation)
    folder = image_folder(root, split)
    return _grid(
        [_tile(folder, record, persons[record["id"]], options) for record in chosen], options.columns
    )


def draw_labels(image: Array, annotation: Record, options: SheetOptions, scale: float = 1.0) -> None:
    """Draw the labels of one person over an image that was scaled by ``scale``."""
    if options.outline and isinstance(annotation.get("segmentation"), dict):
        mask = coco_mask.decode(annotation["segmentation"])
        mask = cv2.resize(mask, image.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        outlines = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)[0]
        cv2.drawContours(image, outlines, -1, OUTLINE, 1)
        x, y, w, h = (round(v * scale) for v in annotation["bbox"])
        cv2.rectangle(image, (x, y), (x + w - 1, y + h - 1), BOX, 1)
    if options.keypoints:
        labels = np.reshape(annotation["keypoints"], (-1, 3))
        draw_keypoints(image, scaled_pixels(labels[:, :2], scale), labels[:, 2])


def draw_keypoints(image: Array, points: Sequence[tuple[int, int]], visibility: Array) -> None:
    """Draw COCO-17 keypoints in place: filled where seen (2), a ring where hidden (1), none where unlabelled (0)."""
    colors: list[Color] = [MIDDLE] * COCO17.num_joints
    for left, right in COCO17.flip_pairs:
        colors[left], colors[right] = LEFT, RIGHT
    for start, end in COCO17.limbs:
        if visibility[start] and visibility[end]:
            color = colors[start] if colors[start] == colors[end] else MIDDLE
            cv2.line(image, points[start], points[end], color, 1, cv2.LINE_AA)
    for point, v, color in zip(points, visibility, colors, strict=True):
        if v:
            cv2.circle(image, point, 4, INK, cv2.FILLED, cv2.LINE_AA)
            cv2.circle(image, point, 3, color, cv2.FILLED if v > 1 else 1, cv2.LINE_AA)


def draw_fit(image: Array, fitted: Array, given: Array, scale: float, colors: tuple[Color, Color]) -> None:
    """Draw fitted keypoints (17, 2) px in place as rings, and given ones (17, 3) px and weight where these count.

    colors: of the given ones and of the fit's. scale: of the image to the keypoints' px.
    """
    seen, rings = colors
    own, marks = scaled_pixels(fitted, scale), scaled_pixels(given[:, :2], scale)
    for start, end in COCO17.limbs:
        cv2.line(image, own[start], own[end], rings, 1, cv2.LINE_AA)
    for point, mark, weight in zip(own, marks, given[:, 2], strict=True):
        if weight > 0:
            cv2.circle(image, mark, 3, seen, cv2.FILLED, cv2.LINE_AA)
        cv2.circle(image, point, 5, rings, 1, cv2.LINE_AA)


def _tile(folder: Path, record: Record, persons: Sequence[Record], options: SheetOptions) -> Array:
    """Draw one image in a square, with its labels and a caption."""
    image = read_rgb(folder / record["file_name"])
    scale = options.tile / max(image.shape[:2])
    image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    for person in persons:
        draw_labels(image, person, options, scale)
    tile = np.full((options.tile + _CAPTION, options.tile, 3), PAPER, np.uint8)
    height, width = image.shape[:2]
    top, left = (options.tile - height) // 2, (options.tile - width) // 2
    tile[top : top + height, left : left + width] = image[: options.tile, : options.tile]
    caption = f"{Path(record['file_name']).stem} {record.get('posture', '')}"
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
