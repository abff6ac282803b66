"""The report in a real browser: nothing fails, leaves the file, is clipped or shuts anybody out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from ml_sys.report.evidence import Evidence
from ml_sys.report.rendering import render

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
# Nothing depends on both, the width and the colours.
SEEN = ((390, "dark"), (1280, "light"))
HOSTILE = (
    "<script>window.hit = 1</script>",
    '=HYPERLINK("http://example.com")',
    '"><img src=x onerror="window.hit=1">',
)
CLIPPED = """() => [...document.querySelectorAll('svg.chart')].flatMap(svg => {
    const box = svg.getBoundingClientRect();
    return [...svg.querySelectorAll('text')].filter(text => {
        const at = text.getBoundingClientRect();
        return at.width && (at.left < box.left - 1 || at.right > box.right + 1
                            || at.top < box.top - 1 || at.bottom > box.bottom + 1);
    }).map(text => text.textContent);
})"""
OVERFLOWING = """() => [...document.querySelectorAll('main *')].filter(one =>
    !one.closest('svg, .scroll') && one.scrollWidth > one.clientWidth + 1
    && getComputedStyle(one).display !== 'inline').map(one => one.outerHTML.slice(0, 80))"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def report(evidence: Evidence, tmp_path_factory: pytest.TempPathFactory) -> Path:
    hits = [replace(hit, company=text) for hit, text in zip(evidence.reliance.hits, HOSTILE, strict=False)]
    kinds = [replace(kind, name=text) for kind, text in zip(evidence.segments, HOSTILE, strict=False)]
    hostile = replace(
        evidence,
        message=HOSTILE[0],
        segments=(*kinds, *evidence.segments[len(kinds) :]),
        reliance=replace(evidence.reliance, hits=tuple(hits)),
    )
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render(hostile), encoding="utf-8")
    return path


@pytest.fixture(params=SEEN, ids=str)
def opened(
    browser: Browser, report: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[Page, list[str]]]:
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page, heard = context.new_page(), []
    page.on("console", lambda message: heard.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: heard.append(f"error: {error}"))
    page.on("request", lambda asked: heard.append(asked.url))
    page.goto(report.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    yield page, heard
    context.close()


def test_it_opens_without_a_word_in_the_console_and_asks_for_nothing(
    opened: tuple[Page, list[str]], report: Path
) -> None:
    _, heard = opened
    assert heard == [report.as_uri()]


def test_no_text_is_clipped(opened: tuple[Page, list[str]]) -> None:
    page, _ = opened
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.evaluate(CLIPPED) == []
    assert page.evaluate(OVERFLOWING) == []


def test_hostile_texts_are_shown_and_do_nothing(opened: tuple[Page, list[str]]) -> None:
    page, _ = opened
    assert page.evaluate("window.hit") is None
    assert page.locator("main script, main img, main a").count() == 0
    shown = page.locator("#hits h3").all_text_contents()
    assert shown == list(HOSTILE)[: len(shown)]
    assert len(shown) > 1


def test_axe_finds_nothing_serious(opened: tuple[Page, list[str]]) -> None:
    page, _ = opened
    page.evaluate(files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run().then(result => result.violations)")
    grave = [
        (one["id"], [node["html"][:120] for node in one["nodes"]][:3])
        for one in found
        if one["impact"] in {"serious", "critical"}
    ]
    assert grave == []


def test_it_prints_on_a_few_pages(browser: Browser, report: Path) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(report.as_uri())
    printed = page.pdf(format="A4")
    context.close()
    assert 3 <= printed.count(b"/Type /Page\n") <= 20
