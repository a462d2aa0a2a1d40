"""Start the page and keep it running until it is told to stop."""

import importlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

from fidip.errors import ConfigError
from fidip.page.analysis import Limits
from fidip.page.store import Store
from fidip.predict.follow import Detect
from fidip.predict.predictor import Predictor
from fidip.stopping import wait_for_signal

logger = logging.getLogger("fidip")

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
