"""Texts as users pass them: strings, and pairs of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

from ltp_deploy.errors import InputError

Text = str | tuple[str, str]
Texts = Text | Sequence[Text | list[str]]


def as_texts(given: Any) -> list[Text]:
    """A list of texts; pairs become tuples.

    Args:
        given: a string, a tuple of two strings (one pair), or an iterable of strings and pairs;
            inside it, a list of two strings is a pair too, as JSON has them.

    Raises:
        InputError: something else, or a text that is no Unicode; with its number.
    """
    if isinstance(given, str | tuple):
        given = [given]
    no_items = not isinstance(given, Iterable) or getattr(given, "ndim", 1) == 0
    if isinstance(given, bytes | Mapping | Set) or no_items:
        raise InputError(f"texts must be a list of strings, found {type(given).__name__}")
    return [_as_text(i, text) for i, text in enumerate(given)]


def _as_text(number: int, given: Any) -> Text:
    pair = isinstance(given, tuple | list) and len(given) == 2
    parts = tuple(given) if pair else (given,)
    for part in parts:
        if not isinstance(part, str):
            raise InputError(
                f"text {number} must be a string or a pair of strings, found {given!r:.80}"
            )
        check_unicode(f"text {number}", part)
    return (parts[0], parts[1]) if pair else parts[0]


def check_unicode(what: str, text: str) -> None:
    """Refuse a text with half a character, naming it.

    Raises:
        InputError: with the character and its place.
    """
    if (at := lone_surrogate(text)) is not None:
        raise InputError(
            f"{what} holds half a character, {text[at]!r} at position {at} (a lone surrogate); it "
            "was cut there: repair it, or leave it out"
        )


def lone_surrogate(text: str) -> int | None:
    """The place of the first surrogate without its other half, which no encoding can hold."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return error.start
    return None


def single_texts(texts: Any, why: str) -> list[str]:
    """The texts, none of which is a pair.

    Args:
        why: not, for the message.

    Raises:
        InputError: a pair, or what is no text.
    """
    found = []
    for i, text in enumerate(as_texts(texts)):
        if not isinstance(text, str):
            raise InputError(f"text {i} is a pair, and {why}")
        found.append(text)
    return found
