"""The report in a real browser: opened from disk, without network."""

import shutil

import pytest
from report_runs import NASTY, add_gap, write_data, write_events, write_run
from running import command

main = command("report")

playwright = pytest.importorskip("playwright.sync_api")
BROWSER = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)  # fmt: skip
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium")
SECTIONS = ["results", "curves", "joints", "postures", "pictures", "calibration", "gap", "config", "origin"]


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    root = tmp_path_factory.mktemp("browser")
    content = write_data(root, 8)
    write_run(root / "good-1", content, 1.5)
    write_run(root / "poor-2", content, 6.0, seed=1, TRAIN__LR=0.5)
    write_events(root / "log" / "poor-2")
    add_gap(root / "poor-2")
    arguments = ["--output", str(root / "page.html"), "--resamples", "50", "--pictures", "2"]
    assert main([str(root / "good-1"), f"{NASTY}={root / 'poor-2'}", *arguments]) == 0
    return root / "page.html"


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def opened(browser, page_file):
    """Open the page at a width and in a look; what goes wrong and what it asks for are in its lists."""
    contexts = []

    def open_page(width=1280, scheme="light"):
        context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True
        )
        contexts.append(context)
        page = context.new_page()
        page.errors, page.requests = [], []
        page.on("console", lambda message: page.errors.append(message.text))
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("request", lambda request: page.requests.append(request.url))
        page.goto(page_file.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()


def contrast(page, selector):
    """Contrast of text to the page, by WCAG's formula."""
    ink, paper = page.evaluate(
        "s => [getComputedStyle(document.querySelector(s)).color, getComputedStyle(document.body).backgroundColor]",
        selector,
    )

    def luminance(text):
        values = [int(part) / 255 for part in text[text.index("(") + 1 : -1].split(",")[:3]]
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
        return sum(w * v for w, v in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted([luminance(ink), luminance(paper)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_opens_without_network_errors_or_missing_pictures(opened, width, scheme):
    page = opened(width, scheme)
    assert page.errors == []
    assert [url for url in page.requests if not url.startswith(("file:", "data:"))] == []
    assert len([url for url in page.requests if url.startswith("file:")]) == 1
    widths = page.eval_on_selector_all("img", "list => list.map(img => img.naturalWidth)")
    assert len(widths) >= 9 and min(widths) > 0
    drawn = page.eval_on_selector_all(
        "figure svg", "list => list.map(svg => svg.getBoundingClientRect().height)"
    )
    assert len(drawn) >= 8 and min(drawn) > 50
    assert page.eval_on_selector_all("main > section", "list => list.map(s => s.id)") == SECTIONS
    # nothing makes the page itself wider than the screen; wide tables scroll on their own
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for selector in ("h1", ".caption", "nav a", "figcaption", ".key span"):
        assert contrast(page, selector) > (3 if selector == ".key span" else 4.5), selector


def test_tables_sort_by_mouse_and_keyboard(opened):
    page = opened()
    first = "#results tbody tr:first-child th"
    assert page.inner_text(first) == "good-1"
    head = page.locator("#results thead th", has_text="AP75")
    head.locator("button").click()
    assert page.inner_text(first) == NASTY and head.get_attribute("aria-sort") == "ascending"
    head.locator("button").press("Enter")
    assert page.inner_text(first) == "good-1" and head.get_attribute("aria-sort") == "descending"
    assert page.errors == []


def test_the_keyboard_reaches_links_tables_and_folded_parts(opened):
    page = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.focus("#joints summary")
    page.keyboard.press("Enter")
    assert page.locator("#joints table").is_visible()
    assert page.evaluate("[...document.querySelectorAll('.scroll')].every(d => d.tabIndex === 0)")
