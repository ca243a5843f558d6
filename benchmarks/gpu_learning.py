"""Learning and tuning with PyTorch's GPU, against the oracle on the CPU."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from gpu_run import Budget, Row

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.data.batch import pack
from ltp_deploy.learn.learn import learn
from ltp_deploy.learn.recipe import Recipe
from ltp_deploy.learn.stage import TrainerSettings
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.parity.oracle_run import run_oracle
from ltp_deploy.tune.data import TaskData
from ltp_deploy.tune.evaluate import answers
from ltp_deploy.tune.search import tune

RECIPES = {
    "learn": Recipe(flops_ratio=1.5),
    "learn --quick": Recipe(method="manual", max_drop=100.0),
    "learn --method topk": Recipe(method="topk", keep_rate=0.5),
}
LOGITS = 1e-3  # relative to the largest logit, of sequences with the oracle's numbers of tokens
OTHERS = 0.02  # share of sequences in which a score within rounding may have decided otherwise


def check_learning(checkpoint: Path, budget: Budget) -> list[Row]:
    """Train and tune a model on random texts, each way, and compare what it answers."""
    rows = []
    train, dev = _task(_dense(checkpoint), 512).divided(256, seed=0)
    for title, recipe in RECIPES.items():
        if not budget.allows(title):
            continue
        encoder = _dense(checkpoint)
        with tempfile.TemporaryDirectory() as folder:
            trained, _ = learn(encoder, train, dev, recipe, TrainerSettings(Path(folder)))
        rows.append({"by": title, **_compared(trained, dev)})
    if budget.allows("tune"):
        encoder = _dense(checkpoint)
        tuned = tune(encoder, train, dev, max_drop=100.0)
        rows.append({"by": "tune", **_compared(encoder.with_policy(tuned.chosen.policy), dev)})
    return rows


def _dense(checkpoint: Path) -> Encoder:
    encoder = load_encoder(checkpoint)
    return encoder.unpruned()


def _task(encoder: Encoder, texts: int) -> TaskData:
    """Random sequences; whether the second token is even is what is to be learned."""
    rng = np.random.default_rng(0)
    vocabulary = encoder.config.vocab_size
    ids = [rng.integers(5, vocabulary, n) for n in rng.integers(4, 60, texts)]
    return TaskData(pack(ids), np.array([row[1] % 2 for row in ids]))


def _compared(encoder: Encoder, data: TaskData) -> Row:
    device = next(encoder.parameters()).device
    logits, alive = answers(encoder, data.batch)
    oracle = run_oracle(encoder.cpu(), data.batch)
    same = (alive == oracle.profile.alive).all(1)
    difference = np.abs(logits - oracle.logits)[same].max() / np.abs(oracle.logits).max()
    return {
        "device": str(device),
        "sequences": len(data),
        "otherwise": int((~same).sum()),
        "tokens_left": float(alive[:, -1].mean() / alive[:, 0].mean()),
        "largest_logit_difference": float(difference),
        "passed": bool(difference <= LOGITS and (~same).mean() <= OTHERS),
    }
