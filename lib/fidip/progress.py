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


def time_in_words(seconds: float) -> str:
    """A time to wait, as exact as one wants to know it: 45 s, 12 min, 3 h 20 min."""
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


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
            left = time_in_words((total - done) / rate)
            logger.info("%s: %d/%d %s, %.2f/s, %s left", what, done, total, unit, rate, left)
            last = now
