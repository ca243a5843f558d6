"""What is refused before anything is written, and what may be replaced."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from ltp_deploy.cli import main
from ltp_deploy.errors import BundleError, LtpError
from ltp_deploy.export.table import RECORD, export
from tests.runtime.test_requirements import alone


def refused(bundle: Path, consumer: str, folder: Path, match: str) -> None:
    with pytest.raises(LtpError, match=match):
        export(bundle, consumer, folder / "out")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("consumer", ["optimum", "ovms"])
def test_engines_of_other_backends_are_refused(
    consumer: str, bert_checkpoint: Path, bundle_of: Callable[..., Path], tmp_path: Path
) -> None:
    bundle = bundle_of(bert_checkpoint, "torch-cuda")
    match = "for the target torch-cuda, runs in torch-cuda, .* needs one that runs in OpenVINO"
    refused(bundle, consumer, tmp_path, match)


def test_optimum_needs_a_tokenizer(
    bert_checkpoint: Path, bundle_of: Callable[..., Path], tmp_path: Path
) -> None:
    bundle = bundle_of(bert_checkpoint, tokenizer=False)
    refused(bundle, "optimum", tmp_path, "carries no tokenizer; build it without --no-tokenizer")


def test_ovms_needs_the_tokenizer_as_a_graph(bert_bundle: Path, tmp_path: Path) -> None:
    refused(bert_bundle, "ovms", tmp_path, "build it with --cpp-texts")


@pytest.mark.parametrize("consumer", ["optimum", "triton"])
def test_the_runtime_alone_exports(consumer: str, bert_bundle: Path, tmp_path: Path) -> None:
    code = "import sys; from ltp_deploy.export.table import export; export(*sys.argv[1:])"
    done = alone(code, bert_bundle, consumer, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / RECORD).is_file()


def test_what_is_no_bundle_no_name_or_no_consumer_is_refused(
    bert_bundle: Path, tmp_path: Path
) -> None:
    with pytest.raises(BundleError, match="is not a bundle"):
        export(tmp_path, "triton", tmp_path / "out")
    with pytest.raises(LtpError, match="'a b' is no name for a model"):
        export(bert_bundle, "triton", tmp_path / "out", "a b")
    with pytest.raises(LtpError, match="'torchserve'; known: optimum, ovms, triton"):
        export(bert_bundle, "torchserve", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_an_export_alone_is_replaced(bert_bundle: Path, tmp_path: Path) -> None:
    run = CliRunner()
    arguments = ["export", str(bert_bundle), "--for", "triton", "-o", str(tmp_path / "out")]
    assert run.invoke(main, [*arguments, "--name", "old"]).exit_code == 0
    again = run.invoke(main, arguments)
    assert again.exit_code == 1
    assert "exists; choose another output path or pass --force" in again.output
    assert (tmp_path / "out/models/old").is_dir()
    assert run.invoke(main, [*arguments, "--force"]).exit_code == 0
    models = [path.name for path in (tmp_path / "out/models").iterdir()]
    assert models == [bert_bundle.name]
    (tmp_path / "out" / RECORD).unlink()
    other = run.invoke(main, [*arguments, "--force"])
    assert "is no export; it will not be replaced" in other.output
