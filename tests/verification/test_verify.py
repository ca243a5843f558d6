"""`verify` passes what is right, and says what is wrong with what is not."""

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ltp_deploy.builder.build import build
from ltp_deploy.bundle.limits import Limits, length_batches
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.data.examples import Examples
from ltp_deploy.data.tokenizer import bundled_tokenizer
from ltp_deploy.errors import InputError, LtpError
from ltp_deploy.model.flops import authors_ratio
from ltp_deploy.parity.oracle_run import run_oracle
from ltp_deploy.parity.self_check import self_check
from ltp_deploy.report.verification import describe
from ltp_deploy.runtime.engine import load
from ltp_deploy.verification.gates import Tolerances
from ltp_deploy.verification.result import Verification
from ltp_deploy.verification.verify import verify
from tests.answers import batch_for
from tests.spoil import edit_manifest
from tests.tiny import save_tiny, save_tokenizer

WORDS = "the a film is was good bad very not dull great .".split()


def examples(count: int = 30, labels: list | None = None) -> Examples:
    """Sentences of 1 to 20 random words."""
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, rng.integers(1, 21))) for _ in range(count)]
    return Examples(texts, labels if labels is not None else ["good", "bad"] * (count // 2))


def verified(bundle: Path, checkpoint: Path, batch: int = 8, **tolerances: float) -> Verification:
    return verify(bundle, checkpoint, examples(), batch, Tolerances(**tolerances))


@pytest.mark.slow
@pytest.mark.parametrize("target", ["cpu", "torchscript"])
@pytest.mark.parametrize("survivors", [True, False])
def test_a_right_bundle_passes(
    target: str, survivors: bool, bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    result = verified(bundle_of(bert_checkpoint, target, survivors=survivors), bert_checkpoint)
    assert result.failures == []
    assert result.survivors.differences == []
    assert result.survivors_from_reference_build == (not survivors)
    assert result.logits.max < 1e-4
    assert result.sequences == 30
    assert result.scores.keys() == {"accuracy %"}
    score = result.scores["accuracy %"]
    assert score["oracle"] == score["engine"]
    assert score.keys() == {"oracle", "engine", "dense"}
    assert result.mean_alive == sorted(result.mean_alive, reverse=True)
    assert result.flops_ratio_engine > 1.2


def test_the_flops_ratio_is_that_of_the_oracles_survivors(
    bert_checkpoint: Path, bert_bundle: Path
) -> None:
    result = verified(bert_bundle, bert_checkpoint)
    batch = load(bert_bundle).tokenize(examples().texts)
    encoder = load_encoder(bert_checkpoint)
    alive = run_oracle(encoder, batch).profile.alive
    assert result.flops_ratio_authors == pytest.approx(authors_ratio(encoder.config, alive))


def test_a_dense_bundle_passes_too(
    checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]
) -> None:
    checkpoint = checkpoint_of("bert")
    result = verified(bundle_of(checkpoint, "torchscript", survivors=False), checkpoint)
    assert result.failures == []
    assert result.scores["accuracy %"]["engine"] == result.scores["accuracy %"]["dense"]
    assert result.flops_ratio_authors == 1


def test_a_regression_is_scored_by_correlation(
    checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]
) -> None:
    values = {"labels": 1, "id2label": None, "problem_type": "regression"}
    checkpoint = checkpoint_of("bert", "topk", **values)
    data = examples(labels=[float(i % 7) for i in range(30)])
    bundle = bundle_of(checkpoint, "torchscript")
    result = verify(bundle, checkpoint, data, 8, Tolerances())
    assert (list(result.scores), result.failures) == (["pearson %"], [])
    assert result.logits.flips is None
    assert result.values is not None
    assert result.values.error == pytest.approx(0, abs=1e-4)
    assert result.values.spearman == pytest.approx(1)
    assert {"RMS error, of the deviation", "rank correlation"} < {g.what for g in result.gates}


def test_conventions_chosen_at_build_time_are_those_that_are_verified(
    bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    bundle = bundle_of(bert_checkpoint, "torchscript", score_length=30, first_token="reference")
    result = verified(bundle, bert_checkpoint)
    assert result.failures == []
    assert result.overrides == [
        "score_length is 30 in the bundle, 16 in the checkpoint",
        "first_token is reference in the bundle, keep in the checkpoint",
    ]


def other_score_length(manifest: dict) -> None:
    """Pretend that the engine was built with another D than it was."""
    manifest["model"]["policy"]["score_length"] += 1


@pytest.mark.parametrize("survivors", [True, False])
def test_a_wrong_score_length_is_found(
    survivors: bool, bert_checkpoint: Path, bundle_of: Callable[..., Path], tmp_path: Path
) -> None:
    original = bundle_of(bert_checkpoint, "torchscript", survivors=survivors)
    bundle = shutil.copytree(original, tmp_path / "bundle")
    edit_manifest(bundle, other_score_length)
    result = verified(bundle, bert_checkpoint)
    assert any("largest logit difference" in failure for failure in result.failures)
    if survivors:
        assert len(result.survivors.disagreements) > 5
        assert any("survivors differ without a tie" in failure for failure in result.failures)


@pytest.mark.parametrize(
    ("tolerances", "words"),
    [
        ({"max_logit_difference": 0.0}, "largest logit difference: .*, allowed at most 0"),
        ({"max_flips": -1}, "answers that change: 0 %, allowed at most -1 %"),
        ({"min_agreement": 101}, "agreement of survivors: 100 %, allowed at least 101 %"),
        ({"max_drop": -1}, "drop of accuracy %: 0 points, allowed at most -1 points"),
    ],
)
def test_a_broken_tolerance_is_a_failure(
    tolerances: dict, words: str, bert_checkpoint: Path, bert_bundle: Path
) -> None:
    result = verified(bert_bundle, bert_checkpoint, **tolerances)
    (failure,) = result.failures
    assert re.fullmatch(words, failure)


def test_bfloat16_is_verified_by_its_predictions(
    bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    result = verified(
        bundle_of(bert_checkpoint, precision="bf16"), bert_checkpoint, max_flips=5, max_drop=5
    )
    assert result.failures == []
    assert result.tie_tolerance > 1e-3


def test_a_bundle_of_another_checkpoint_is_refused(
    bert_bundle: Path, checkpoint_of: Callable[..., Path]
) -> None:
    with pytest.raises(LtpError, match=r"was not built from .*, or that has changed since"):
        verified(bert_bundle, checkpoint_of("bert", "relative"))


def test_batches_hold_sequences_of_like_length_once_each() -> None:
    lengths = np.array([5, 1, 9, 1, 7])
    assert length_batches(lengths, 2) == [[1, 3], [0, 4], [2]]


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_the_batch_size_changes_nothing(
    batch: int, bert_checkpoint: Path, bert_bundle: Path
) -> None:
    assert verified(bert_bundle, bert_checkpoint, batch).failures == []
    encoder = load_encoder(bert_checkpoint)
    data = batch_for(encoder)
    expected, found = run_oracle(encoder, data), run_oracle(encoder, data, batch)
    np.testing.assert_allclose(found.logits, expected.logits, atol=1e-5)
    np.testing.assert_array_equal(found.survivors, expected.survivors)


def test_long_texts_and_small_engines_are_verified_as_they_are(
    bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    """Texts are cut on both sides, and requests are as small as the engine asks for."""
    bundle = bundle_of(bert_checkpoint, "torchscript", max_length=12, max_batch=4, max_tokens=20)
    result = verified(bundle, bert_checkpoint, batch=32)
    assert result.failures == []
    assert result.truncated == sum(len(text.split()) > 10 for text in examples().texts)
    assert 0 < result.truncated < 30


def test_a_drop_of_the_score_cannot_be_judged_without_labels(
    bert_checkpoint: Path, bert_bundle: Path
) -> None:
    unlabelled = Examples(examples().texts, None)
    result = verify(bert_bundle, bert_checkpoint, unlabelled)
    assert (result.failures, result.scores) == ([], {})
    assert not any("drop" in gate.what for gate in result.gates)
    with pytest.raises(LtpError, match="--max-drop needs labels"):
        verify(bert_bundle, bert_checkpoint, unlabelled, tolerances=Tolerances(max_drop=1))


def test_a_bundle_that_reads_texts_otherwise_is_refused(
    bert_checkpoint: Path, bert_bundle: Path, tmp_path: Path
) -> None:
    bundle = shutil.copytree(bert_bundle, tmp_path / "bundle")
    engine = load(bundle)
    assert engine.manifest.tokenizer is not None
    record = replace(engine.manifest.tokenizer, token_types=False)
    other = bundled_tokenizer(bundle, record, engine.config)
    changes = {"token_types": False, "fingerprint": other.fingerprint()}
    edit_manifest(bundle, lambda manifest: manifest["tokenizer"].update(changes))
    pairs = Examples(["same", ("the film", "a film")], None)
    with pytest.raises(LtpError, match=r"reads text 1, .* otherwise than the checkpoint: token_ty"):
        verify(bundle, bert_checkpoint, pairs)


def test_texts_need_a_tokenizer_in_the_checkpoint(
    checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]
) -> None:
    checkpoint = checkpoint_of("roberta", "mixed")
    with pytest.raises(LtpError, match="has no tokenizer"):
        verify(bundle_of(checkpoint, "torchscript"), checkpoint, examples())


def test_a_bundle_without_a_tokenizer_is_verified_by_the_checkpoints(
    bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    bundle = bundle_of(bert_checkpoint, "torchscript", tokenizer=False)
    assert load(bundle).manifest.tokenizer is None
    assert verified(bundle, bert_checkpoint).failures == []


def test_values_that_do_not_differ_judge_nothing_but_logits(
    checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]
) -> None:
    checkpoint = checkpoint_of("bert", "topk", labels=1, id2label=None)
    one = Examples(["the film"], None)
    exact = verify(bundle_of(checkpoint, "torchscript"), checkpoint, one)
    assert exact.failures == []
    reduced = replace(exact, gates=[gate for gate in exact.gates if not gate.answers])
    (failure,) = reduced.failures
    assert failure.startswith("no answer was judged: of 1 sequences 0 have a tie, and values that")


@pytest.mark.parametrize(
    ("labels", "tolerance", "message"),
    [
        (2, {"max_error": 5.0}, "--max-error does not apply: the model gives labels"),
        (2, {"min_spearman": 0.9}, "--min-spearman does not apply: the model gives labels"),
        (1, {"max_flips": 0.0}, "--max-flips does not apply: the model gives values"),
    ],
)
def test_a_tolerance_that_judges_nothing_is_refused(
    labels: int,
    tolerance: dict[str, float],
    message: str,
    checkpoint_of: Callable[..., Path],
    bundle_of: Callable[..., Path],
) -> None:
    checkpoint = checkpoint_of("bert", "topk", labels=labels, id2label=None)
    bundle = bundle_of(checkpoint, "torchscript")
    texts = Examples(["the film"], None)
    with pytest.raises(LtpError, match=message):
        verify(bundle, checkpoint, texts, tolerances=Tolerances(**tolerance))


def test_a_score_that_is_undefined_is_an_error(
    checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]
) -> None:
    checkpoint = checkpoint_of("bert", "topk", labels=1, id2label=None)
    same = Examples(["the film", "a film"], ["1.5", "1.5"])
    bundle = bundle_of(checkpoint, "torchscript")
    result = verify(bundle, checkpoint, same)
    assert (result.labelled, result.scores, result.failures) == (True, {}, [])
    assert "no score: all labels are the same" in describe(result)
    message = r"pearson is undefined where all labels are the same, 1\.5"
    with pytest.raises(LtpError, match=message):
        verify(bundle, checkpoint, same, tolerances=Tolerances(max_drop=1))
    with pytest.raises(LtpError, match=message):
        verify(bundle, checkpoint, replace(same, metric="pearson"))


@pytest.mark.parametrize(("texts", "batch"), [([], 8), (["a film"], 0)])
def test_there_must_be_something_to_verify(
    texts: list[str], batch: int, bert_checkpoint: Path, bert_bundle: Path
) -> None:
    with pytest.raises(LtpError, match="there is nothing to verify"):
        verify(bert_bundle, bert_checkpoint, Examples(texts, None), batch)


def test_a_token_that_the_model_lacks_is_named_with_its_text(tmp_path: Path) -> None:
    checkpoint = save_tiny(tmp_path / "checkpoint", "bert", vocab_size=18)
    save_tokenizer(checkpoint)
    (checkpoint / "added_tokens.json").write_text('{"[X]": 18}')
    build(checkpoint, tmp_path / "bundle", BuildOptions("torchscript"))
    engine = load(tmp_path / "bundle", long_texts="window")
    long = "the film is good " * 20
    texts, message = [long, "a", "a [X]"], "text 2 has the token 18, and the model knows 0 to 17"
    with pytest.raises(InputError, match=message):
        engine(texts)
    with pytest.raises(InputError, match=message):
        verify(tmp_path / "bundle", checkpoint, Examples(texts, None))


class Liar:
    """A session whose logits are off by a constant."""

    concurrency = 1

    def __init__(self, session, error: float):
        self.session, self.error = session, error

    def run(self, feeds: dict) -> dict:
        outputs = self.session.run(feeds)
        return {**outputs, "logits": outputs["logits"] + np.float32(self.error)}


@pytest.mark.parametrize("error", [0.1, -0.1, float("nan")])
def test_a_build_checks_its_own_engine(
    error: float, bert_checkpoint: Path, bert_bundle: Path
) -> None:
    encoder = load_encoder(bert_checkpoint)
    session = load(bert_bundle).session
    assert self_check(encoder, session, "f32", Limits(0, 0, 40)).max_logit_difference < 1e-4
    with pytest.raises(LtpError, match="engine's logits differ from the model's by"):
        self_check(encoder, Liar(session, error), "f32", Limits(0, 0, 40))
    with pytest.raises(LtpError, match="engine's logits differ from the model's by"):
        self_check(encoder, Liar(session, 100 * error), "fp16", Limits(0, 0, 40))
    one_by_one = self_check(encoder, session, "fp16", Limits(40, 1, 40))
    assert one_by_one.max_logit_difference < 1e-4
