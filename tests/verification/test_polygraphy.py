"""The oracle and several engines as Polygraphy runners."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ltp_deploy.data.examples import Examples
from ltp_deploy.errors import LtpError
from ltp_deploy.verification.polygraphy import compare
from tests.tiny import LAYERS

pytest.importorskip("polygraphy", reason="Polygraphy is not installed")
pytest.importorskip("onnxruntime")

EXAMPLES = Examples(["the film is good", "bad", "very very bad film .", "a great film"], None)


@pytest.mark.slow
def test_engines_are_compared_layer_by_layer(
    bert_checkpoint: Path, bundle_of: Callable[..., Path], tmp_path: Path
) -> None:
    bundles = [bundle_of(bert_checkpoint, "onnx"), bundle_of(bert_checkpoint, "torchscript")]
    save = tmp_path / "results" / "run.json"
    rows = compare(bundles, bert_checkpoint, EXAMPLES, batch=3, save=save)
    outputs = [*(f"alive.{i}" for i in range(LAYERS)), "logits"]
    assert [row.output for row in rows] == outputs * 2
    assert all(row.passed for row in rows)
    assert max(row.max for row in rows) < 1e-4
    from polygraphy.comparator import RunResults

    results = RunResults.load(str(save))
    names = ["oracle", f"{bundles[0]} (onnxruntime)", f"{bundles[1]} (torchscript)"]
    assert [name for name, _ in results] == names
    assert len(results[0][1]) == 2  # requests


def test_an_engine_that_prunes_otherwise_is_found(
    checkpoint_of: Callable[..., Path],
    bert_checkpoint: Path,
    bundle_of: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = bundle_of(checkpoint_of("bert", "topk"), "torchscript")
    with pytest.raises(LtpError, match="was not built from"):
        compare([other], bert_checkpoint, EXAMPLES, batch=4, save=tmp_path / "run.json")
    import ltp_deploy.verification.polygraphy as module

    monkeypatch.setattr(module, "check_source", lambda *arguments: None)
    monkeypatch.setattr(module, "as_built", lambda encoder, engine: (encoder, []))
    rows = compare([other], bert_checkpoint, EXAMPLES, batch=4, save=tmp_path / "run.json")
    assert not all(row.passed for row in rows if row.output.startswith("alive"))
    assert not rows[-1].passed
    assert json.loads((tmp_path / "run.json").read_text())


def test_conventions_given_at_build_time_hold_for_the_oracle_too(
    bert_checkpoint: Path, bundle_of: Callable[..., Path], tmp_path: Path
) -> None:
    own = bundle_of(bert_checkpoint, "torchscript")
    other = bundle_of(bert_checkpoint, "torchscript", score_length=9)
    save = tmp_path / "run.json"
    for bundle in (own, other):
        rows = compare([bundle], bert_checkpoint, EXAMPLES, batch=4, save=save)
        assert all(row.passed for row in rows)
    with pytest.raises(LtpError, match="different --score-length, --first-token or --label-th"):
        compare([own, other], bert_checkpoint, EXAMPLES, batch=4, save=save)


def test_bundles_of_the_same_name_are_told_apart(
    bert_checkpoint: Path, bundle_of: Callable[..., Path], tmp_path: Path
) -> None:
    bundle = bundle_of(bert_checkpoint, "torchscript")
    copy = tmp_path / bundle.name
    shutil.copytree(bundle, copy)
    save = tmp_path / "run.json"
    rows = compare([bundle, copy], bert_checkpoint, EXAMPLES, batch=4, save=save)
    assert len({row.runner for row in rows}) == 2
