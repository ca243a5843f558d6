"""The page as a file of its own."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ltp_deploy.codec import to_json
from ltp_deploy.explain.explainer import explain
from ltp_deploy.explain.explanation import Explanation
from ltp_deploy.explain.html import INDEX, PARTS, page_of, read_part
from ltp_deploy.runtime.engine import Engine

HOSTILE = "</script><script>alert(1)</script><!-- good & bad"


class Page(HTMLParser):
    """What a page loads, and what its elements hold."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.scripts: list[str] = []
        self.ids: list[str] = []
        self._inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.loads += [str(named[name]) for name in ("src", "href") if name in named]
        self.ids += [str(named["id"])] if "id" in named else []
        self.scripts += [""] if tag == "script" else []
        self._inside = tag

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""


@pytest.fixture(scope="module")
def explanation(engine: Engine) -> Explanation:
    return explain(engine, HOSTILE)


def test_it_loads_nothing_and_holds_the_explanation(explanation: Explanation) -> None:
    text = page_of(explanation)
    page = Page(text)
    assert page.loads == ["data:,"]
    assert not re.search(r"@import|url\(|https?:", text.replace("http://www.w3.org", ""))
    assert len(page.scripts) == 1 + len(PARTS) - 1
    assert json.loads(page.scripts[0]) == to_json(explanation)
    assert "alert(1)" in page.scripts[0]


def test_the_served_page_has_the_same_elements_and_loads_its_own_files(
    explanation: Explanation,
) -> None:
    served = Page(read_part(INDEX))
    assert sorted(served.loads) == sorted(["data:,", *PARTS])
    assert served.ids == Page(page_of(explanation)).ids
    assert len(set(served.ids)) == len(served.ids)


def test_the_scripts_ask_for_elements_that_are_there() -> None:
    known = set(Page(read_part(INDEX)).ids)
    for name in ("picture.js", "page.js"):
        asked = set(re.findall(r'\$\("([\w-]+)"\)', read_part(name)))
        assert asked
        assert asked <= known


def test_every_part_is_a_file_of_the_package() -> None:
    import ltp_deploy.explain as package

    folder = Path(str(package.__file__)).parent / "page"
    assert {path.name for path in folder.iterdir()} == {INDEX, *PARTS}
