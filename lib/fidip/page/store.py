"""Files of the page's users: in one private folder, deleted soon after their last use, and all of them at the end."""

import contextlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

_LOOKS = 4  # times that the folder is looked through within the time that files are kept


class Store:
    """A folder for uploads and results. seconds: how long a file outlives its last use.

    A session is a visitor's open page; its name is only ever a key, never part of a path.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._folder = tempfile.TemporaryDirectory(prefix="fidip-", ignore_cleanup_errors=True)
        self.root = Path(self._folder.name).resolve()
        self._owned: dict[str, set[Path]] = {}
        self._busy: dict[str, int] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._sweeper = threading.Thread(target=self._sweep_on, daemon=True)

    def __enter__(self) -> "Store":
        self._sweeper.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._sweeper.join()
        self._folder.cleanup()

    @contextlib.contextmanager
    def request(self, session: str, upload: Path) -> Iterator[Path]:
        """A new folder for the results of one request; neither it nor the upload ages while this is entered."""
        folder = Path(tempfile.mkdtemp(dir=self.root))
        with self._lock:
            self._owned.setdefault(session, set()).update({folder, self._entry(upload)})
            self._busy[session] = self._busy.get(session, 0) + 1
        try:
            yield folder
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            with self._lock:
                self._busy[session] -= 1
                _touch([folder, self._entry(upload)])

    def forget(self, session: str) -> None:
        """Delete what a session alone has used; a file that another one has uploaded too stays."""
        with self._lock:
            if self._busy.get(session):  # its page was closed while it waited: the sweeper finds the files
                return
            self._busy.pop(session, None)
            mine = self._owned.pop(session, set())
            others = set[Path]().union(*self._owned.values())
        for path in mine - others:
            _delete(path)

    def sweep(self) -> None:
        """Delete what was not used for ``seconds``."""
        with self._lock:
            kept = set[Path]().union(*(self._owned[name] for name, count in self._busy.items() if count))
        now = time.time()
        for entry in self.root.iterdir():
            if entry not in kept and now - _last_use(entry) > self.seconds:
                _delete(entry)
                with self._lock:
                    for paths in self._owned.values():
                        paths.discard(entry)

    def _sweep_on(self) -> None:
        while not self._stop.wait(self.seconds / _LOOKS):
            with contextlib.suppress(OSError):  # a file may go while it is looked at
                self.sweep()

    def _entry(self, path: Path) -> Path:
        """The entry of the root that a path is in. Raises ValueError for one outside."""
        return self.root / path.resolve().relative_to(self.root).parts[0]


def _last_use(path: Path) -> float:
    """Youngest time of change of a file or of all in a folder, s since 1970."""
    inside = path.rglob("*") if path.is_dir() else ()
    return max(file.stat().st_mtime for file in (path, *inside))


def _touch(paths: list[Path]) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            os.utime(path)


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
