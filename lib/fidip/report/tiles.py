"""Best, worst and most changed predictions as small pictures."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from fidip.drawing import PREDICTION_PEN, TRUTH_PEN, draw_joints
from fidip.errors import DataError
from fidip.evaluation import Match
from fidip.evaluation.pictures import resample_tile, tile_matrix
from fidip.geometry import transform
from fidip.pixels import read_rgb
from fidip.report.scoring import Scored, Truth

SIDE = 280  # px of a tile
QUALITY = 80  # of its JPEG


@dataclass(frozen=True)
class Tile:
    """uri: the picture within the page, "" where it could not be read. alt: what it shows. caption: below it."""

    uri: str
    alt: str
    caption: str


def best_and_worst(scored: Scored, count: int) -> dict[str, list[Tile]]:
    """``count`` persons of highest and of lowest OKS, none twice."""
    ranked = sorted(scored.matches, key=lambda match: -match.oks)
    worst = ranked[count:][::-1][:count]
    return {
        "Best": [_tile(match, scored.truth, "Good") for match in ranked[:count]],
        "Worst": [_tile(match, scored.truth, "Bad") for match in worst],
    }


def most_changed(first: Scored, second: Scored, count: int) -> Iterator[tuple[str, list[tuple[Tile, Tile]]]]:
    """Persons that the second run predicts better, and worse, than the first, the largest change first."""
    pairs = list(zip(first.matches, second.matches, strict=True))
    ranked = sorted(pairs, key=lambda two: two[0].oks - two[1].oks)
    groups = {"Gained": ranked[:count], "Lost": ranked[::-1][:count]}
    for name, chosen in groups.items():
        moved = [
            two
            for two in chosen
            if (two[1].oks > two[0].oks) == (name == "Gained") and two[0].oks != two[1].oks
        ]
        yield (
            name,
            [
                (_tile(one, first.truth, first.run.name), _tile(other, second.truth, second.run.name))
                for one, other in moved
            ],
        )


def _tile(match: Match, truth: Truth, what: str) -> Tile:
    found = "missed" if match.prediction is None else f"score {match.score:.2f}"
    caption = f"OKS {match.oks:.2f}, {found}, {match.file_name or match.image_id}"
    alt = f"{what} prediction on {match.file_name or match.image_id}: labels blue, prediction orange, OKS {match.oks:.2f}"
    try:
        picture = _draw(match, truth)
    except DataError as error:
        return Tile("", alt, f"{caption}. No picture: {error}")
    quality = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    encoded = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), quality)[1]
    return Tile(data_uri(encoded.tobytes(), "jpeg"), alt, caption)


def _draw(match: Match, truth: Truth) -> np.ndarray:
    """Square crop (SIDE, SIDE, 3) with both poses. Raises DataError for a picture that cannot be read."""
    if match.file_name is None:
        raise DataError("the annotations have no file_name for it")
    matrix = tile_matrix(match, SIDE)
    tile = resample_tile(read_rgb(truth.pictures / match.file_name, truth.exif), matrix, SIDE)
    draw_joints(tile, transform(matrix, match.truth[:, :2]), match.labelled, TRUTH_PEN, truth.skeleton)
    if match.prediction is not None:
        shown = np.ones(truth.skeleton.num_joints, dtype=bool)
        draw_joints(tile, transform(matrix, match.prediction[:, :2]), shown, PREDICTION_PEN, truth.skeleton)
    return tile


def data_uri(content: bytes, kind: str) -> str:
    """An encoded picture within the page. kind: "jpeg" or "png"."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def fair_share(wanted: int, runs: int, limit: int) -> int:
    """Tiles of each list, so that a page of many runs keeps to ``limit`` tiles in all."""
    return min(wanted, max(1, limit // max(1, 6 * runs))) if wanted else 0
