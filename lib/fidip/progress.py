"""Progress with rate and time left: a bar on a terminal, plain lines elsewhere."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")

logger = logging.getLogger("fidip")

LINE_EVERY = 10.0  # seconds between plain lines


def progress(items: Iterable[T], total: int, what: str, unit: str = "batch") -> Iterator[T]:
    """Yield ``items`` while showing how far it is. ``total`` items are expected."""
    if sys.stderr.isatty():
        yield from tqdm(items, total=total, desc=what, unit=unit, dynamic_ncols=True)
        return
    start = last = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - last >= LINE_EVERY or (done == total and now - start >= LINE_EVERY):
            rate = done / (now - start)
            logger.info(
                "%s: %d/%d %s, %.2f/s, %.0f s left", what, done, total, unit, rate, (total - done) / rate
            )
            last = now
