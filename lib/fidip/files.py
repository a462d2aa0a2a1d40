"""Files that are written whole or not at all, JSON, and fingerprints."""

import contextlib
import gzip
import hashlib
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fidip.errors import DataError


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success fsync it and rename it, on failure remove it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make what is new or renamed in a folder durable; Windows cannot open a folder and needs nothing."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write a whole text file or nothing."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write a whole JSON file or nothing. NaN is refused: no reader agrees on it."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path, what: str) -> Any:
    """Read a JSON file, which may be compressed by gzip, and begin with a byte order mark.

    Args:
        path: of the file.
        what: its role in messages, e.g. "annotation file".

    Raises:
        DataError: when it is missing, is not JSON, is not UTF-8, or is cut short.
    """
    try:
        content = path.read_bytes()
        if content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
        return json.loads(content.decode("utf-8-sig"))
    except FileNotFoundError as error:
        raise DataError(f"{what} {path} does not exist; check the path") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{what} {path} is not UTF-8 (byte {error.object[error.start]:#04x} at {error.start}); save it as UTF-8"
        ) from error
    except (json.JSONDecodeError, RecursionError, EOFError, zlib.error) as error:
        raise DataError(
            f"{what} {path} is not valid JSON ({error}); it may be cut short: fetch or write it again"
        ) from error
    except OSError as error:
        raise DataError(f"{what} {path} cannot be read ({error.strerror or error})") from error


def read_arrays(path: Path, what: str) -> dict[str, np.ndarray]:
    """Read all arrays of an .npz file; no code in it is run.

    Args:
        path: of the file.
        what: its role in messages, e.g. "pose prior".

    Raises:
        DataError: for a file that is missing, cut short, or is none.
    """
    try:
        with np.load(path, allow_pickle=False) as content:
            if isinstance(content, np.ndarray):
                raise DataError(f"{what} {path} is one array, not an .npz file of several")
            return {name: content[name] for name in content.files}
    except FileNotFoundError as error:
        raise DataError(f"{what} {path} does not exist; check the path") from error
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{what} {path} cannot be read ({error}): write or fetch it again") from error


def require_writable(folder: Path) -> None:
    """Make the folder of --out. Raises DataError when nothing can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise DataError(
            f"--out {folder} cannot be written to ({error.strerror}); give another folder"
        ) from error


def content_digest(path: Path) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of a file's content."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            sha.update(block)
    return sha.hexdigest()[:16]


def fingerprint(value: Any, length: int = 8) -> str:
    """Short hash of a JSON-like value, the same on every machine and in every process."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:length]
