"""What SIGTERM and SIGINT do: ask to save and leave, leave at once, or end a wait."""

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType, TracebackType

logger = logging.getLogger("fidip")


class StopRequest:
    """While it is entered, the first SIGTERM or SIGINT only sets ``received``; a second one acts at once."""

    def __init__(self) -> None:
        self.received = 0  # signal number, 0: none

    def __enter__(self) -> "StopRequest":
        self._before = {
            number: signal.signal(number, self._note) for number in (signal.SIGTERM, signal.SIGINT)
        }
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received:
            signal.signal(number, self._before[signal.Signals(number)] or signal.SIG_DFL)
            signal.raise_signal(number)
        self.received = number
        logger.warning("%s: saving and leaving after this step", signal.Signals(number).name)


def ignore_in_worker(worker: int) -> None:
    """Let a reading process outlive a signal to the whole group, until the main process has saved.

    Only the main process may end it with SIGTERM, as torch does with one that does not hear it any more.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not hasattr(signal, "sigwaitinfo"):  # macOS does not say who sent a signal
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_leave_with, args=(os.getppid(),), daemon=True).start()


def _leave_with(parent: int) -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        pass
    os._exit(0)


@contextlib.contextmanager
def leaving_at_sigterm(kept: str) -> Iterator[None]:
    """Leave at SIGTERM as at Ctrl-C, through all that cleans up: SystemExit with status 143.

    Args:
        kept: what stays, in words, for the message.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, frame: FrameType | None) -> None:
        logger.warning("stopped by SIGTERM; %s. Run the same command again to resume", kept)
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def wait_for_signal() -> None:
    """Wait until SIGINT or SIGTERM comes."""
    told = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: told.set()) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        told.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
