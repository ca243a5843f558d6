"""An encoder that prunes, on padded batches and from any layer on.

Pruned tokens are taken out of the batch, so that a run costs what is left. A search that changes
one layer runs from that layer only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ltp_deploy.bundle.limits import length_batches
from ltp_deploy.data.batch import PackedBatch
from ltp_deploy.model.encoder import Encoder, Layer
from ltp_deploy.model.oracle import (
    attend,
    attention_probabilities,
    decide,
    padded_position_ids,
)
from ltp_deploy.model.policy import PrunePolicy
from ltp_deploy.model.survivors import SurvivorProfile
from ltp_deploy.progress import track

BATCH = 32  # sequences
TOKENS = 4096  # of a batch, padding not counted


@dataclass(frozen=True)
class State:
    """What enters a layer, of B sequences with up to m tokens left.

    Attributes:
        x: [B, m, d] float32.
        alive: [B, m] bool.
        lengths: [B] integers, each sequence's original number of tokens.
        left: [B, d] the sum of the states of pruned tokens, or None, see `Encoder.pool`.
        counts: one [B] tensor of integers for each layer before this one, the tokens it kept.
        finished: one [B] tensor of bool for each of them, whether the first token is pruned.
    """

    x: Tensor
    alive: Tensor
    lengths: Tensor
    left: Tensor | None
    counts: tuple[Tensor, ...] = ()
    finished: tuple[Tensor, ...] = ()


# (number of the layer, layer, its attention probabilities [B, H, m, m], what enters it) -> the
# tokens [B, m] bool that it keeps, or None where it keeps all.
Decide = Callable[[int, Layer, Tensor, State], Tensor | None]


def by_policy(policy: PrunePolicy) -> Decide:
    """The decisions of a policy, as at inference."""

    def decision(index: int, layer: Layer, probability: Tensor, state: State) -> Tensor | None:
        rule = policy.layers[index]
        if not rule.prunes:
            return None
        score = probability.sum((1, 2))
        return decide(rule, policy, layer.heads, score, state.alive, state.lengths)[0]

    return decision


@dataclass(frozen=True)
class Run:
    """The answers to N sequences, and the tokens that were left.

    Attributes:
        logits: [N, num_labels] float32.
        profile: the tokens that each layer keeps, and the sequences that it finishes.
        states: for each layer what entered it, batch by batch; only where a run was asked for them.
    """

    logits: np.ndarray
    profile: SurvivorProfile
    states: list[list[State]]


class Forward:
    """N sequences in batches of similar length, and an encoder whose own policy is not used.

    The encoder moves to PyTorch's GPU, where there is one.
    """

    def __init__(self, encoder: Encoder, data: PackedBatch):
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.encoder = encoder.to(self.device)
        self.data = data
        self.batches = length_batches(data.lengths, BATCH, TOKENS)

    @torch.inference_mode()
    def run(
        self,
        decision: Decide,
        first: int = 0,
        states: list[State] | None = None,
        record: bool = False,
    ) -> Run:
        """Run the layers from `first` on.

        Args:
            decision: which tokens each layer keeps.
            first: the first layer that is run.
            states: what enters it, batch by batch, as a run with `record` gives it; None embeds
                the tokens, for layer 0.
            record: whether to keep what enters each layer.
        """
        encoder, lengths = self.encoder, self.data.lengths
        layers = encoder.config.layers
        logits = np.zeros((len(lengths), encoder.config.num_labels), np.float32)
        alive = np.zeros((len(lengths), layers + 1), np.int64)
        alive[:, 0] = lengths
        finished = np.zeros((len(lengths), layers), bool)
        seen: list[list[State]] = [[] for _ in range(layers)]
        batches = zip(self.batches, states or self._embedded(), strict=True)
        for chosen, entering in track(batches, "evaluate", "batch", total=len(self.batches)):
            state = entering
            for index in range(first, layers):
                if record:
                    seen[index].append(state)
                layer = encoder.layers[index]
                assert isinstance(layer, Layer)
                first_alone = index == layers - 1 and encoder.config.reads_first
                state = advanced(index, layer, state, decision, first_alone)
            pooled = encoder.pool(state.x, state.alive, state.left, state.lengths)
            logits[chosen] = encoder.answer(pooled).cpu().numpy()
            alive[chosen, 1:] = torch.stack(state.counts, 1).cpu().numpy()
            finished[chosen] = torch.stack(state.finished, 1).cpu().numpy()
        return Run(logits, SurvivorProfile(alive, finished), seen if record else [])

    def _embedded(self) -> Iterator[State]:
        encoder = self.encoder
        for chosen in self.batches:
            padded = self.data.select(chosen).padded(encoder.config.pad_token_id)
            ids, types, mask = (torch.from_numpy(part).to(self.device) for part in padded)
            x = encoder.embed(ids, padded_position_ids(encoder, ids, mask), types)
            yield State(x, mask, mask.sum(1), encoder.nothing_left(x))


def advanced(index: int, layer: Layer, state: State, decision: Decide, first_alone: bool) -> State:
    """What leaves a layer; pruned tokens finish nothing, since no later layer reads them.

    Args:
        first_alone: nothing reads more of it than the first token.
    """
    probability = attention_probabilities(layer, state.x, state.alive)
    context, x, alive = attend(layer, probability, state.x), state.x, state.alive
    left, kept = state.left, decision(index, layer, probability, state)
    if kept is not None:
        if left is not None:
            left = left + (x * (alive & ~kept)[..., None]).sum(1)
        alive, context, x = compacted(kept, context, x)
    counts = (*state.counts, alive.sum(1))
    finished = (*state.finished, ~alive[:, 0])
    if first_alone:
        alive, context, x = alive[:, :1], context[:, :1], x[:, :1]
    return State(layer.finish(context, x), alive, state.lengths, left, counts, finished)


def compacted(alive: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
    """Move the tokens that are kept to the left, in their order, and cut off what is left over.

    The first token of each sequence stays, kept or pruned, since the head reads it.

    Args:
        alive: [B, n] bool, the tokens that are kept.
        states: each [B, n, d].

    Returns:
        alive [B, m] and the states [B, m, d], where m is the largest number of tokens that a
        sequence still has.
    """
    present = alive.clone()
    present[:, 0] = True
    longest = int(present.sum(1).max())
    if longest == alive.shape[1]:
        return alive, *states
    order = torch.argsort(present, dim=1, descending=True, stable=True)[:, :longest]
    rows = torch.arange(len(alive), device=alive.device)[:, None]
    return alive[rows, order], *(state[rows, order] for state in states)
