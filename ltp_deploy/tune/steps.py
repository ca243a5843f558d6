"""Policies that prune more and more, one layer at a time, where it changes the answers least."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from ltp_deploy.data.batch import PackedBatch
from ltp_deploy.heads import head_of
from ltp_deploy.model.config import EncoderConfig
from ltp_deploy.model.encoder import Encoder, Layer
from ltp_deploy.model.flops import engine_flops
from ltp_deploy.model.oracle import attention_probabilities, compared, decide
from ltp_deploy.model.policy import Carry, LayerRule, Mode, PrunePolicy
from ltp_deploy.model.survivors import SurvivorProfile
from ltp_deploy.tune.forward import Forward, Run, State, by_policy

SHARE = 0.12  # of a layer's kept tokens, which a step drops
LEAST_SAVED = 5e-4  # of the dense model's work; a step that saves less is none


@dataclass(frozen=True)
class Step:
    """A policy on the way.

    Attributes:
        policy: what each layer does.
        change: how far the sample's answers are from the dense model's, see `Head.distillation`.
        work: the share of the dense model's multiply-adds that an engine still computes on the
            sample.
    """

    policy: PrunePolicy
    change: float
    work: float


def engine_work(config: EncoderConfig, profile: SurvivorProfile) -> float:
    """An engine's multiply-adds over those of the dense engine, which packs as well.

    Args:
        config: the model's shape.
        profile: the tokens that each layer keeps, and the sequences that it finishes.
    """
    last = Carry.FIRST if config.reads_first else Carry.SURVIVORS
    carries = (Carry.SURVIVORS,) * (config.layers - 1) + (last,)

    def count(found: SurvivorProfile) -> float:
        rows = found.carried(carries)
        return sum(layer.total for layer in engine_flops(config, rows, carries))

    dense = SurvivorProfile.unpruned(profile.alive[:, 0], config.layers)
    return count(profile) / count(dense)


def between(values: np.ndarray, share: float) -> float | None:
    """A number with a share of the values [N] below it, or less where some are equal, but at least
    one on either side; None where there is no such number.

    It lies halfway between two values. The rounding of another backend then moves none of them to
    its other side, unless these two are next to equal.
    """
    distinct = np.unique(values).astype(float)
    if len(distinct) < 2:
        return None
    above = max(1, int(np.searchsorted(distinct, np.quantile(values, share))))
    return float(distinct[above - 1 : above + 1].mean())


@dataclass(frozen=True)
class _Offer:
    """A step that a layer could take: its price, and what then enters each layer."""

    step: Step
    price: float
    states: list[list[State]]


class Steps:
    """A walk from one policy to others that prune more.

    Each step lets one layer drop `SHARE` of the tokens that it kept. Of the layers that it tries it
    takes the one that adds the least change of the answers for the work that it saves. No labels
    are used. What enters each layer is kept, up to three times: [tokens of the sample, d] float32
    for every layer.
    """

    def __init__(self, encoder: Encoder, sample: PackedBatch, start: PrunePolicy, mode: Mode):
        """
        Args:
            encoder: the model, whose own policy is not used.
            sample: the texts on which changes and savings are measured.
            start: the policy to start from.
            mode: of the rule that a layer gets which did not prune at the start. The last layer
                gets none where no answer depends on it.
        """
        self.encoder = encoder
        self.forward = Forward(encoder, sample)
        self.start = start
        self.mode = mode
        self.head = head_of(encoder.config)
        dense = self.forward.run(by_policy(PrunePolicy.dense(encoder.config.layers)))
        self.teacher = torch.from_numpy(dense.logits)

    def __iter__(self) -> Iterator[Step]:
        """The steps, the start left out; ends where no layer can drop more.

        A layer's price is the change that its step adds for the work that it saves. Prices mostly
        rise while other layers drop more, so layers are tried in the order of the prices that they
        had, until the best one found is below the next; most layers then need no run.
        """
        run = self.forward.run(by_policy(self.start), record=True)
        now, states = self._measured(self.start, run), run.states
        config = self.encoder.config
        prices = dict.fromkeys(range(config.layers - config.reads_first), -math.inf)
        while True:
            best: _Offer | None = None
            for index in sorted(prices, key=prices.__getitem__):
                if best is not None and best.price <= prices[index]:
                    break
                offer = self._offer(now, index, states)
                if offer is None:
                    del prices[index]
                    continue
                prices[index] = offer.price
                if best is None or offer.price < best.price:
                    best = offer
            if best is None:
                return
            yield best.step
            now, states = best.step, best.states

    def _offer(self, now: Step, index: int, states: list[list[State]]) -> _Offer | None:
        """What a layer's next step gives; None where it saves nothing."""
        rule = self._stronger(now.policy, index, states[index])
        if rule is None:
            return None
        rules = (*now.policy.layers[:index], rule, *now.policy.layers[index + 1 :])
        policy = replace(now.policy, layers=rules)
        run = self.forward.run(by_policy(policy), index, states[index], record=True)
        step = self._measured(policy, run)
        saved = now.work - step.work
        if saved <= LEAST_SAVED:
            return None
        price = (step.change - now.change) / saved
        return _Offer(step, price, [*states[: index + 1], *run.states[index + 1 :]])

    def _measured(self, policy: PrunePolicy, run: Run) -> Step:
        change = float(self.head.distillation(torch.from_numpy(run.logits), self.teacher))
        return Step(policy, change, engine_work(self.encoder.config, run.profile))

    def _stronger(self, policy: PrunePolicy, index: int, states: list[State]) -> LayerRule | None:
        """The layer's rule when it keeps `SHARE` less of what it kept; None where nothing is left
        to drop."""
        rule = policy.layers[index]
        mode = rule.mode if rule.prunes else self.mode
        if mode is Mode.TOPK:
            rates = [r.threshold for r in policy.layers[: index + 1] if r.mode is Mode.TOPK]
            return LayerRule(mode, (1 - SHARE) * min(rates, default=1.0))
        threshold = between(self._values(policy, index, mode, states), SHARE)
        return None if threshold is None else LayerRule(mode, threshold)

    @torch.inference_mode()
    def _values(
        self, policy: PrunePolicy, index: int, mode: Mode, states: list[State]
    ) -> np.ndarray:
        """What a threshold of this layer is compared with, for all tokens that the layer keeps now
        and might drop."""
        layer = self.encoder.layers[index]
        assert isinstance(layer, Layer)
        found = []
        for state in states:
            score = attention_probabilities(layer, state.x, state.alive).sum((1, 2))
            known = policy, layer.heads, score, state.alive, state.lengths
            kept, _ = decide(policy.layers[index], *known)
            kept = kept & state.alive
            if policy.keep_first:
                kept[:, 0] = False
            found.append(compared(mode, *known)[kept])
        return torch.cat(found).cpu().numpy()
