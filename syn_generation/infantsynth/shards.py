"""Make shards of a long piece of work with several processes, on this machine or on many.

Shards are folders that appear whole or not at all, so that a run may be killed at any moment.

FOLDER/options.json      what the shards are made with; a run with other options is refused
FOLDER/00012/            a finished shard: its files, and shard.json with records and failures
FOLDER/00012.4711.tmp/   one that process 4711 is writing, or was writing when it was killed
"""

import contextlib
import functools
import json
import logging
import os
import shutil
import signal
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

import cv2
import joblib

from fidip.errors import ConfigError, DataError, FidipError
from fidip.files import fingerprint, read_json, sync_folder, write_json
from fidip.progress import progress
from fidip.stopping import leaving_at_sigterm

Record = Mapping[str, Any]

logger = logging.getLogger("fidip")

try:
    import fcntl
except ImportError:  # Windows: there, two runs at once on one folder are not noticed
    fcntl = None  # type: ignore[assignment]
_CONTENT = "shard.json"
BACKENDS = ("local", "dask", "ray")
DRAWS = 8  # draws for one index before it counts as failed


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
        """List all shards of the indices 0 <= i < count; the last may be shorter."""
        starts = range(0, count, self.size)
        return [Shard(n, start, min(start + self.size, count)) for n, start in enumerate(starts)]

    def content(self, shard: Shard) -> Content | None:
        """Return what a shard holds, or None while it is not finished for all of its indices."""
        file = self.folder / shard.name / _CONTENT
        if not file.exists():
            return None
        content = Content(**read_json(file, "shard"))
        return content if content.stop == shard.stop else None

    def pending(self, shards: Iterable[Shard], retry_failed: bool = False) -> list[Shard]:
        """List those that are still to be made; with ``retry_failed`` also those with failed indices."""
        found = [(shard, self.content(shard)) for shard in shards]
        return [shard for shard, held in found if held is None or (retry_failed and held.failed)]

    def finished(self) -> Iterator[int]:
        """Yield the number of indices up to the end of each finished shard."""
        for file in self.folder.glob(f"[0-9]*/{_CONTENT}"):
            yield int(read_json(file, "shard")["stop"])

    def require_at_least(self, count: int) -> None:
        """Raise ConfigError where more than ``count`` indices are made already: fewer would throw some away."""
        made = max(self.finished(), default=0)
        if made > count:
            raise ConfigError(
                f"{self.folder} holds {made} images already, --count {count} wants fewer: give {made} or more, or another "
                "split name"
            )

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
        if fingerprint(before) != fingerprint(plain) and not any(self.finished()):
            write_json(
                file, {"hash": fingerprint(plain), "options": plain}
            )  # nothing was made with the old ones
        elif fingerprint(before) != fingerprint(plain):
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
        """Yield (path relative to the shard, file) of all files of a finished shard, in order."""
        top = self.folder / shard.name
        for path in sorted(top.rglob("*")):
            if path.is_file() and path.name != _CONTENT:
                yield path.relative_to(top).as_posix(), path


@dataclass(frozen=True)
class Product:
    """What came of one index. record: for the label file, JSON-like. files: path below the root -> content."""

    record: Mapping[str, Any]
    files: Mapping[str, bytes]


Make = Callable[[int, int], Product]  # (index, draw) -> product; equal arguments, equal bytes


class Recipe(Protocol):
    """What travels to the workers: hashable, and small when pickled."""

    def __hash__(self) -> int: ...

    def maker(self) -> Make:
        """Load all that is needed; called once a worker. Raises FidipError when something is missing."""
        ...


@dataclass(frozen=True)
class Crew:
    """Who does the work. workers: processes. backend: local, dask or ray. address: of their scheduler."""

    workers: int = 1
    backend: str = "local"
    address: str = ""


@dataclass(frozen=True)
class Made:
    """How a shard went. failed and redrawn: numbers of indices and of draws; cpu and wall: s."""

    shard: Shard
    failed: int
    redrawn: int
    cpu: float
    wall: float


def make_shards(store: ShardFolder, shards: Sequence[Shard], recipe: Recipe, crew: Crew) -> list[Made]:
    """Make shards, showing progress; any moment is a good one to stop at.

    Raises FidipError when a shard has not one good index or a worker is killed, ConfigError for a backend that is not installed,
    SystemExit (status 143) after SIGTERM.
    """
    made: list[Made] = []

    def images(finished: Iterator[Made]) -> Iterator[int]:
        for part in finished:
            made.append(part)
            yield from range(part.shard.start, part.shard.stop)

    store.clean(shards)
    with (
        leaving_at_sigterm("finished shards are kept"),
        contextlib.closing(_run(store, recipe, shards, crew)) as finished,
    ):
        try:
            for _ in progress(images(finished), sum(map(len, shards)), "rendering", "images"):
                pass
        finally:
            finished.close()  # the workers leave before what they have begun is removed
            store.clean(shards)
    return made


