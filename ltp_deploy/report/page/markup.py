"""Elements of HTML, built as trees, so that no text is ever taken for markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element, tostring

Child = Element | str


def element(tag: str, *children: Child, **attributes: str | None) -> Element:
    """An element with its children in order.

    Args:
        attributes: `class_` stands for "class", and `_` between words for `-`; those that are None
            are left out.
    """
    named = {
        name.rstrip("_").replace("_", "-"): printable(value)
        for name, value in attributes.items()
        if value is not None
    }
    made = Element(tag, named)
    for child in children:
        if isinstance(child, Element):
            made.append(child)
        elif len(made):
            made[-1].tail = (made[-1].tail or "") + printable(child)
        else:
            made.text = (made.text or "") + printable(child)
    return made


def printable(text: str) -> str:
    """The text with U+FFFD for what no page can hold: control characters, halves of characters."""
    return "".join(c if c.isprintable() or c in "\n\t" else _replaced(c) for c in text)


def _replaced(character: str) -> str:
    """Marks of direction and odd spaces are characters like others; what cannot be encoded, or is a
    control character, is not."""
    code = ord(character)
    control = code < 0x20 or 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000
    return "\N{REPLACEMENT CHARACTER}" if control else character


def document(head: Sequence[Element], body: Sequence[Element]) -> str:
    """A whole page."""
    root = element("html", element("head", *head), element("body", *body), lang="en")
    return f"<!doctype html>\n{tostring(root, encoding='unicode', method='html')}\n"


def table(
    headers: Sequence[str], rows: Iterable[Sequence[Child]], caption: str = "", numbers: bool = True
) -> Element:
    """A table that scrolls by itself where the screen is narrow.

    Args:
        rows: cells; the first of each row is its heading.
        caption: for those who hear the page.
        numbers: whether all columns but the first are numbers, and so end at the same place.
    """
    head = element("tr", *(element("th", name, scope="col") for name in headers))
    body = [
        element(
            "tr",
            element("th", first, scope="row"),
            *(element("td", cell) for cell in rest),
        )
        for first, *rest in rows
    ]
    parts = [element("thead", head), element("tbody", *body)]
    if caption:
        parts.insert(0, element("caption", caption, class_="unseen"))
    made = element("table", *parts, class_="numbers" if numbers else None)
    # A part of the page that scrolls must take the focus, or a keyboard cannot scroll it.
    return element("div", made, class_="wide", tabindex="0", role="group", aria_label=caption)


def pairs(rows: Iterable[tuple[str, Child]]) -> Element:
    """Names with what they stand for."""
    found = [element("div", element("dt", name), element("dd", value)) for name, value in rows]
    return element("dl", *found, class_="facts")


def folded(summary: str, *children: Child) -> Element:
    """What is shown when it is asked for."""
    return element("details", element("summary", summary), *children)


def note(*children: Child) -> Element:
    """A remark in small letters."""
    return element("p", *children, class_="note")


def command(text: str) -> Element:
    """What is typed in a shell."""
    return element("code", text)


def times(ratio: float) -> str:
    """How many times more or less."""
    return f"{ratio:.2f}\N{MULTIPLICATION SIGN}"
