"""The page of a run, in a real headless Chromium."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from stages import law
from stages.reporting.page import main
from tests.clones import call, commit, copy
from tests.conftest import ONLY_THE_SAMPLE, change_params, run, sender
from tests.finished import finish, load
from tests.synthetic_chat import items

pytestmark = ONLY_THE_SAMPLE

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
    rows = items(240)
    for item in rows:
        item["group"] = f"g{item['id'] // 3}"
        item["cr_window"] = [
            {"sender": sender("ab"[i % 2]), "text": text, "timestamp": 1_700_000_000 + i}
            for i, text in enumerate(HOSTILE)
        ]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("LABELS_CACHE", str(folder / "cache"))
        patch.setenv("DVC_NO_ANALYTICS", "1")
        finish(folder, rows)
        commit(folder, "finished")
        result = run(main, folder / "report.html")
        assert result.exit_code == 0, f"{result.output} {result.exception!r}"
    assert Path.cwd() == before
    yield folder / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or playwright.chromium.executable_path
        if not Path(chromium).exists():
            pytest.skip("no Chromium here: make browser says how to install it")
        headless = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield headless
        headless.close()


def open_page(browser: Browser, page: Path, width: int, scheme: Any = "light") -> tuple[Page, list[str]]:
    """The page in a window, and everything that the browser said or asked for."""
    tab = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
    events: list[str] = []
    tab.on("console", lambda message: events.append(message.text))
    tab.on("pageerror", lambda error: events.append(str(error)))
    tab.on("request", lambda request: events.append(request.url))
    tab.goto(page.as_uri())
    return tab, events


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


# The drawings that are shown: of each figure there is one for a phone and one for the column of a page.
FIGURES = "[...document.querySelectorAll('figure svg')].filter(e => e.checkVisibility())"

# The texts of a drawing that are shortened, leave it, or touch another one; slanted ones only leave it.
UNREADABLE_TEXTS = """svg => {
  const box = svg.getBoundingClientRect();
  const texts = [...svg.querySelectorAll("text")]
    .filter(text => text.checkVisibility({opacityProperty: true}) && text.textContent.trim())
    .map(text => ({words: text.textContent, matrix: text.getScreenCTM(), place: text.getBoundingClientRect()}));
  const leaves = ({left, right, top, bottom}) =>
    left < box.left - 1 || right > box.right + 1 || top < box.top - 1 || bottom > box.bottom + 1;
  const straight = texts.filter(text => Math.abs(text.matrix.a * text.matrix.b) < 0.01);
  const touch = (a, b) =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > -2 &&
    Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3;
  const touching = straight.filter(a => straight.some(b => a !== b && touch(a.place, b.place)));
  const cut = texts.filter(text => leaves(text.place) || text.words.includes("…"));
  return [...cut, ...touching].map(text => text.words);
}"""

# The boxes of the page whose content leaves them or the window.
OVERFLOWING = """[...document.querySelectorAll('main *:not(svg *)')].filter(e => {
  const {left, right} = e.getBoundingClientRect();
  const leaves = e.clientWidth && getComputedStyle(e).display !== "inline" && e.scrollWidth > e.clientWidth + 1;
  return e.checkVisibility() && (leaves || left < -1 || right > innerWidth + 1);
}).map(e => e.tagName + " " + e.textContent.trim().slice(0, 80))"""


@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_the_window_and_leaves_nothing(browser: Browser, page: Path, width: int, scheme: str) -> None:
    tab, events = open_page(browser, page, width, scheme)
    assert events == [page.as_uri()]
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    contrast = tab.evaluate(CONTRAST)
    assert contrast > 7 if scheme == "light" else contrast < 1 / 7
    scales = tab.evaluate(f"{FIGURES}.map(e => e.getBoundingClientRect().width / e.viewBox.baseVal.width)")
    assert min(scales) > 0.95  # so that text of 12 px stays readable


def test_the_answer_is_on_the_first_screen(browser: Browser, page: Path) -> None:
    tab, _ = open_page(browser, page, 1400)
    assert tab.evaluate("document.querySelector('#answer').getBoundingClientRect().bottom") <= 900
    narrow, _ = open_page(browser, page, 400)
    order = narrow.evaluate(
        "['#worth', '#reached', '#next', 'nav', '#law']"
        ".map(place => document.querySelector(place).getBoundingClientRect().top)"
    )
    assert order == sorted(order)
    answers = narrow.evaluate("[...document.querySelectorAll('.answer')].map(e => e.getBoundingClientRect().bottom)")
    assert len(answers) == 4
    assert max(answers) <= 900
    longest = narrow.evaluate(
        "[...document.querySelectorAll('.answer')].map(e => { e.textContent = 'inconclusive';"
        " return e.getBoundingClientRect().height / parseFloat(getComputedStyle(e).fontSize); })"
    )
    assert max(longest) < 2  # one line: no word is broken


def test_each_entry_of_the_contents_leads_somewhere(browser: Browser, page: Path) -> None:
    tab, _ = open_page(browser, page, 1400)
    entries = tab.evaluate(
        "[...document.querySelectorAll('nav a')].map(a => [a.textContent, document.querySelector(a.hash).textContent])"
    )
    assert entries == [[text, text] for text in tab.evaluate(
        "[...document.querySelectorAll('nav ~ h2')].map(e => e.textContent)"
    )]  # fmt: skip


@pytest.mark.parametrize("width", [400, 1400])
def test_every_text_of_a_figure_can_be_read(browser: Browser, page: Path, width: int) -> None:
    tab, _ = open_page(browser, page, width)
    assert tab.evaluate(f"{FIGURES}.flatMap({UNREADABLE_TEXTS})") == []
    assert tab.evaluate(OVERFLOWING) == []


LONG_NAMES = {"smollm2_135m_10": "deepseek_r1_distill_1_5b", "smollm2_135m_20": "qwen2_5_coder_32b_instruct_awq"}


@pytest.fixture(scope="module")
def page_of_long_names(page: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the same run with other names of models, as two revisions, one of a long name."""
    folder = tmp_path_factory.mktemp("names") / "names"
    shutil.copytree(page.parent, folder, ignore=shutil.ignore_patterns(".git", "stages", "tests", "cache"))
    for name, long_name in LONG_NAMES.items():
        for path in sorted(folder.rglob("*"), reverse=True):  # what is in a folder before the folder
            if path.is_file() and path.suffix in (".json", ".jsonl", ".yaml", ".lock", ".tsv"):
                path.write_text(path.read_text().replace(name, long_name))
            if name in path.name:
                path.rename(path.with_name(path.name.replace(name, long_name)))
    shutil.copytree(page.parent / "stages", folder / "stages")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        call(folder, "git", "init", "--quiet")
        commit(folder, "names")
        revisions = ("slow", "smollm2-135m-lora-plus-16-seed-0-test")
        for revision in revisions:
            call(folder, "git", "tag", revision)
        result = run(main, folder / "report.html", *(f"--revision={revision}" for revision in revisions))
        assert result.exit_code == 0, f"{result.output} {result.exception!r}"
    return folder / "report.html"


