"""Tables and numbers as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tabulate import tabulate


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A plain text table; numbers must be formatted already."""
    return tabulate([[str(cell) for cell in row] for row in rows], headers, disable_numparse=True)


def pairs(rows: Iterable[tuple[str, object]]) -> str:
    """Two columns, names and values."""
    return tabulate([(name, str(value)) for name, value in rows], tablefmt="plain")


def mega(flops: float) -> str:
    """Multiply-adds in millions."""
    return f"{flops / 1e6:,.1f}"
