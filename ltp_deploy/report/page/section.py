"""One section of the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ltp_deploy.report.page.findings import Findings
from ltp_deploy.report.page.markup import Child


@dataclass(frozen=True)
class Missing:
    """Why there is nothing to show, and the command that would change that."""

    reason: str
    command: str = ""


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading.

    Attributes:
        id: its address in the page.
        content: what stands below the heading, or why nothing does.
    """

    id: str
    title: str
    content: Callable[[Findings], Sequence[Child] | Missing]
