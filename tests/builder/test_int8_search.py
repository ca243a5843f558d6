"""Layers are kept out of int8 as the budget asks, the most disturbing ones first."""

from pathlib import Path

import numpy as np
import pytest

from ltp_deploy.builder.build import build
from ltp_deploy.builder.draft import Measured
from ltp_deploy.builder.int8_search import _fewest, choose_layers
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.data.examples import Examples, read_examples
from ltp_deploy.data.transformers_tokenizer import TransformersTokenizer
from ltp_deploy.errors import LtpError
from ltp_deploy.parity.oracle_run import run_oracle
from ltp_deploy.runtime.engine import load
from tests.tiny import LAYERS, write_texts

INT8 = BuildOptions(precision="int8")


@pytest.fixture(scope="module")
def judged(bert_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Examples:
    """Texts whose labels are the model's own answers: the oracle scores 100."""
    path = write_texts(tmp_path_factory.mktemp("judged") / "texts.tsv", count=400, seed=3)
    texts = read_examples(str(path)).texts
    encoder = load_encoder(bert_checkpoint)
    logits = run_oracle(
        encoder, TransformersTokenizer(bert_checkpoint, encoder.config)(texts)
    ).logits
    return Examples(texts, [float(label) for label in logits.argmax(1)])


@pytest.mark.slow
def test_a_wide_budget_keeps_every_layer(
    bert_checkpoint: Path, calibrated: Path, judged: Examples
) -> None:
    found = choose_layers(bert_checkpoint, INT8, Measured(None, calibrated), judged, 20.0)
    assert found.not_int8 == ()
    assert len(found.tried) == 1
    assert 0 < found.drop <= 20


@pytest.mark.full
def test_a_narrow_budget_keeps_out_the_layers_that_disturb_most(
    bert_checkpoint: Path, calibrated: Path, judged: Examples
) -> None:
    measured = Measured(None, calibrated)
    everything = choose_layers(bert_checkpoint, INT8, measured, judged, 100.0).drop
    options = BuildOptions("haswell", "int8")  # the rest in f32, so that a budget can be met
    found = choose_layers(bert_checkpoint, options, measured, judged, everything / 2)
    assert 0 < len(found.not_int8) <= LAYERS
    assert found.drop <= everything / 2
    worst_first = np.argsort(found.errors)[::-1]
    assert set(found.not_int8) == set(worst_first[: len(found.not_int8)].tolist())


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
    found = choose_layers(bert_checkpoint, options, measured, few, 100.0)
    build(bert_checkpoint, tmp_path / "out", options, measured)
    engine = load(tmp_path / "out", portable=True)
    logits = np.concatenate([engine([text]).logits for text in few.texts])
    assert found.drop == pytest.approx(100 - 100 * (logits.argmax(1) == few.labels).mean())


def test_choosing_layers_needs_labels(
    bert_checkpoint: Path, calibrated: Path, judged: Examples
) -> None:
    with pytest.raises(LtpError, match="needs labels"):
        choose_layers(
            *(bert_checkpoint, INT8, Measured(None, calibrated)), Examples(judged.texts, None), 1.0
        )
    with pytest.raises(LtpError, match="pass --precision int8"):
        choose_layers(bert_checkpoint, BuildOptions(), Measured(), judged, 1.0)


@pytest.mark.parametrize("needed", range(5))
def test_the_fewest_layers_are_found_by_bisection(needed: int) -> None:
    """Of four layers, worst first, so many must stay out; a drop falls with each that does."""
    worst_first, tried = [2, 0, 3, 1], list[tuple[int, ...]]()

    def drop(kept_out: tuple[int, ...]) -> float:
        tried.append(kept_out)
        return float(needed - len(kept_out))

    found, lost = _fewest(worst_first, drop, 0.0)
    wanted = max(1, needed)  # none at all was tried before
    assert (found, lost) == (tuple(sorted(worst_first[:wanted])), float(needed - wanted))
    assert len(tried) <= 3


def test_too_few_layers_are_none_with_what_is_still_lost() -> None:
    assert _fewest([1, 0], lambda kept_out: 5.0 - len(kept_out), 0.0) == (None, 3.0)
