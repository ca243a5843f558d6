"""What a stage of training says of itself, on standard error and in log.jsonl."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from ltp_deploy.learn.masks import Hard
from ltp_deploy.learn.model import Learner
from ltp_deploy.learn.stage import Stage, TrainerSettings
from ltp_deploy.learn.trainer import fit
from ltp_deploy.model.policy import LayerRule, Mode, PrunePolicy
from ltp_deploy.progress import Output
from ltp_deploy.tune.data import TaskData
from tests.answers import random_batch
from tests.model.problems import tiny_encoder

pytest.importorskip("accelerate", reason="accelerate is not installed")
from ltp_deploy.learn.stage_trainer import Recent, StageLog


def test_recent_batches_are_averaged_over_sequences() -> None:
    recent = Recent(2)
    recent.add(torch.tensor(9.0), torch.tensor([[90, 90]]), torch.ones(1, 90))  # soon forgotten
    kept = torch.tensor([[4, 2]])
    assert recent.add(torch.tensor([0.25, 0.75]), kept, torch.tensor([[1, 1, 1, 1, 0]])) == 0.5
    kept = torch.tensor([[6.0, 0.5], [8.0, 3.5], [3.0, 3.0]])
    real = torch.ones(3, 8, dtype=torch.long)
    assert recent.add(torch.tensor(0.1), kept, real) == pytest.approx(0.1)
    assert recent.loss == pytest.approx(0.3)
    assert recent.alive == pytest.approx(((3 + 3.25 + 5.75 + 3) / 4, (4 + 3 * 8) / 4))


def test_a_line_says_stage_epoch_loss_tokens_alive_and_time_left(tmp_path: Path) -> None:
    now, stream = [0.0], io.StringIO()
    recent = Recent(5)
    log = StageLog("soft", tmp_path / "log", recent, Output(stream, lambda: now[0]))
    state = SimpleNamespace(max_steps=432, global_step=170, epoch=0.0)  # 170 before it stopped
    arguments = SimpleNamespace(num_train_epochs=2.0)
    log.on_train_begin(arguments, state, None)
    recent.add(torch.tensor(0.412), torch.tensor([[20, 8]]), torch.ones(1, 23))
    for state.global_step in (171, 172, 173):
        now[0] += 1.0
        state.epoch = state.global_step / 216
        log.on_step_end(arguments, state, None)
    log.on_train_end(arguments, state, None)
    facts = "soft: step 173/432, epoch 0.8 of 2, loss 0.412, tokens alive 14.0 of 23.0"
    assert stream.getvalue().splitlines() == [f"{facts}, 4 m 19 s left", f"{facts}, took 3 s"]


def test_a_stage_writes_lines_and_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr("ltp_deploy.progress.SHORT", 0.0)
    rules = (LayerRule(Mode.NONE), LayerRule(Mode.TOPK, 0.5), LayerRule(Mode.TOPK, 0.25))
    policy = PrunePolicy(rules)
    data = TaskData(random_batch([8] * 32, vocabulary=60), torch.arange(32).numpy() % 2)
    model = Learner(tiny_encoder(policy, num_labels=2).requires_grad_(True), Hard(policy))
    stage = Stage("hard", 1.5, 1e-3, 1e-3, batch=8, seed=1)
    fit(stage, model, data, TrainerSettings(tmp_path))
    alive = (8 + 4 + 2) / 3
    logged = [json.loads(line) for line in (tmp_path / "log.jsonl").open()]
    assert [line["step"] for line in logged if "loss" in line] == [1, 2, 3, 4, 5, 6]
    for line in logged[:-1]:
        assert (line["tokens_alive"], line["tokens"]) == (round(alive, 2), 8.0)
    output = capfd.readouterr()
    assert output.out == ""
    first, last = output.err.splitlines()
    facts = r"epoch (\d\.\d) of 1\.5, loss \d\.\d{3}, tokens alive 4\.7 of 8\.0"
    assert re.fullmatch(rf"hard: step 1/6, {facts}, \d+ s left", first)
    assert re.fullmatch(rf"hard: step 6/6, {facts}, took \d+ s", last)
