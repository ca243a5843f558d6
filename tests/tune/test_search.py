"""Rescaling thresholds to a budget."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.cli import main
from ltp_deploy.errors import LtpError
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.policy import LayerRule, Mode, PrunePolicy
from ltp_deploy.parity.oracle_run import run_oracle
from ltp_deploy.tune.data import TaskData
from ltp_deploy.tune.evaluate import evaluate
from ltp_deploy.tune.scale import rescaled
from ltp_deploy.tune.search import tune
from tests.answers import random_batch
from tests.model.problems import tiny_encoder

NONE = LayerRule(Mode.NONE)
POLICY = PrunePolicy((NONE, LayerRule(Mode.ABSOLUTE, 0.02), LayerRule(Mode.ABSOLUTE, 0.04)))


def task(policy: PrunePolicy = POLICY) -> tuple[Encoder, TaskData]:
    """A model, and data whose labels are what it answers without pruning."""
    encoder = tiny_encoder(policy)
    batch = random_batch([n % 15 + 3 for n in range(60)], vocabulary=60)
    dense = encoder.with_policy(PrunePolicy.dense(len(policy.layers)))
    return encoder, TaskData(batch, run_oracle(dense, batch).logits.argmax(1))


def test_rescaled_multiplies_the_pruning_of_each_layer() -> None:
    policy = PrunePolicy(
        (
            NONE,
            LayerRule(Mode.ABSOLUTE, 0.1),
            LayerRule(Mode.RELATIVE, 0.6),
            LayerRule(Mode.TOPK, 0.7),
        )
    )
    rules = rescaled(policy, (9.0, 3.0, 2.0, 2.0)).layers
    assert rules[0] == NONE
    assert rules[1].threshold == pytest.approx(0.3)
    assert rules[2].threshold == 1.0
    assert rules[3].threshold == pytest.approx(0.4)  # drops 0.6 in place of 0.3
    assert rescaled(policy, (1, 1, 1, 9)).layers[3].threshold == 0.01
    assert rescaled(policy, (1.0,) * 4) == policy


@pytest.mark.parametrize("max_drop", [0.0, 5.0, 20.0])
def test_tune_chooses_the_most_pruning_inside_the_budget(max_drop: float) -> None:
    encoder, data = task()
    policy, tuned = tune(encoder, data, max_drop)
    assert tuned.dense.score == 100.0
    found = evaluate(encoder.with_policy(policy), data)
    assert found == tuned.chosen.point
    assert tuned.dense.score - found.score <= max_drop
    for candidate in tuned.curve:
        if tuned.dense.score - candidate.point.score <= max_drop:
            assert found.flops_ratio >= candidate.point.flops_ratio
    assert tuned.before == evaluate(encoder, data)


def test_tune_never_saves_less_with_a_larger_budget() -> None:
    encoder, data = task()
    saved = [tune(encoder, data, drop)[1].chosen.point.flops_ratio for drop in (0.0, 10.0, 40.0)]
    assert saved == sorted(saved)
    assert saved[-1] > saved[0]


def test_tune_refuses_a_dense_model_and_a_budget_out_of_reach() -> None:
    encoder, data = task()
    with pytest.raises(LtpError, match="prunes nothing, so there is nothing to tune"):
        tune(encoder.with_policy(PrunePolicy.dense(3)), data, 1.0)
    wild = replace(POLICY, layers=(NONE, *[LayerRule(Mode.ABSOLUTE, 50.0)] * 2))
    hopeless = TaskData(data.batch, np.asarray(data.labels))
    with pytest.raises(LtpError, match=r"even with thresholds times 0.25 the score drops by"):
        tune(encoder.with_policy(wild), hopeless, 0.0)


def test_tune_takes_the_conventions_of_a_bundle(
    bert_checkpoint: Path, bundle_of: Callable[..., Path], tmp_path: Path
) -> None:
    bundle = bundle_of(bert_checkpoint, "torchscript", score_length=9)
    data = tmp_path / "data.tsv"
    data.write_text("text\tlabel\na very good film\t1\nbad\t0\n")
    output = tmp_path / "tuned"
    arguments = ["tune", str(bundle), "--data", str(data), "-o", str(output)]
    arguments += ["--max-drop-from-dense", "100"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "is a bundle: --against CHECKPOINT it was built from?" in result.output
    result = CliRunner().invoke(main, [*arguments, "--against", str(bert_checkpoint)])
    assert result.exit_code == 0, result.output
    assert load_encoder(output).config.policy.score_length == 9
    result = CliRunner().invoke(main, [*arguments, "--against", str(output)])
    assert "was not built from" in result.output