@pytest.mark.parametrize("width", [400, 1400])
def test_long_names_are_broken_into_lines_that_can_be_read(
    browser: Browser, page_of_long_names: Path, width: int
) -> None:
    tab, _ = open_page(browser, page_of_long_names, width)
    assert tab.evaluate(f"{FIGURES}.flatMap({UNREADABLE_TEXTS})") == []
    assert tab.evaluate(OVERFLOWING) == []
    scales = tab.evaluate(f"{FIGURES}.map(e => e.getBoundingClientRect().width / e.viewBox.baseVal.width)")
    assert min(scales) > 0.95
    drawn = tab.evaluate(f"{FIGURES}.map(e => e.textContent).join(' ')")
    for name in LONG_NAMES.values():
        assert name in drawn


def test_what_finds_unreadable_texts_finds_them(browser: Browser, page: Path) -> None:
    """Of nine texts in a drawing those that leave it, are shortened or touch."""
    tab, _ = open_page(browser, page, 400)
    texts = [
        (10, 20, "", "fine"), (95, 20, "", "leaves right"), (-9, 40, "", "leaves left"), (10, 4, "", "leaves top"),
        (10, 60, "", "short…"), (10, 80, "", "one"), (20, 82, "", "two"), (60, 95, "rotate(-90 60 95)", "upright"),
        (10, 40, "rotate(40 10 40)", "slanted"),
    ]  # fmt: skip
    marks = "".join(f'<text x="{x}" y="{y}" transform="{turn}">{words}</text>' for x, y, turn, words in texts)
    tab.set_content(f'<svg width="100" height="100" font-family="Arial" font-size="10">{marks}</svg>')
    unreadable = tab.evaluate(f"({UNREADABLE_TEXTS})(document.querySelector('svg'))")
    assert set(unreadable) == {"leaves right", "leaves left", "leaves top", "short…", "one", "two"}


