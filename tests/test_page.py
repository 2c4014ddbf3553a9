"""The page of a run, in a real headless Chromium."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from stages.results.page import main
from tests.clones import call, commit, copy
from tests.conftest import run, sender
from tests.finished import finish, load
from tests.made import items

HOSTILE = [
    "<script>document.title = 'taken'</script>",
    "</style></section></body><h1>gone</h1>",
    "<img src=http://example.org/x.png onerror=alert(1)>",
    "\u202edesrever\u202c and \u2067more",
    "![x](http://example.org/y.png) | a | b |",
    "x" * 10_000,
    "{{ 7 * 7 }} {% raw %} &amp; &lt;",
]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The page of a finished run in which every turn of every window is hostile."""
    folder, before = copy(tmp_path_factory.mktemp("page")), Path.cwd()
    said = items(240)
    for item in said:
        item["group"] = f"g{item['id'] // 3}"
        item["cr_window"] = [
            {"sender": sender("ab"[i % 2]), "text": text, "timestamp": 1_700_000_000 + i}
            for i, text in enumerate(HOSTILE)
        ]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("LABELS_CACHE", str(folder / "cache"))
        patch.setenv("DVC_NO_ANALYTICS", "1")
        finish(folder, said)
        commit(folder, "finished")
        done = run(main, folder / "report.html")
        assert done.exit_code == 0, f"{done.output} {done.exception!r}"
    assert Path.cwd() == before
    yield folder / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or playwright.chromium.executable_path
        if not Path(chromium).exists():
            pytest.skip("no Chromium here: make test-report installs it")
        started = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield started
        started.close()


def opened(browser: Browser, page: Path, width: int, scheme: Any = "light") -> tuple[Page, list[str]]:
    """The page in a window, and everything that the browser said or asked for."""
    tab = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
    told: list[str] = []
    tab.on("console", lambda message: told.append(message.text))
    tab.on("pageerror", lambda error: told.append(str(error)))
    tab.on("request", lambda request: told.append(request.url))
    tab.goto(page.as_uri())
    return tab, told


CONTRAST = """() => {
  const light = name => {
    const rgb = getComputedStyle(document.body)[name].match(/[\\d.]+/g).slice(0, 3).map(part => {
      const value = part / 255;
      return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2] + 0.05;
  };
  return light("backgroundColor") / light("color");
}"""


@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_the_window_and_leaves_nothing(browser: Browser, page: Path, width: int, scheme: str) -> None:
    tab, told = opened(browser, page, width, scheme)
    assert told == [page.as_uri()]
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    contrast = tab.evaluate(CONTRAST)
    assert contrast > 7 if scheme == "light" else contrast < 1 / 7
    small = tab.evaluate(
        "[...document.querySelectorAll('figure svg')]"
        ".map(e => e.getBoundingClientRect().width / e.viewBox.baseVal.width)"
    )
    assert min(small) > 0.85  # so that text of 10 px stays readable


def test_every_figure_is_drawn(browser: Browser, page: Path) -> None:
    tab, _ = opened(browser, page, 1400)
    drawn = tab.evaluate(
        "[...document.querySelectorAll('figure svg')].map(e => ({"
        "  text: e.textContent, width: e.getBoundingClientRect().width,"
        "  marks: e.querySelectorAll('.mark-line path, .mark-symbol path, .mark-rect path').length}))"
    )
    plots = call(page.parent, "dvc", "plots", "show", "--json")
    assert len(drawn) == plots.count('"type": "vega"') == 16
    for figure in drawn:
        assert figure["marks"] > 0, figure
        assert figure["width"] > 200, figure
    everything = " ".join(figure["text"] for figure in drawn)
    for said in (
        "model size (parameters, log scale)",
        "loss (nats, log scale)",
        "recall (%)",
        "throttle",
        "unreadable",
    ):
        assert said in everything
    ids = tab.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))


def test_hostile_text_is_text(browser: Browser, page: Path) -> None:
    tab, _ = opened(browser, page, 400)
    assert tab.evaluate("[document.scripts.length, document.images.length]") == [0, 0]
    assert tab.title().startswith("Labels by law")
    text = tab.evaluate("document.querySelector('.example').textContent")
    for said in HOSTILE:
        assert said in text
    assert tab.evaluate("getComputedStyle(document.querySelector('.example bdi')).unicodeBidi") == "isolate"
    assert tab.locator("h2", has_text="What ran").count() == 1  # what follows the examples is still there


def test_what_it_says(browser: Browser, page: Path) -> None:
    tab, _ = opened(browser, page, 1400)
    text = tab.evaluate("document.body.innerText")
    metrics = page.parent / "metrics"
    for count in load(metrics / "filter.json")["rejected"].values():
        assert str(count) in tab.evaluate("document.querySelector('#way').innerText")
    assert "The law, prompt en:" in text
    assert "improvement (points)" in text
    assert call(page.parent, "git", "rev-parse", "--short=12", "HEAD").strip() in text
    assert "data/alpaca" in text
    assert "lr: 2.0e-4" in text
    missed = tab.evaluate("document.querySelectorAll('.example').length")
    best = max((load(file) for file in (metrics / "tuned").glob("*.json")), key=lambda scores: scores["f1"])
    assert missed == min(10, round(best["n"] * (1 - best["accuracy"]))) > 0


def test_print(browser: Browser, page: Path) -> None:
    """On paper it is dark on light, whatever the screen."""
    tab, _ = opened(browser, page, 1400, "dark")
    tab.emulate_media(media="print", color_scheme="dark")
    assert tab.evaluate(CONTRAST) > 7
    assert tab.pdf(format="A4").startswith(b"%PDF")
