"""Look at every picture file once: whether it can be read, its size, its EXIF flag, its fingerprints."""

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from fidip.audit.duplicates import THUMB, PictureHash, hash_picture
from fidip.audit.findings import Finding
from fidip.audit.splits import AuditSplit
from fidip.progress import progress

_ORIENTATION = 0x0112  # EXIF tag; 1 is as stored, 5 to 8 exchange width and height
_TURNED = {
    2: "mirrored",
    3: "upside down",
    4: "mirrored and upside down",
    5: "mirrored and turned by 90 degrees",
    6: "turned by 90 degrees",
    7: "mirrored and turned by 270 degrees",
    8: "turned by 270 degrees",
}


@dataclass(frozen=True)
class Scan:
    """What is known of one picture file.

    problem: "missing", or why it cannot be read, or "". size: (W, H) in px as stored. orientation: EXIF flag.
    digest: SHA-256 of the file. hash: of the picture as EXIF turns it, None when it cannot be read.
    """

    problem: str = ""
    size: tuple[int, int] = (0, 0)
    orientation: int = 1
    digest: str = ""
    hash: PictureHash | None = None


def scan_pictures(splits: Sequence[AuditSplit], known: Mapping[Path, Scan] | None = None) -> dict[Path, Scan]:
    """Read every picture of the splits to its end; those in ``known`` are taken from there."""
    scans = dict(known or {})
    paths = [split.picture(index) for split in splits for index in split.images]
    new = [path for path in dict.fromkeys(paths) if path not in scans]
    for path in progress(new, len(new), "reading pictures", "pictures"):
        scans[path] = scan_picture(path)
    return scans


def scan_picture(path: Path) -> Scan:
    """Read one picture to its end."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Scan("missing")
    except OSError as error:
        return Scan(f"cannot be read ({error.strerror})")
    digest = hashlib.sha256(data).hexdigest()
    try:
        with Image.open(io.BytesIO(data)) as image:
            size, orientation = image.size, image.getexif().get(_ORIENTATION, 1)
            # a JPEG is decoded at the scale that is needed, but still to its end
            image.draft("L", (4 * THUMB, 4 * THUMB))
            grey = np.asarray(ImageOps.exif_transpose(image).convert("L"))
    except UnidentifiedImageError:
        return Scan("is no picture" if data else "is empty", digest=digest)
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        return Scan(f"cannot be decoded ({error})", digest=digest)
    return Scan("", size, orientation, digest, hash_picture(grey))


def check_pictures(split: AuditSplit, scans: Mapping[Path, Scan]) -> list[Finding]:
    """Pictures that are missing, unreadable, turned by EXIF, or of another size than the file says."""
    findings = []
    for index, image in split.images.items():
        scan = scans[split.picture(index)]
        stated = (image["width"], image["height"])
        place = (split.image_place(index),)
        turned = scan.size[::-1] if scan.orientation >= 5 else scan.size
        if scan.problem:
            kind = "picture_missing" if scan.problem == "missing" else "picture_unreadable"
            findings.append(Finding(kind, scan.problem, place))
            continue
        if scan.orientation in _TURNED:
            findings.append(Finding("picture_turned", _turned_text(scan, stated, turned), place))
        if stated not in (scan.size, turned):
            message = f"is {scan.size[0]}x{scan.size[1]}, labelled as {stated[0]}x{stated[1]}"
            findings.append(Finding("picture_resized", message, place))
    return findings


def _turned_text(scan: Scan, stated: tuple[int, int], turned: tuple[int, int]) -> str:
    text = f"EXIF flag {scan.orientation}: shown {_TURNED[scan.orientation]}"
    if scan.size == turned:
        return text
    if stated == scan.size:
        return text + "; the labels refer to the pixels as stored"
    return text + ("; the labels refer to the turned picture" if stated == turned else "")