def test_every_figure_is_drawn(browser: Browser, page: Path) -> None:
    tab, _ = open_page(browser, page, 1400)
    figures = tab.evaluate(
        f"{FIGURES}.map(e => ({{"
        "  text: e.textContent, width: e.getBoundingClientRect().width,"
        "  marks: e.querySelectorAll('.mark-line path, .mark-symbol path, .mark-rect path').length}))"
    )
    text_column = tab.evaluate("parseFloat(getComputedStyle(document.querySelector('main p')).maxWidth)")
    plots = call(page.parent, "dvc", "plots", "show", "--json")
    assert len(figures) == plots.count('"type": "vega"') + 1 == 19
    for figure in figures:
        assert figure["marks"] > 0, figure
        assert 0.95 * text_column < figure["width"] <= text_column, figure
    everything = " ".join(figure["text"] for figure in figures)
    for title in (
        "model size (parameters, log scale)",
        "loss (nats, log scale)",
        "recall (%)",
        "throttle",
        "not needed",
    ):
        assert title in everything
    ids = tab.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))


def test_hostile_text_is_text(browser: Browser, page: Path) -> None:
    tab, _ = open_page(browser, page, 400)
    assert tab.evaluate("[document.scripts.length, document.images.length]") == [0, 0]
    assert tab.title().startswith("Labels by law")
    text = tab.evaluate("document.querySelector('.example').textContent")
    for hostile_text in HOSTILE:
        assert hostile_text in text
    assert tab.evaluate("getComputedStyle(document.querySelector('.example bdi')).unicodeBidi") == "isolate"
    assert (
        tab.locator("h2", has_text="Data, versions and settings").count() == 1
    )  # what follows the examples is still there


def test_what_it_says(browser: Browser, page: Path) -> None:
    tab, _ = open_page(browser, page, 1400)
    text = tab.evaluate("document.body.innerText")
    metrics = page.parent / "metrics"
    for count in load(metrics / "details" / "filter.json")["rejected"].values():
        assert str(count) in tab.evaluate("document.querySelector('#rows + table').innerText")
    assert "The law, prompt en:" in text
    assert "improvement (points)" in text
    verdicts = tab.evaluate("[...document.querySelectorAll('.verdict .answer')].map(e => e.textContent)")
    for verdict, name in zip(verdicts, ("law", "law_tuned"), strict=True):
        assert f"prompt en: {verdict}" in (metrics / f"{name}.md").read_text()
    assert call(page.parent, "git", "rev-parse", "--short=12", "HEAD").strip() in text
    assert "data/alpaca" in text
    assert "lr: 2.0e-4" in text
    missed = tab.evaluate("document.querySelectorAll('.example').length")
    tuned = [load(file) for file in (metrics / "details" / "tuned").glob("*.json")]
    best = max(tuned, key=lambda scores: scores["f1"])
    assert missed == min(10, round(best["n"] * (1 - best["accuracy"]))) > 0


def test_print(browser: Browser, page: Path) -> None:
    """On paper it is dark on light, whatever the screen."""
    tab, _ = open_page(browser, page, 1400, "dark")
    tab.emulate_media(media="print", color_scheme="dark")
    assert tab.evaluate(CONTRAST) > 7
    assert tab.pdf(format="A4").startswith(b"%PDF")


def test_a_run_that_has_not_ended(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One vanilla model has been asked and nothing trained: the page says so, and what to do."""
    folder = tmp_path / "part"
    shutil.copytree(page.parent, folder)
    monkeypatch.chdir(folder)
    gone = ("details/tuned", "plots", "training", "details/rank", "cards", "tables.json", "ablation.md")
    for path in (*gone, "details/law_tuned.json"):
        call(folder, "rm", "-r", f"metrics/{path}")
    for path in ("metrics/law_tuned.md", "data/predictions/tuned"):
        call(folder, "rm", "-r", path)
    change_params(folder, {"ladder": ["smollm2_135m"], "finetune": ["smollm2_135m"]})
    result = run(
        law.main, "data/predictions/baseline", "metrics/law.json", "metrics/details/law.json", "metrics/law.md"
    )
    assert result.exit_code == 0, result.output
    result = run(main, "report.html")
    assert result.exit_code == 0, f"{result.output} {result.exception!r}"
    text = (folder / "report.html").read_text()
    assert '<dd class="answer">too few models</dd>' in text
    assert "The ladder has 1 dense model; a trend needs 3" in text
    assert '<dd class="answer">not judged yet</dd>' in text
    assert "The best vanilla model, smollm2_135m, has F1" in text
    assert "No model has been trained yet." in text
