"""The page in a real browser, light and dark, on wide and narrow screens."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from ltp_deploy.cli import main
from tests.explain.browser import Browser, chromium
from tests.report.page.conftest import Material

pytestmark = pytest.mark.slow

READABLE = 4.5  # the least contrast of WCAG's level AA
# Words of a plot that lie on other words, or outside their plot.
CLASHES = """
const found = [];
const box = (element) => element.getBoundingClientRect();
const apart = (a, b) => a.right <= b.left || b.right <= a.left
  || a.bottom <= b.top + 2 || b.bottom <= a.top + 2;
for (const svg of document.querySelectorAll("figure > svg")) {
  const frame = box(svg);
  const texts = Array.from(svg.querySelectorAll("text"), (text) => [text.textContent, box(text)]);
  texts.forEach(([name, a], i) => {
    if (a.left < frame.left - 1 || a.right > frame.right + 1) found.push(`${name} leaves its plot`);
    const others = texts.slice(i + 1).filter(([, b]) => !apart(a, b));
    found.push(...others.map(([other]) => `${name} lies on ${other}`));
  });
}
return found;
"""
TOKENS = """
return Array.from(document.querySelector(".example").querySelectorAll(".tokens span"), (span) => {
  const style = getComputedStyle(span);
  const layer = span.className.match(/p(\\d+)/)?.[1] ?? null;
  return [layer, Number(style.opacity), style.textDecorationLine];
});
"""


@pytest.fixture(scope="module")
def address(material: Material, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    command = ["report", material / "bundle", *material.options, "-o", path]
    result = CliRunner().invoke(main, [str(word) for word in command])
    assert result.exit_code == 0, result.output
    return f"file://{path}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [400, 1200])
def test_it_is_whole_and_quiet(
    width: int, dark: bool, browser: Browser, address: str, tmp_path: Path
) -> None:
    browser.errors()
    browser.look(address, width, dark=dark)
    assert browser.errors() == []
    loaded = browser.run("return performance.getEntriesByType('resource').map((one) => one.name)")
    assert [name for name in loaded if not name.startswith("data:")] == []
    assert browser.run("return document.documentElement.scrollWidth") <= width
    assert browser.run("return document.scripts.length") == 0
    assert browser.run(CLASHES) == []
    assert [(t, c) for t, c in browser.contrasts() if c < READABLE] == []
    paper = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert (int(paper.removeprefix("rgb(").split(",")[0]) < 128) == dark
    height = browser.run("return document.documentElement.scrollHeight")
    clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
    shot = browser.driver.execute_cdp_cmd(
        "Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip}
    )
    path = tmp_path / "report.png"  # pytest keeps it for those who want to look
    path.write_bytes(base64.b64decode(shot["data"]))
    assert path.stat().st_size > 20_000


def test_marks_of_plots_are_seen(browser: Browser, address: str) -> None:
    """A rule of the style sheet for elements of HTML could make them flat."""
    browser.look(address, 1200)
    sizes = browser.run(
        "return Array.from(document.querySelectorAll('figure > svg > :is(rect, polyline, circle)'),"
        " (mark) => mark.getBoundingClientRect()).map((box) => box.width + box.height)"
    )
    assert len(sizes) > 50
    assert min(sizes) > 0.5
    bars = "#latency rect.box"
    heights = browser.run(
        f"return Array.from(document.querySelectorAll('{bars}'), (bar) => bar.clientHeight || "
        "bar.getBoundingClientRect().height)"
    )
    assert heights
    assert min(heights) > 8


def test_tokens_fade_by_the_layer_that_is_chosen(browser: Browser, address: str) -> None:
    browser.look(address, 1200)
    for step in range(4):
        browser.run(f"document.querySelector('.example .s{step}').click()")
        for layer, opacity, decoration in browser.run(TOKENS):
            age = -1 if layer is None else step - 1 - int(layer)
            assert (decoration == "line-through") == (age == 0)
            if age <= 0:
                assert opacity == 1
            else:
                assert opacity == pytest.approx(max(0.13, 0.42 * 0.62 ** (age - 1)), abs=0.01)
        said = browser.run("return document.querySelector('.state').innerText")
        assert said.startswith("Before" if step == 0 else f"After layer {step - 1}: ")


def test_a_keyboard_chooses_layers(browser: Browser, address: str) -> None:
    browser.look(address, 1200)
    browser.run("document.querySelector('.example .s0').click()")
    browser.run("document.querySelector('.example .s0').focus()")
    browser.press("\ue014")  # the right arrow
    assert browser.run("return document.querySelector('.example .s1').checked")
    outline = "return getComputedStyle(document.querySelector('.example .s1 + b')).outlineWidth"
    assert browser.run(outline) == "2px"


def test_print_has_it_all(browser: Browser, address: str) -> None:
    browser.look(address, 1200)
    printed = browser.driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
    assert base64.b64decode(printed["data"]).startswith(b"%PDF")
