"""The page: a head, the sections that have something to show, and what the others lack."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from ltp_deploy.bundle.directory import new_file
from ltp_deploy.explain.html import read_part
from ltp_deploy.report.page import summary
from ltp_deploy.report.page.findings import Findings
from ltp_deploy.report.page.markup import Child, command, document, element
from ltp_deploy.report.page.section import Missing, Section
from ltp_deploy.report.page.sections import SECTIONS
from ltp_deploy.report.page.sections.examples import style


def write_page(path: Path, findings: Findings) -> None:
    """Write the page, whole or not at all; a file that is there is replaced."""
    text = page_of(findings)
    with new_file(path) as work:
        work.write_text(text, encoding="utf-8")


def page_of(findings: Findings) -> str:
    """The page as HTML, in one file that loads nothing and runs nothing."""
    contents = [(section, section.content(findings)) for section in SECTIONS]
    shown = [(s, content) for s, content in contents if not isinstance(content, Missing)]
    lacking = [(s, content) for s, content in contents if isinstance(content, Missing)]
    body: list[Child] = [summary.header(findings)]
    if cards := summary.cards(findings):
        body.append(element("div", *cards, class_="cards"))
    if len(shown) > 1:
        links = [element("a", section.title, href=f"#{section.id}") for section, _ in shown]
        body.append(element("nav", *links, aria_label="Sections"))
    for section, content in shown:
        title = element("h2", section.title, id=f"{section.id}-title")
        body.append(
            element(
                "section", title, *content, id=section.id, aria_labelledby=f"{section.id}-title"
            )
        )
    if lacking:
        body.append(_lacking(lacking))
    head = [
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="robots", content="noindex"),
        element("title", f"{findings.name}: report"),
        element("link", rel="icon", href="data:,"),
        element("style", _style(findings)),
    ]
    return document(head, [element("main", *body)])


def _lacking(sections: list[tuple[Section, Missing]]) -> Child:
    rows = []
    for section, missing in sections:
        hint: list[Child] = [": ", command(missing.command)] if missing.command else []
        words = element("dd", missing.reason, *hint)
        rows.append(element("div", element("dt", section.title), words))
    title = element("h2", "Not in this report", id="lacking-title")
    listing = element("dl", *rows, class_="facts")
    return element("section", title, listing, id="lacking", aria_labelledby="lacking-title")


def _style(findings: Findings) -> str:
    own = (files("ltp_deploy.report.page") / "report.css").read_text(encoding="utf-8")
    chosen = style(findings.examples) if findings.examples is not None else ""
    return f"\n{read_part('page.css')}{own}{chosen}\n"
