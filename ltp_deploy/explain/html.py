"""The page, as it is served and as a file of its own."""

from __future__ import annotations

import json
from importlib.resources import files

from ltp_deploy.codec import to_json
from ltp_deploy.explain.explanation import Explanation

INDEX = "index.html"
PARTS = {"page.css": "text/css", "picture.js": "text/javascript", "page.js": "text/javascript"}
_LINK = '<link rel="stylesheet" href="page.css">'
_GIVEN = '<script type="application/json" id="given">null</script>'


def read_part(name: str) -> str:
    """`INDEX`, or one of `PARTS`, the files that it refers to."""
    return (files("ltp_deploy.explain") / "page" / name).read_text(encoding="utf-8")


def page_of(explanation: Explanation) -> str:
    """The page with one explanation, in one file that loads nothing."""
    page = _replaced(read_part(INDEX), _LINK, f"<style>\n{read_part('page.css')}</style>")
    for name in ("picture.js", "page.js"):
        source = read_part(name)
        page = _replaced(page, f'<script src="{name}"></script>', f"<script>\n{source}</script>")
    return _replaced(page, _GIVEN, _GIVEN.replace("null", _embedded(explanation)))


def _embedded(explanation: Explanation) -> str:
    """JSON in which no text can end the element that holds it."""
    return json.dumps(to_json(explanation)).replace("<", "\\u003c")


def _replaced(page: str, part: str, new: str) -> str:
    assert page.count(part) == 1, part
    return page.replace(part, new)
