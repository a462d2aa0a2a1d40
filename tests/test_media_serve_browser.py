"""The page end to end: the real script, a real browser, no request to anywhere else, no file left."""

import csv
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import torch
from test_media_bundle import TINY
from test_media_serve import picture, video
from test_models import randomise_statistics

from fidip.build import build_model
from fidip.config import load_config
from fidip.deploy.bundle import save_bundle
from fidip.skeleton import COCO17

pytestmark = pytest.mark.slow
sync_api = pytest.importorskip("playwright.sync_api")
pytest.importorskip("gradio")

ROOT = Path(__file__).parents[1]
CHROMIUM = Path("/usr/bin/chromium")
PATIENCE = 120  # s, also on a busy machine


class Listener:
    """A proxy that answers nothing and counts who asks."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port, self.calls = self.socket.getsockname()[1], []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.calls.append(connection.recv(200))
            connection.close()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """(address, folder for temporary files, process, listener) of tools/serve.py with a tiny random network."""
    folder = tmp_path_factory.mktemp("serve")
    (folder / "tiny.yaml").write_text(TINY)
    cfg = load_config(folder / "tiny.yaml")
    torch.manual_seed(0)
    bundle = save_bundle(cfg, randomise_statistics(build_model(cfg)), folder / "net.safetensors")
    temporary, port, listener = folder / "temporary", free_port(), Listener()
    temporary.mkdir()
    proxy = f"http://127.0.0.1:{listener.port}"
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
    environment = {**os.environ, **dict.fromkeys(names, proxy), "TMPDIR": str(temporary)}
    environment.pop("NO_PROXY", None), environment.pop("no_proxy", None)
    command = [sys.executable, str(ROOT / "tools/serve.py"), "--bundle", str(bundle), "--port", str(port),
               "--max-seconds", "2", "--max-mb", "1", "--device", "cpu"]  # fmt: skip
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
    address = f"http://127.0.0.1:{port}/"
    try:
        wait_for(lambda: answers(address) or process.poll() is not None)
        assert process.poll() is None, (folder / "log").read_text()
        yield address, temporary, process, listener
    finally:
        process.kill()
        process.wait()
        listener.socket.close()


def wait_for(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)


def answers(address):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        return opener.open(address, timeout=PATIENCE).status == 200
    except (urllib.error.URLError, OSError):
        return False


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM.exists():
        pytest.skip("needs chromium")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(server, browser):
    """The open page; ``page.asked`` are the addresses that it asked for."""
    context = browser.new_context(viewport={"width": 1200, "height": 1100}, accept_downloads=True)
    context.set_default_timeout(1000 * PATIENCE)
    page = context.new_page()
    page.asked, page.faults = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.goto(server[0])
    page.locator("#find").wait_for()
    yield page
    context.close()


def send(page, file):
    page.locator("#upload input[type=file]").set_input_files(str(file))
    page.locator("#upload", has_text=file.stem[:4]).wait_for()
    page.locator("#find").click()


def only_local(page, server):
    outside = [url for url in page.asked if not url.startswith((server[0], "blob:", "data:"))]
    assert outside == []
    assert page.faults == []
    assert server[3].calls == []


def cells(page):
    """Rows of the table as the visitor sees them."""
    page.locator("#joints tbody tr").first.wait_for()
    return [row.locator("td").all_inner_texts() for row in page.locator("#joints tbody tr").all()]


def test_a_picture_from_upload_to_download(page, server, tmp_path):
    assert page.locator("text=Research use, not diagnostic.").is_visible()
    upload = picture(tmp_path / "infant.png", size=(192, 128))
    send(page, upload)
    page.locator("#summary", has_text="192 x 128 px: 1 person").wait_for()
    table = cells(page)
    assert [row[1] for row in table] == list(COCO17.names)
    with page.expect_download() as waiting:
        page.locator("#files a[download$='.csv']").click()
    lines = csv.DictReader(Path(waiting.value.path()).read_text().splitlines())
    # the page shows what the file says, to the digit that it shows
    assert [row[2:5] for row in table] == [
        [f"{float(line['x']):.1f}", f"{float(line['y']):.1f}", f"{float(line['score']):.2f}"]
        for line in lines
    ]
    assert page.locator("#picture img").evaluate("image => image.naturalWidth") == 192
    page.screenshot(path=str(screenshots(tmp_path) / "wide.png"), full_page=True)
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function("document.documentElement.scrollWidth <= 390")  # nothing to scroll sideways
    page.screenshot(path=str(screenshots(tmp_path) / "narrow.png"), full_page=True)
    page.locator("#mode label", has_text="box by hand").click()
    page.locator("#find").click()
    page.locator("text=w and h above 1").first.wait_for()
    assert not page.locator("#picture img").is_visible()  # nothing old stays beside the error
    for number, value in enumerate((20, 10, 120, 100)):
        page.locator("#box input").nth(number).fill(str(value))
    page.locator("#find").click()
    page.locator("#summary", has_text="192 x 128 px: 1 person").wait_for()
    assert cells(page) != table
    only_local(page, server)


def test_a_video_and_what_is_wrong_with_others(page, server, tmp_path):
    page.locator("#find").click()
    page.locator("text=Choose a picture or a video first").wait_for()
    send(page, video(tmp_path / "long.mp4", frames=30))
    page.locator("text=has 30 frames in 3.0 s").first.wait_for()
    page.locator("#upload button[aria-label=Clear]").click()
    send(page, video(tmp_path / "short.mp4", size=(128, 96)))
    page.locator("#summary", has_text="6 frames").wait_for()
    page.locator("#video video").wait_for()
    assert [row[1:3] for row in cells(page)] == [[name, "6"] for name in COCO17.names]
    page.screenshot(path=str(screenshots(tmp_path) / "video.png"), full_page=True)
    for size, status in ((900_000, 200), (1_100_000, 413)):  # refused while it comes, not afterwards
        large = {"name": "large.png", "mimeType": "image/png", "buffer": bytes(size)}
        assert page.request.post(f"{server[0]}gradio_api/upload", multipart={"files": large}).status == status
    only_local(page, server)


def screenshots(folder):
    """Where pictures of the page go; SCREENSHOTS names a folder to look at them."""
    return Path(os.environ.get("SCREENSHOTS", folder))


def test_nothing_is_left(server):
    _, temporary, process, listener = server
    (root,) = temporary.glob("fidip-*")
    # the pages were closed; Gradio leaves empty files, and nobody used large.png: both are for the sweeper
    wait_for(
        lambda: (
            {path.name for path in root.rglob("*") if path.is_file() and path.stat().st_size} == {"large.png"}
        )
    )
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=PATIENCE) == 0
    assert [path for path in temporary.rglob("*") if path.is_file()] == []
    assert listener.calls == []
