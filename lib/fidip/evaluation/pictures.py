"""Contact sheets of the best and the worst predictions, labels and predictions drawn over each other."""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from fidip.drawing import (
    INK,
    PAPER,
    PREDICTION_COLOURS,
    PREDICTION_PEN,
    TRUTH_COLOURS,
    TRUTH_PEN,
    Colour,
    draw_joints,
)
from fidip.errors import DataError
from fidip.evaluation.groundtruth import joint_box
from fidip.evaluation.matching import Match
from fidip.files import atomic_path
from fidip.geometry import BOX_PADDING, transform
from fidip.pixels import read_rgb
from fidip.skeleton import COCO17, Skeleton

PictureReader = Callable[[str], np.ndarray]  # file name -> RGB uint8 (H, W, 3)

OUTSIDE: Colour = (90, 90, 90)

_CAPTION = 24  # px below each tile
_HEADING = 34  # px above the sheet
_GAP = 6  # px between tiles


def prediction_pictures(
    matches: Sequence[Match],
    pictures: Path | PictureReader,
    count: int = 8,
    columns: int = 4,
    tile: int = 320,
    skeleton: Skeleton = COCO17,
) -> dict[str, np.ndarray]:
    """Draw contact sheets {"best": ..., "worst": ...} of the ``count`` persons of highest and lowest OKS.

    pictures: the folder of ``file_name``, or a function that reads one as RGB uint8. tile: side of a crop in
    px, at least 160. Labels are blue, predictions orange, the left side lighter than the right. Returns RGB
    uint8 (H, W, 3); empty without a labelled person. Raises DataError for a picture that cannot be read.
    """
    read = pictures if callable(pictures) else (lambda name: read_rgb(Path(pictures) / name))
    ranked = sorted(matches, key=lambda match: -match.oks)
    groups = {"best": ranked[:count], "worst": ranked[::-1][:count]}
    return {
        name: _sheet(
            [_tile(m, read, tile, skeleton) for m in group], f"{len(group)} {name} predictions", columns
        )
        for name, group in groups.items()
        if group
    }


def write_prediction_pictures(
    folder: Path,
    matches: Sequence[Match],
    pictures: Path | PictureReader,
    count: int = 8,
    skeleton: Skeleton = COCO17,
) -> list[Path]:
    """Write ``prediction_pictures`` as predictions_best.png and predictions_worst.png; returns the paths."""
    paths = []
    for name, sheet in prediction_pictures(matches, pictures, count, skeleton=skeleton).items():
        path = Path(folder) / f"predictions_{name}.png"
        encoded = cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))[1]
        with atomic_path(path) as temporary:
            temporary.write_bytes(encoded.tobytes())
        paths.append(path)
    return paths


def _tile(match: Match, read: PictureReader, side: int, skeleton: Skeleton) -> np.ndarray:
    """One person: square crop around box and labelled joints, joints drawn over it, caption below."""
    if match.file_name is None:
        raise DataError(
            f"image {match.image_id!r} has no file_name in the annotations; add it to draw pictures"
        )
    matrix = tile_matrix(match, side)
    tile = resample_tile(read(match.file_name), matrix, side)
    truth = transform(matrix, match.truth[:, :2])
    draw_joints(tile, truth, match.labelled, TRUTH_PEN, skeleton)
    if match.prediction is not None:
        shown = np.ones(skeleton.num_joints, dtype=bool)
        draw_joints(tile, transform(matrix, match.prediction[:, :2]), shown, PREDICTION_PEN, skeleton)
    caption = np.full((_CAPTION, side, 3), PAPER, np.uint8)
    missed = "" if match.prediction is not None else " (missed)"
    _write(caption, f"OKS {match.oks:.2f}{missed}  {match.file_name}", (4, 17), side - 8)
    return np.vstack([tile, caption])


def resample_tile(picture: np.ndarray, matrix: np.ndarray, side: int) -> np.ndarray:
    """Resample a picture into a square tile, grey outside it."""
    step = int(1 / matrix[0, 0])
    if step > 1:
        # warpAffine reads four pixels only: a large picture must be averaged down first
        picture = cv2.resize(picture, None, fx=1 / step, fy=1 / step, interpolation=cv2.INTER_AREA)
        matrix = matrix @ np.diag([step, step, 1.0])
    return cv2.warpAffine(picture, matrix, (side, side), flags=cv2.INTER_LINEAR, borderValue=OUTSIDE)


def tile_matrix(match: Match, side: int) -> np.ndarray:
    """Map (2, 3) from image px to the px of a square tile that shows the box, padded, and all labelled joints."""
    boxes = [match.box, joints] if (joints := joint_box(match.truth)) is not None else [match.box]
    low = np.min([box[:2] for box in boxes], axis=0)
    high = np.max([box[:2] + box[2:] for box in boxes], axis=0)
    scale = side / max((high - low).max() * BOX_PADDING, 1.0)
    offset = side / 2 - scale * (low + high) / 2
    return np.array([[scale, 0.0, offset[0]], [0.0, scale, offset[1]]])


def _sheet(tiles: list[np.ndarray], heading: str, columns: int) -> np.ndarray:
    """Tiles in rows on white paper, under a heading with the legend."""
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    height, width = (length + _GAP for length in tiles[0].shape[:2])
    # two columns are the least that the legend fits on
    sheet = np.full((_HEADING + rows * height, max(columns, 2) * width + _GAP, 3), PAPER, np.uint8)
    for index, tile in enumerate(tiles):
        y = _HEADING + index // columns * height
        x = _GAP + index % columns * width
        sheet[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
    _draw_legend(sheet, heading)
    return sheet


def _draw_legend(sheet: np.ndarray, heading: str) -> None:
    x = _GAP + _write(sheet, heading, (_GAP, 22), sheet.shape[1] // 3) + 16
    for what, colours in (("label", TRUTH_COLOURS), ("prediction", PREDICTION_COLOURS)):
        for side, colour in zip(("left", "right"), colours[:2], strict=True):
            cv2.circle(sheet, (x + 5, 17), 6, INK, cv2.FILLED, cv2.LINE_AA)
            cv2.circle(sheet, (x + 5, 17), 5, colour, cv2.FILLED, cv2.LINE_AA)
            x += 15 + _write(sheet, f"{what} {side}", (x + 15, 22), sheet.shape[1]) + 12


def _write(canvas: np.ndarray, text: str, origin: tuple[int, int], limit: int) -> int:
    """Write a line of text, shortened at its end to ``limit`` px; returns its width in px."""
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.45

    def width(line: str) -> int:
        return cv2.getTextSize(line, font, scale, 1)[0][0]

    # OpenCV's fonts have ASCII only
    line = full = text.encode("ascii", "replace").decode()
    while width(line) > limit and len(full) > 1:
        full = full[:-1]
        line = full + "..."
    cv2.putText(canvas, line, origin, font, scale, INK, 1, cv2.LINE_AA)
    return width(line)
