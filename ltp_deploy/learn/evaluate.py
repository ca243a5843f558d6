"""What a model does on given data: its score, and how much work it takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from tqdm import tqdm

from ltp_deploy.data.batch import PackedBatch
from ltp_deploy.heads import head_of
from ltp_deploy.learn.data import TaskData
from ltp_deploy.learn.masks import Hard
from ltp_deploy.learn.model import Learner
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.flops import authors_ratio
from ltp_deploy.parity.oracle_run import length_batches

BATCH = 32


@dataclass(frozen=True)
class Point:
    """One operating point.

    Attributes:
        metric: name of the score; `score` in its unit.
        flops_ratio: how many times fewer multiply-adds than dense, by the authors' count.
        alive: mean tokens alive entering layer 0, then after each layer.
    """

    metric: str
    score: float
    flops_ratio: float
    alive: list[float]


def evaluate(encoder: Encoder, data: TaskData) -> Point:
    """Score and work of an encoder under its policy."""
    logits, alive = answers(encoder, data.batch)
    metric, value = head_of(encoder.config).score(logits, data.labels, data.metric)
    return Point(metric, value, authors_ratio(encoder.config, alive), alive.mean(0).tolist())


@torch.inference_mode()
def answers(encoder: Encoder, data: PackedBatch) -> tuple[np.ndarray, np.ndarray]:
    """Logits [N, labels], and tokens alive [N, L+1] entering layer 0 and behind each layer.

    The same as the oracle's, and faster where tokens are pruned, since these are not computed.
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
