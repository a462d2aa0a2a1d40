"""Make shards with several processes, on this machine or on many."""

import contextlib
import functools
import logging
import os
import signal
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import joblib
import torch

from fidip.errors import ConfigError, FidipError
from fidip.progress import progress
from fidip.runtime import leaving_at_sigterm
from infantsynth.shards import Shard, ShardFolder

logger = logging.getLogger("fidip")

BACKENDS = ("local", "dask", "ray")
DRAWS = 8  # draws for one index before it counts as failed


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

    def pictures(finished: Iterator[Made]) -> Iterator[int]:
        for part in finished:
            made.append(part)
            yield from range(part.shard.start, part.shard.stop)

    store.clean(shards)
    with (
        leaving_at_sigterm("finished shards are kept"),
        contextlib.closing(_run(store, recipe, shards, crew)) as finished,
    ):
        try:
            for _ in progress(pictures(finished), sum(map(len, shards)), "rendering", "images"):
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
        signal.signal(
            signal.SIGINT, signal.SIG_IGN
        )  # Ctrl-C goes to all processes; the boss ends the workers
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
                f"no picture of shard {shard.name} could be made; the last problem: {problems[-1]}"
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
            except Exception as error:  # one picture must not end a long run
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
    """joblib's backend; what it needs is closed with ``stack``. Raises ImportError where that is not installed."""
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
    """Pictures are independent: a process for each core beats threads, and sums keep their order."""
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])
