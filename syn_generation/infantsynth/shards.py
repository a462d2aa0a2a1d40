"""Shards of a long piece of work: folders that appear whole or not at all, so that a run may be killed at any moment.

FOLDER/options.json      what the shards are made with; a run with other options is refused
FOLDER/00012/            a finished shard: its files, and shard.json with records and failures
FOLDER/00012.4711.tmp/   one that process 4711 is writing, or was writing when it was killed
"""

import contextlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from fidip.errors import ConfigError, DataError
from fidip.runtime import fingerprint, read_json, sync_folder, write_json

try:
    import fcntl
except ImportError:  # Windows: there, two runs at once on one folder are not noticed
    fcntl = None  # type: ignore[assignment]

Record = Mapping[str, Any]

_CONTENT = "shard.json"


@dataclass(frozen=True)
class Shard:
    """The indices start <= i < stop."""

    number: int
    start: int
    stop: int

    @property
    def name(self) -> str:
        """Name of its folder."""
        return f"{self.number:05d}"

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class Content:
    """What a finished shard holds: records for the label file, and what failed (index and problems)."""

    stop: int
    records: Sequence[Record]
    failed: Sequence[Record]


class ShardWriter:
    """Writes a shard into its temporary folder; every file is on the disk before the shard is put in place."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, name: str, content: bytes) -> None:
        """Write a file under a path relative to the shard, e.g. images/a.jpg."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())


@dataclass(frozen=True)
class ShardFolder:
    """A folder of shards of ``size`` indices each."""

    folder: Path
    size: int

    def shards(self, count: int) -> list[Shard]:
        """All shards of the indices 0 <= i < count; the last may be shorter."""
        starts = range(0, count, self.size)
        return [Shard(n, start, min(start + self.size, count)) for n, start in enumerate(starts)]

    def content(self, shard: Shard) -> Content | None:
        """What a shard holds, or None while it is not finished for all of its indices."""
        file = self.folder / shard.name / _CONTENT
        if not file.exists():
            return None
        content = Content(**read_json(file, "shard"))
        return content if content.stop == shard.stop else None

    def pending(self, shards: Iterable[Shard], retry_failed: bool = False) -> list[Shard]:
        """Those that are still to be made; with ``retry_failed`` also those with failed indices."""
        found = [(shard, self.content(shard)) for shard in shards]
        return [shard for shard, held in found if held is None or (retry_failed and held.failed)]

    def claim(self, options: Record) -> None:
        """Take the folder for shards of these options, or go on with those that are there.

        Raises ConfigError, naming what differs, when they were made with other options.
        """
        plain = json.loads(json.dumps(options))  # as it comes back from the file
        file = self.folder / "options.json"
        if not file.exists():
            write_json(file, {"hash": fingerprint(plain), "options": plain})
            return
        before = read_json(file, "options of the shards")["options"]
        if fingerprint(before) != fingerprint(plain):
            changed = sorted(k for k in {*before, *plain} if before.get(k) != plain.get(k))
            text = ", ".join(f"{k} {before.get(k)!r}, now {plain.get(k)!r}" for k in changed)
            raise ConfigError(
                f"the shards in {self.folder} were made with other options ({text}): give the same options to go on "
                "with them, or another folder or split name"
            )

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold the folder against another run of the same part; the system lets go of it when a run is killed.

        Raises DataError when another run has it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f".lock-{name}").open("w") as file:
            self._take(file)
            yield

    def _take(self, file: IO[str]) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataError(f"another run is writing to {self.folder}; wait for it, or end it") from error

    def clean(self, shards: Iterable[Shard]) -> None:
        """Remove what a killed run left half-written of these shards."""
        for shard in shards:
            for left in self.folder.glob(f"{shard.name}.*.tmp"):
                shutil.rmtree(left, ignore_errors=True)

    @contextlib.contextmanager
    def writing(self, shard: Shard) -> Iterator[ShardWriter]:
        """Yield a writer for a shard's files; afterwards ``finish`` puts it in place, otherwise nothing stays."""
        temporary = self.folder / f"{shard.name}.{os.getpid()}.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            yield ShardWriter(temporary)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def finish(
        self, shard: Shard, writer: ShardWriter, records: Sequence[Record], failed: Sequence[Record]
    ) -> None:
        """Put a shard in place at once, with all its files."""
        content = {"stop": shard.stop, "records": list(records), "failed": list(failed)}
        writer.add(_CONTENT, json.dumps(content, allow_nan=False).encode())
        for folder in (path for path in [*writer.folder.rglob("*"), writer.folder] if path.is_dir()):
            sync_folder(folder)
        target, old = self.folder / shard.name, writer.folder.with_suffix(".old.tmp")
        if target.exists():  # a shorter one, or one with failures; killed here, it is made again
            target.rename(old)
        writer.folder.rename(target)
        shutil.rmtree(old, ignore_errors=True)
        sync_folder(self.folder)

    def files(self, shard: Shard) -> Iterator[tuple[str, Path]]:
        """(path relative to the shard, file) of all files of a finished shard, in order."""
        top = self.folder / shard.name
        for path in sorted(top.rglob("*")):
            if path.is_file() and path.name != _CONTENT:
                yield path.relative_to(top).as_posix(), path
