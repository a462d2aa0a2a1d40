"""Pictures from anywhere: found by name, refused by their header before a byte of pixels is decoded."""

import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from fidip.errors import DataError
from fidip.pixels import read_rgb

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
MAX_PIXELS = 89_478_485  # Pillow's own limit: 256 MiB of RGB; a header that claims more is refused

_ORIENTATION = 0x0112  # EXIF tag; 5 to 8 swap width and height


def is_picture(path: Path) -> bool:
    """Whether the file's name is that of a picture."""
    return path.suffix.lower() in SUFFIXES


def pictures_in(folder: Path) -> list[Path]:
    """The pictures directly in a folder, by name."""
    return sorted(path for path in folder.iterdir() if is_picture(path) and path.is_file())


def check_picture(path: Path) -> tuple[tuple[int, int], tuple[int, int]]:
    """Read a picture's header: its size (width, height) px as stored, and as shown after its EXIF turn.

    Raises DataError for a file that is missing, is no picture, or claims more than ``MAX_PIXELS``.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                width, height = image.size
                # the method of PNG files would decode the pixels to look behind them
                turned = Image.Image.getexif(image).get(_ORIENTATION, 1) in (5, 6, 7, 8)
                if turned and image.format == "TIFF":  # whose size is given as shown
                    width, height = height, width
    except Image.DecompressionBombError as error:
        raise DataError(_too_large(path, str(error).split(" exceeds")[0])) from error
    except FileNotFoundError as error:
        raise DataError(f"picture {path} does not exist; check the path") from error
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow's readers raise for damaged headers
        raise DataError(
            f"picture {path} is not a readable picture, whatever its name says; replace or remove it"
        ) from error
    if width * height > MAX_PIXELS:
        raise DataError(_too_large(path, f"{width} x {height} px"))
    return (width, height), ((height, width) if turned else (width, height))


def _too_large(path: Path, what: str) -> str:
    return f"picture {path} claims {what}, more than {MAX_PIXELS} px: a decompression bomb, or scale it down"


def check_pictures(paths: Iterable[Path], skip_bad: bool = False) -> tuple[list[Path], list[str]]:
    """The pictures with a sound header, and what is wrong with the others.

    Raises one DataError that names the first few, unless ``skip_bad``.
    """
    sound, faults = [], []
    for path in paths:
        try:
            check_picture(path)
        except DataError as error:
            faults.append(str(error))
        else:
            sound.append(path)
    if faults and not (skip_bad and sound):
        more = f"; and {len(faults) - 3} more: --skip-bad leaves them out" if len(faults) > 3 else ""
        raise DataError("; ".join(faults[:3]) + more)
    return sound, faults


def read_picture(path: Path, exif: bool = True) -> np.ndarray:
    """Read RGB uint8 (H, W, 3), turned by its EXIF orientation if ``exif``; its header is checked first."""
    check_picture(path)
    return read_rgb(path, exif)
