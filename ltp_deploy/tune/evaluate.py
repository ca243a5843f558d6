"""What a model does on given data: its score, and how much work it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ltp_deploy.data.batch import PackedBatch
from ltp_deploy.data.examples import Examples
from ltp_deploy.data.tokenizer import Tokenizer
from ltp_deploy.heads import head_of
from ltp_deploy.model.config import EncoderConfig
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.flops import authors_ratio
from ltp_deploy.tune.data import TaskData
from ltp_deploy.tune.forward import Forward, by_policy


@dataclass(frozen=True)
class Point:
    """What a model with some pruning does: its operating point.

    Attributes:
        metric: the name of the score, with its unit.
        score: in that unit.
        flops_ratio: how many times fewer multiply-adds than without pruning, by the authors'
            count.
        alive: L+1 numbers of tokens, the mean over sequences: those that enter layer 0, then
            those that each layer keeps.
    """

    metric: str
    score: float
    flops_ratio: float
    alive: list[float]


def evaluate(encoder: Encoder, data: TaskData) -> Point:
    """The score and the work of a model that prunes by its own policy."""
    return point_of(encoder.config, *answers(encoder, data.batch), data)


def point_of(config: EncoderConfig, logits: np.ndarray, alive: np.ndarray, data: TaskData) -> Point:
    """The operating point that answers to `data` and numbers of tokens show, see `answers`."""
    metric, value = head_of(config).score(logits, data.labels, data.metric)
    return Point(metric, value, authors_ratio(config, alive), alive.mean(0).tolist())


def answered(
    parts: Sequence[Examples], encoder: Encoder, tokenizer: Tokenizer, metric: str | None = None
) -> list[TaskData]:
    """Texts with the answers of the model without pruning as labels. Unless a metric is asked for,
    what counts is the share of answers that do not change, the correlation of values, the cosine
    of vectors, or of rankings the rank of the passage that was first."""
    head = head_of(encoder.config)
    if metric is None and "accuracy" in head.metrics:
        metric = "accuracy"
    unpruned = encoder.unpruned()
    batches = [tokenizer(part.texts) for part in parts]
    logits = np.concatenate([answers(unpruned, batch)[0] for batch in batches])
    texts = [text for part in parts for text in part.texts]
    targets = head.targets_of_answers(logits, texts, metric)
    judged = [replace(part, metric=metric) for part in parts]
    return TaskData.of(batches, targets, judged, encoder.config)


def answers(encoder: Encoder, data: PackedBatch) -> tuple[np.ndarray, np.ndarray]:
    """What a model that prunes by its own policy answers.

    The answers are the oracle's, but come faster, since pruned tokens are not computed.

    Returns:
        logits: [N, labels] float32.
        alive: [N, L+1] int64, the tokens that enter layer 0, then those that each layer keeps.
    """
    run = Forward(encoder, data).run(by_policy(encoder.config.policy))
    return run.logits, run.profile.alive
