"""`ltp-deploy report`, and `--html` of the commands that have something to show."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ltp_deploy.cli import main
from tests.tiny import write_texts


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def succeeds(*arguments: object) -> str:
    result = call(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


def refused(*arguments: object) -> str:
    """One line, and nothing is written."""
    result = call(*arguments)
    assert result.exit_code == 1, result.output
    assert result.output.startswith("Error: ")
    assert result.output.count("\n") == 1
    return result.output


def sections(page: Path) -> set[str]:
    text = page.read_text(encoding="utf-8")
    known = ("plan", "tokens", "parity", "latency", "calibration", "tuning", "learning", "examples")
    return {name for name in known if f'<section id="{name}"' in text}


def test_a_page_of_a_bundle_alone(bert_bundle: Path, tmp_path: Path) -> None:
    page = tmp_path / "new" / "report.html"
    assert succeeds("report", bert_bundle, "-o", page) == f"wrote {page}\n"
    assert sections(page) == {"plan"}
    assert [path.name for path in page.parent.iterdir()] == ["report.html"]


def test_a_page_is_replaced_only_by_force(bert_bundle: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text("mine")
    assert "exists; choose another output path or pass --force" in refused(
        "report", bert_bundle, "-o", page
    )
    assert page.read_text() == "mine"
    succeeds("report", bert_bundle, "-o", page, "--force")
    assert page.read_text().startswith("<!doctype html>")


def test_a_folder_that_is_no_bundle_is_refused(bert_checkpoint: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    assert "is not a bundle" in refused("report", bert_checkpoint, "-o", page)
    assert not page.exists()


def test_texts_are_lines_pairs_or_rows(bert_bundle: Path, texts: Path, tmp_path: Path) -> None:
    page, lines = tmp_path / "report.html", tmp_path / "lines.txt"
    lines.write_text("the film is good .\n\na film\tvery dull\n", encoding="utf-8")
    report = ["report", bert_bundle, "-o", page, "--force"]
    succeeds(*report, "--texts", lines)
    text = page.read_text()
    assert "The texts of lines.txt" in text
    assert text.count("<article") == 2
    succeeds(*report, "--texts", texts, "--limit", 3)
    text = page.read_text()
    assert "The first 3 of 40 texts of texts.tsv" in text
    assert text.count("<article") == 3
    succeeds(*report, "--texts", texts, "--text-columns", "label", "--limit", 1)
    assert call(*report, "--texts", lines, "--text-columns", "text").exit_code == 2


def test_texts_that_are_none_are_refused(bert_bundle: Path, tmp_path: Path) -> None:
    page, lines = tmp_path / "report.html", tmp_path / "lines.txt"
    report = ["report", bert_bundle, "-o", page, "--texts", lines]
    assert "lines.txt: No such file or directory" in refused(*report)
    for content, said in (
        (b"\n\n", "holds no text"),
        (b"a\tb\tc\n", "line 1 has 2 tabs"),
        (b"gr\xfc\xdfe\n", "is not UTF-8"),
    ):
        lines.write_bytes(content)
        assert said in refused(*report)
    assert not page.exists()


def test_verify_and_bench_write_the_page_and_what_report_reads(
    bert_checkpoint: Path, bert_bundle: Path, texts: Path, tmp_path: Path
) -> None:
    verified, timed = tmp_path / "verify.html", tmp_path / "bench.html"
    source = ["--against", bert_checkpoint, "--data", texts]
    output = succeeds("verify", bert_bundle, *source, "--json", "--html", verified)
    (tmp_path / "V.json").write_text(output[output.index("{") :])
    assert sections(verified) == {"plan", "tokens", "parity", "examples"}
    assert "The first 3 of 40 texts of texts.tsv" in verified.read_text()
    options = ["--batch", 4, "--iterations", 1, "-o", tmp_path / "B.json", "--html", timed]
    succeeds("bench", bert_bundle, *source, *options)
    assert sections(timed) == {"plan", "latency"}
    both = tmp_path / "both.html"
    found = ["--verify", tmp_path / "V.json", "--bench", tmp_path / "B.json"]
    succeeds("report", bert_bundle, *found, "-o", both)
    assert sections(both) == {"plan", "tokens", "parity", "latency"}


def test_a_verification_that_fails_has_its_page(
    bert_checkpoint: Path, bert_bundle: Path, texts: Path, tmp_path: Path
) -> None:
    page = tmp_path / "verify.html"
    source = ["--against", bert_checkpoint, "--data", texts, "--max-logit-difference", 0]
    result = call("verify", bert_bundle, *source, "--html", page)
    assert result.exit_code == 1
    assert "FAILED" in page.read_text()


def test_tune_writes_the_page_and_what_report_reads(
    checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path], tmp_path: Path
) -> None:
    data, tuned, page = write_texts(tmp_path / "t.tsv", 80), tmp_path / "tuned", tmp_path / "t.html"
    tune = ["tune", checkpoint_of("bert", None), "--data", data, "--max-drop", 40]
    succeeds(*tune, "-o", tuned, "--html", page)
    assert sections(page) == {"tuning"}
    succeeds("build", tuned, "--target", "null", "-o", tmp_path / "bundle")
    report = ["report", tmp_path / "bundle", "--tune", tuned / "tuned.json"]
    succeeds(*report, "-o", page, "--force")
    assert sections(page) == {"plan", "tuning"}
    document = json.loads((tuned / "tuned.json").read_text())
    (tmp_path / "other.json").write_text(json.dumps({**document, "checkpoint_sha256": "0" * 64}))
    report = ["report", tmp_path / "bundle", "--tune", tmp_path / "other.json"]
    assert "is about another checkpoint" in refused(*report, "-o", tmp_path / "n.html")


@pytest.mark.slow
def test_learn_writes_the_page_and_what_report_reads(
    checkpoint_of: Callable[..., Path], tmp_path: Path
) -> None:
    pytest.importorskip("accelerate", reason="accelerate is not installed")
    data, out, page = write_texts(tmp_path / "t.tsv", 64), tmp_path / "out", tmp_path / "l.html"
    learn = ["learn", checkpoint_of("bert", None), "--data", data, "--dev", data, "-o", out]
    stages = ["--flops", 1.1, "--soft-epochs", 1, "--hard-epochs", 1, "--batch", 8]
    succeeds(*learn, *stages, "--html", page)
    assert sections(page) == {"learning"}
    assert "stage soft" in page.read_text()
    succeeds("build", out, "--target", "null", "-o", tmp_path / "bundle")
    report = ["report", tmp_path / "bundle", "--learn", out / "learned.json"]
    succeeds(*report, "-o", page, "--force")
    assert sections(page) == {"plan", "learning"}


def test_a_page_of_several_results_is_refused(bert_bundle: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    sweep = ["learn", "model", "--data", "a", "--dev", "b", "-o", "o", "--sweep", "lambda=0.1,0.2"]
    assert "--html shows one result" in call(*sweep, "--html", page).output
    polygraphy = ["verify", bert_bundle, "--against", "c", "--data", "d", "--polygraphy", "p"]
    assert "leave --portable, --html" in call(*polygraphy, "--html", page).output
