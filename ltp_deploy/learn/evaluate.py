"""What a model does on given data: its score, and how much work it takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from tqdm import tqdm

from ltp_deploy.bundle.limits import length_batches
from ltp_deploy.data.batch import PackedBatch
from ltp_deploy.heads import head_of
from ltp_deploy.learn.data import TaskData
from ltp_deploy.learn.masks import Hard
from ltp_deploy.learn.model import Learner
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.flops import authors_ratio

BATCH = 32  # sequences


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
    logits, alive = answers(encoder, data.batch)
    metric, value = head_of(encoder.config).score(logits, data.labels, data.metric)
    return Point(metric, value, authors_ratio(encoder.config, alive), alive.mean(0).tolist())


@torch.inference_mode()
def answers(encoder: Encoder, data: PackedBatch) -> tuple[np.ndarray, np.ndarray]:
    """What a model that prunes by its own policy answers.

    The answers are the oracle's, but come faster, since pruned tokens are not computed.

    Returns:
        logits: [N, labels] float32.
        alive: [N, L+1] int64, the tokens that enter layer 0, then those that each layer keeps.
    """
    config, lengths = encoder.config, data.lengths
    model = Learner(encoder, Hard(config.policy)).eval()
    logits = np.zeros((len(lengths), config.num_labels), np.float32)
    alive = np.zeros((len(lengths), config.layers + 1), np.int64)
    alive[:, 0] = lengths
    batches = length_batches(lengths, BATCH)
    for chosen in tqdm(batches, desc="evaluate", leave=False, disable=None):
        ids, types, mask = map(torch.from_numpy, data.select(chosen).padded(config.pad_token_id))
        found, kept = model.run(ids, mask, types)
        logits[chosen] = found.numpy()
        alive[chosen, 1:] = kept.numpy()
    return logits, alive
