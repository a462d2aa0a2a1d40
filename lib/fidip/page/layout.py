"""The page itself, in Gradio: no telemetry, no share link, nothing fetched from elsewhere."""

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from fidip.errors import ConfigError, FidipError
from fidip.geometry import parse_box
from fidip.motion.outputs import NOTICE
from fidip.page.analysis import VIDEO_SUFFIXES, Findings, Limits, analyse
from fidip.page.launch import Store
from fidip.predict.follow import Detect, Plan
from fidip.predict.media import SUFFIXES
from fidip.predict.predictor import Predictor

TITLE = "Infant pose"
WHOLE, BY_HAND, DETECTOR = "whole picture", "box by hand", "person detector"
STYLE = """
.gradio-container { max-width: min(1200px, 100vw) !important; margin: 0 auto !important; }
#notice { border-left: 4px solid #c2410c; padding-left: 0.75em; }
#joints table { width: 100%; border: none; border-collapse: collapse; font-variant-numeric: tabular-nums; }
#joints th, #joints td { padding: 0.25em 0.5em; text-align: left; border: none; }
#joints tr { border: none; border-bottom: 1px solid var(--border-color-primary); }
@media (max-width: 480px) {
  #joints table { display: block; overflow-x: auto; font-size: 0.8em; }
  #joints th, #joints td { padding: 0.25em 0.2em; }
}
"""
_WAITING = 8  # requests in the queue; one is worked on at a time
_ERROR_SECONDS = 20
_SIDES = ("x", "y", "width", "height")


def build_page(predictor: Predictor, store: Store, limits: Limits, detect: Detect | None = None) -> gr.Blocks:
    """The page: an upload and where to look on the left, what was found on the right.

    detect: offers a person detector as a way to look. Call ``fidip.page.launch.serve`` rather than this:
    it sets the environment that keeps Gradio quiet.
    """
    modes = [WHOLE, BY_HAND] + ([DETECTOR] if detect is not None else [])
    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        gr.Markdown(f"# {TITLE}")
        gr.Markdown(_introduction(store.seconds, limits), elem_id="notice")
        with gr.Row():
            with gr.Column(scale=1, min_width=300):
                upload = gr.File(
                    label="Picture or short video", file_types=[*SUFFIXES, *VIDEO_SUFFIXES], elem_id="upload"
                )
                mode = gr.Radio(modes, value=WHOLE, label="Where the infant is", elem_id="mode")
                with gr.Row(visible=False, elem_id="box") as by_hand:
                    box = [gr.Number(label=f"{side}, px", value=0, min_width=70) for side in _SIDES]
                blur = gr.Checkbox(label="blur faces in the overlay")
                button = gr.Button("Find joints", variant="primary", elem_id="find")
            with gr.Column(scale=2, min_width=300):
                outputs = _outputs()
        mode.change(
            lambda chosen: gr.update(visible=chosen == BY_HAND),
            mode,
            by_hand,
            api_visibility="private",
            queue=False,
        )
        find = _handler(predictor, store, limits, detect)
        # what was found in another upload, or before an error, must not stay beside this one's name
        upload.change(_nothing, None, outputs, api_visibility="private", queue=False)
        button.click(_nothing, None, outputs, api_visibility="private", queue=False).then(
            find, [upload, mode, *box, blur], outputs, concurrency_limit=1, api_visibility="private"
        )
        page.unload(_forgetter(store))
    return page.queue(max_size=_WAITING)


def plan_for(mode: str, box: tuple[float | None, ...], detect: Detect | None) -> Plan:
    """Where to look. box: x, y, width, height, image px, for a box by hand. Raises ConfigError for a faulty one."""
    if mode == BY_HAND:
        return Plan(start=(parse_box(",".join(str(side) for side in box)),))
    if mode == DETECTOR and detect is not None:
        return Plan(detect=detect)
    if mode != WHOLE:
        raise ConfigError(f"there is no way to look called {mode!r}")
    return Plan()


def _handler(
    predictor: Predictor, store: Store, limits: Limits, detect: Detect | None
) -> Callable[..., list[Any]]:
    def find(
        upload: str | None,
        mode: str,
        x: float | None,
        y: float | None,
        width: float | None,
        height: float | None,
        blur: bool,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 -- how Gradio is asked for one
    ) -> list[Any]:
        if upload is None:
            raise gr.Error("Choose a picture or a video first.", print_exception=False)
        file = Path(upload)
        try:
            plan = plan_for(mode, (x, y, width, height), detect)
            with store.request(str(request.session_hash), file) as folder:
                return _shown(analyse(predictor, file, plan, limits, folder, blur, progress))
        except FileNotFoundError as error:
            raise gr.Error("The file was deleted already: upload it again.", print_exception=False) from error
        except FidipError as error:
            raise gr.Error(escape(str(error)), duration=_ERROR_SECONDS, print_exception=False) from error

    return find


def _forgetter(store: Store) -> Callable[..., None]:
    def forget(request: gr.Request) -> None:
        store.forget(str(request.session_hash))

    return forget


def _outputs() -> list[Any]:
    """Components in the order of ``_shown``."""
    return [
        gr.HTML("Nothing yet.", elem_id="summary"),
        gr.Image(
            label="Overlay", type="filepath", visible=False, interactive=False, buttons=["fullscreen"],
            elem_id="picture", alt_text="the picture with the joints that were found drawn on it",
        ),
        gr.Video(label="Overlay", visible=False, interactive=False, buttons=[], elem_id="video"),
        gr.HTML(visible=False, elem_id="joints"),
        gr.File(label="Downloads", file_count="multiple", interactive=False, visible=False, elem_id="files"),
    ]  # fmt: skip


def _shown(found: Findings) -> list[Any]:
    """Values of ``_outputs``."""
    overlay, files = str(found.overlay), [str(file) for file in found.files]
    return [
        escape(f"{found.summary}. Left is yellow, right is red; hollow joints were not seen."),
        gr.update(value=None if found.is_video else overlay, visible=not found.is_video),
        gr.update(value=overlay if found.is_video else None, visible=found.is_video),
        gr.update(value=table_html(found.headers, found.table), visible=True),
        gr.update(value=files, visible=True),
    ]


def _nothing() -> list[Any]:
    """Values of ``_outputs`` before anything is found."""
    hidden = gr.update(value=None, visible=False)
    return ["Nothing yet.", hidden, hidden, hidden, hidden]


def table_html(headers: Sequence[str], table: Sequence[Sequence[str]]) -> str:
    """A table in HTML; whatever is in the cells is shown as it is."""
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in headers)
    rows = ("".join(f"<td>{escape(text)}</td>" for text in row) for row in table)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _introduction(seconds: float, limits: Limits) -> str:
    return (
        f"**{NOTICE}** Everything happens on the computer that this page comes from: nothing is "
        f"sent elsewhere. Uploads and results are deleted when you close the page, at the latest {seconds / 60:g} "
        f"minutes after their last use. Limits: {limits.in_words()}."
    )
