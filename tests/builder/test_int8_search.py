"""Layers are kept out of int8 as the budget asks, the most disturbing ones first."""

from pathlib import Path

import numpy as np
import pytest

from ltp_deploy.builder.build import build
from ltp_deploy.builder.draft import Measured, draft_build
from ltp_deploy.builder.int8_search import _fewest
from ltp_deploy.builder.judge import EngineJudge, Variant
from ltp_deploy.builder.precision_search import choose_precision
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.data.examples import Examples
from ltp_deploy.data.transformers_tokenizer import TransformersTokenizer
from ltp_deploy.parity.oracle_run import run_oracle
from ltp_deploy.runtime.engine import load
from tests.tiny import LAYERS

INT8 = BuildOptions(precision="int8")


@pytest.mark.slow
def test_a_wide_budget_keeps_every_layer(
    bert_checkpoint: Path, calibrated: Path, judged: Examples
) -> None:
    found = choose_precision(bert_checkpoint, INT8, Measured(None, calibrated), judged, 20.0)
    assert found.chosen.variant == Variant("int8")
    assert found.candidates == (found.chosen,)
    assert 0 < found.chosen.drop <= 20


@pytest.mark.full
def test_a_narrow_budget_keeps_out_the_layers_that_disturb_most(
    bert_checkpoint: Path, calibrated: Path, judged: Examples
) -> None:
    measured = Measured(None, calibrated)
    everything = choose_precision(bert_checkpoint, INT8, measured, judged, 100.0).chosen.drop
    options = BuildOptions("haswell", "int8")  # the rest in f32, so that a budget can be met
    found = choose_precision(bert_checkpoint, options, measured, judged, everything / 2)
    kept_out = found.chosen.variant.not_int8
    assert 0 < len(kept_out) <= LAYERS
    assert found.chosen.drop <= everything / 2
    draft = draft_build(bert_checkpoint, options, measured)
    with EngineJudge(draft, bert_checkpoint, judged) as judge:
        worst_first = np.argsort(judge.layer_errors("int8"))[::-1]
    assert set(kept_out) == set(worst_first[: len(kept_out)].tolist())


@pytest.mark.slow
def test_layers_kept_out_hold_their_weights_as_they_were(
    bert_checkpoint: Path, calibrated: Path, tmp_path: Path
) -> None:
    measured = Measured(None, calibrated)
    sizes = {}
    for kept_out in ((), (1,), (0, 1, 2)):
        options = BuildOptions("haswell", "int8", not_int8=kept_out)
        manifest = build(bert_checkpoint, tmp_path / str(len(kept_out)), options, measured)
        precisions = [layer.precision for layer in manifest.plan.layers]
        assert precisions == ["f32" if i in kept_out else "int8" for i in range(LAYERS)]
        sizes[kept_out] = (tmp_path / str(len(kept_out)) / "engine.bin").stat().st_size
    assert sizes[()] < sizes[(1,)] < sizes[(0, 1, 2)]
    encoder = load_encoder(bert_checkpoint)
    data = TransformersTokenizer(bert_checkpoint, encoder.config)(
        ["good film .", "the film was not bad ."]
    )
    logits = load(tmp_path / "3").run(data).logits
    np.testing.assert_allclose(logits, run_oracle(encoder, data).logits, atol=1e-4)


@pytest.mark.full
def test_a_t4_is_scored_by_its_portable_model(
    bert_checkpoint: Path, calibrated: Path, judged: Examples, tmp_path: Path
) -> None:
    pytest.importorskip("onnxscript")
    pytest.importorskip("tensorrt_rtx", reason="TensorRT for RTX is not installed")
    options, measured = BuildOptions("t4", "int8", portable=True), Measured(calibration=calibrated)
    few = Examples(judged.texts[:100], judged.labels[:100])
    found = choose_precision(bert_checkpoint, options, measured, few, 100.0)
    build(bert_checkpoint, tmp_path / "out", options, measured)
    engine = load(tmp_path / "out", portable=True)
    logits = np.concatenate([engine([text]).logits for text in few.texts])
    assert found.chosen.drop == pytest.approx(100 - 100 * (logits.argmax(1) == few.labels).mean())


@pytest.mark.parametrize("needed", range(5))
def test_the_fewest_layers_are_found_by_bisection(needed: int) -> None:
    """Of four layers, worst first, so many must stay out; a drop falls with each that does."""
    worst_first, tried = [2, 0, 3, 1], list[tuple[int, ...]]()

    def enough_without(kept_out: tuple[int, ...]) -> bool:
        tried.append(kept_out)
        return len(kept_out) >= needed

    wanted = max(1, needed)  # none at all was tried before
    assert _fewest(worst_first, enough_without) == tuple(sorted(worst_first[:wanted]))
    assert len(tried) <= 3


@pytest.mark.parametrize("layers", [[], [1, 0]])
def test_where_all_layers_are_too_few_the_answer_is_none(layers: list[int]) -> None:
    assert _fewest(layers, lambda kept_out: False) is None
