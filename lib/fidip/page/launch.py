"""Start the page, keep it running until it is told to stop, and delete its users' files soon after their use."""

import contextlib
import importlib
import logging
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

from fidip.errors import ConfigError
from fidip.page.analysis import Limits
from fidip.predict.follow import Detect
from fidip.predict.predictor import Predictor
from fidip.stopping import wait_for_signal

logger = logging.getLogger("fidip")

_LOOKS = 4  # times that the folder is looked through within the time that files are kept
LOCAL = ("127.0.0.1", "localhost", "::1")


def serve(
    predictor: Predictor,
    limits: Limits,
    host: str = "127.0.0.1",
    port: int = 7860,
    minutes: float = 10.0,
    detect: Detect | None = None,
    wait: Callable[[], object] | None = None,
) -> None:
    """Serve the page until SIGINT or SIGTERM; every file of its users is gone afterwards.

    minutes: how long files outlive their last use. wait: called once the page runs, which ends when it returns.
    Raises ConfigError without Gradio, for times that are not positive, and when the port is taken.
    """
    if minutes <= 0:
        raise ConfigError(f"--minutes {minutes:g} must be positive")
    with Store(60 * minutes) as store:
        quieten(store.root)
        try:
            page = importlib.import_module("fidip.page.layout")
        except ImportError as error:
            raise ConfigError(
                f"the page needs Gradio 6, which cannot be imported ({error}): pip install 'fidip[serve]'"
            ) from error
        blocks = page.build_page(predictor, store, limits, detect)
        try:
            _, address, _ = blocks.launch(
                server_name=host, server_port=port, share=False, prevent_thread_lock=True, quiet=True,
                show_error=True, max_file_size=int(limits.megabytes * 1e6), footer_links=[],
                enable_monitoring=False, theme=_theme(), css=page.STYLE,
            )  # fmt: skip
        except OSError as error:
            raise ConfigError(
                f"port {port} of {host} cannot be used ({error}); choose another --port"
            ) from error
        try:
            if host not in LOCAL:
                logger.warning("anyone who reaches %s can use this page: it asks for no password", host)
            logger.info("the page is at %s; Ctrl-C ends it", address)
            (wait or wait_for_signal)()
        finally:
            blocks.close(verbose=False)


def quieten(root: Path) -> None:
    """Set the environment in which Gradio reports nothing to anyone and keeps its files under ``root``."""
    os.environ.update(
        GRADIO_ANALYTICS_ENABLED="False",
        GRADIO_RUN_HISTORY="False",  # else the browser would keep what was uploaded
        GRADIO_SHARE="False",
        GRADIO_MCP_SERVER="False",
        GRADIO_SSR_MODE="False",
        GRADIO_TEMP_DIR=str(root),
        HF_HUB_DISABLE_TELEMETRY="1",
        HF_HUB_OFFLINE="1",
    )
    for name in ("NO_PROXY", "no_proxy"):  # Gradio asks its own page for an answer when it starts
        known = [entry for entry in os.environ.get(name, "").split(",") if entry]
        os.environ[name] = ",".join(dict.fromkeys([*known, *LOCAL]))


def _theme() -> object:
    """Fonts of the visitor's system: none is fetched, not even from here."""
    themes = importlib.import_module("gradio").themes
    return themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])


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