def make_shard(store: ShardFolder, recipe: Recipe, boss: int | None, shard: Shard) -> Made:
    """Make all indices of a shard, on one thread, and put it in place.

    boss: id of the process without which nobody wants the shard; a new run may be at it already.
    """
    if boss is not None:
        # Ctrl-C goes to all processes; the boss ends the workers
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    wall, cpu = time.perf_counter(), time.process_time()
    records, failed, redrawn = [], [], 0
    with _one_thread(), store.writing(shard) as writer:
        make = _maker(recipe)
        for index in range(shard.start, shard.stop):
            if boss is not None and os.getppid() != boss:
                raise FidipError("the process that wanted this shard is gone")
            product, problems = _draw(make, index)
            redrawn += len(problems)
            if product is None:
                failed.append({"index": index, "problems": problems})
                continue
            records.append(product.record)
            for name, content in product.files.items():
                writer.add(name, content)
        if not records:
            raise FidipError(
                f"no image of shard {shard.name} could be made; the last problem: {problems[-1]}"
            )
        store.finish(shard, writer, records, failed)
    return Made(shard, len(failed), redrawn, time.process_time() - cpu, time.perf_counter() - wall)


@functools.lru_cache(maxsize=1)
def _maker(recipe: Recipe) -> Make:
    return recipe.maker()


def _draw(make: Make, index: int) -> tuple[Product | None, list[str]]:
    """Draw until a draw can be used. A FidipError spoils a draw, another error is given a second chance first."""
    problems: list[str] = []
    for draw in range(DRAWS):
        for _ in range(2):
            try:
                return make(index, draw), problems
            except FidipError as error:
                problems.append(str(error))
                break
            except Exception as error:  # one image must not end a long run
                problems.append(f"{type(error).__name__}: {error}")
                logger.debug("index %d, draw %d", index, draw, exc_info=True)
    return None, problems


def _run(
    store: ShardFolder, recipe: Recipe, shards: Sequence[Shard], crew: Crew
) -> Generator[Made, None, None]:
    """Yield what comes of each shard, as it comes."""
    if crew.backend not in BACKENDS:
        raise ConfigError(f"--backend {crew.backend} is not one of {', '.join(BACKENDS)}")
    local = crew.backend == "local"
    if local and min(crew.workers, len(shards)) <= 1:
        yield from (make_shard(store, recipe, None, shard) for shard in shards)
        return
    work = functools.partial(make_shard, store, recipe, os.getpid() if local else None)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(_engine(crew, stack))
        except ImportError as error:
            package = {"dask": "distributed", "ray": "ray"}[crew.backend]
            raise ConfigError(
                f"--backend {crew.backend} needs a package ({error}): pip install {package}"
            ) from error
        # ray gives everything at the end; joblib's own lines show how far it is
        order = (
            {"return_as": "list", "verbose": 10}
            if crew.backend == "ray"
            else {"return_as": "generator_unordered"}
        )
        run = joblib.Parallel(pre_dispatch="all", batch_size=1, **order)
        try:
            yield from run(joblib.delayed(work)(shard) for shard in shards)
        except BrokenProcessPool as error:
            raise FidipError(
                "a worker was killed from outside, mostly because memory ran out; finished shards are kept: give the "
                "same command with fewer --workers"
            ) from error


def _engine(crew: Crew, stack: contextlib.ExitStack) -> Any:
    """Return joblib's backend; what it needs is closed with ``stack``. Raises ImportError where that is not installed."""
    if crew.backend == "dask":
        from dask.distributed import Client

        here = {"n_workers": crew.workers, "threads_per_worker": 1}
        client = stack.enter_context(Client(crew.address) if crew.address else Client(**here))
        return joblib.parallel_config("dask", client=client, wait_for_workers_timeout=60)
    if crew.backend == "ray":
        import ray
        from ray.util.joblib import register_ray

        ray.init(address=crew.address or None, num_cpus=None if crew.address else crew.workers)
        stack.callback(ray.shutdown)
        register_ray()
        return joblib.parallel_config("ray", n_jobs=-1)
    return joblib.parallel_config("loky", n_jobs=crew.workers, inner_max_num_threads=1)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Return images are independent: a process for each core beats threads, and sums keep their order."""
    import torch  # here, as it takes seconds to load and --help needs it not

    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])
