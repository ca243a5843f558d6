"""`ltp-deploy report`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ltp_deploy.cli.command import WritingCommand, section
from ltp_deploy.cli.options import COUNT, FILE, PATH, compose, output_section

if TYPE_CHECKING:
    from ltp_deploy.data.texts import Text
    from ltp_deploy.report.page.findings import Findings

found_section = section("What was found")
found_options = compose(
    found_section(
        "--verify", "verified", type=FILE, metavar="FILE", help="What `verify --json` printed."
    ),
    found_section("--bench", "timed", type=FILE, metavar="FILE", help="What `bench -o` wrote."),
    found_section(
        "--tune",
        "tuned",
        type=FILE,
        metavar="FILE",
        help="The tuned.json of the checkpoint that BUNDLE was built from.",
    ),
    found_section(
        "--learn",
        "learned",
        type=FILE,
        metavar="FILE",
        help="Likewise its learned.json; the log.jsonl beside it is read too.",
    ),
)
texts_section = section("Example texts")
text_options = compose(
    texts_section(
        "--texts",
        type=FILE,
        metavar="FILE",
        help="Texts whose tokens are shown where they are pruned: one on each line, or two with a "
        "tab between them; or a .tsv, .csv, .jsonl or .json file.",
    ),
    texts_section(
        "--text-columns",
        metavar="A[,B]",
        help="Columns of such a file with the text, or the two texts of a pair. Default: found by "
        "name.",
    ),
    texts_section(
        "--limit",
        type=COUNT,
        metavar="N",
        default=5,
        show_default=True,
        help="Show only the first N texts.",
    ),
    texts_section("--threads", type=COUNT, metavar="N", help="CPU threads. Default: all."),
    texts_section(
        "--portable", is_flag=True, help="Run a bundle for a GPU on this CPU, for the texts."
    ),
)


@click.command(cls=WritingCommand)
@click.argument("bundle", type=PATH)
@found_options
@text_options
@output_section(
    "-o", "--output", type=FILE, metavar="FILE", required=True, help="The page to write, .html."
)
@output_section("--force", is_flag=True, help="Replace an existing file.")
def report(
    bundle: Path,
    verified: Path | None,
    timed: Path | None,
    tuned: Path | None,
    learned: Path | None,
    texts: Path | None,
    text_columns: str | None,
    limit: int,
    threads: int | None,
    portable: bool,
    output: Path,
    force: bool,
) -> None:
    """Write one page about BUNDLE that loads nothing: its plan, and what was found about it.

    Without options it has what the bundle itself says: the plan, the tokens of each layer, and the
    calibration. Files about another bundle, or another checkpoint, are refused.
    """
    from ltp_deploy.bundle.directory import check_new_file
    from ltp_deploy.report.page.page import write_page

    check_new_file(output, force)
    found = _findings(bundle, verified, timed, tuned, learned)
    if texts is not None:
        from dataclasses import replace

        from ltp_deploy.report.page.gather import explained

        known = _texts(texts, text_columns)
        examples = explained(bundle, known, texts.name, limit, threads, portable)
        found = replace(found, examples=examples)
    write_page(output, found)
    click.echo(f"wrote {output}")


def _findings(
    bundle: Path,
    verified: Path | None,
    timed: Path | None,
    tuned: Path | None,
    learned: Path | None,
) -> Findings:
    """All that the files say, each checked to be about this bundle."""
    from ltp_deploy.report.page import read
    from ltp_deploy.report.page.findings import Findings, bundle_facts

    facts = bundle_facts(bundle)
    training, log = (None, ()) if learned is None else read.read_learned(learned, facts)
    return Findings(
        facts.name,
        facts,
        verified=None if verified is None else read.read_verified(verified, facts),
        benchmarked=None if timed is None else read.read_benchmarked(timed, facts),
        tuned=None if tuned is None else read.read_tuned(tuned, facts),
        learned=training,
        log=log,
    )


def _texts(file: Path, columns: str | None) -> list[Text]:
    """The texts of a file, of lines or of rows.

    Raises:
        LtpError: it has none, or cannot be read.
    """
    from ltp_deploy.cli.run import texts_of_lines
    from ltp_deploy.data.examples import DataOptions, read_examples
    from ltp_deploy.data.files import extension
    from ltp_deploy.errors import LtpError

    if extension(file) is not None:
        return read_examples(str(file), DataOptions(columns), labels=False).texts
    if columns is not None:
        raise click.UsageError("--text-columns is for .tsv, .csv, .jsonl and .json files")
    with file.open(encoding="utf-8-sig") as lines:
        found: list[Text] = [text for text in texts_of_lines(lines) if text]
    if not found:
        raise LtpError(f"{file} holds no text; give one on each line")
    return found
