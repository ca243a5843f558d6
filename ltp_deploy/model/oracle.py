"""The oracle: what a trained LTP model means, with masks on padded batches and no work saved.

It is deliberately written apart from the packed op: there is no compaction, every token stays in
place, and pruned ones are masked, as in the authors' released code. Parity is agreement with this.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ltp_deploy.model.config import EncoderConfig
from ltp_deploy.model.encoder import Encoder, Layer
from ltp_deploy.model.policy import LayerRule, Mode, PrunePolicy


@dataclass(frozen=True)
class OracleOutput:
    """What the oracle computes for a padded batch of B sequences of up to n tokens.

    Attributes:
        logits: [B, num_labels] float32.
        survivors: [B, L, n] bool; tokens alive after each layer.
        margins: [B, L, n] float32; how far each token's score lies above (+) or below (-) the value
            at which it would be decided differently, relative to that value; infinite where nothing
            was decided.
    """

    logits: Tensor
    survivors: Tensor
    margins: Tensor


@torch.inference_mode()
def masked_forward(
    encoder: Encoder, input_ids: Tensor, token_type_ids: Tensor, mask: Tensor
) -> OracleOutput:
    """Run a padded batch.

    Args:
        encoder: weights and policy.
        input_ids, token_type_ids: [B, n] integers.
        mask: [B, n] bool; true for tokens, which come first in each row, false for padding.
    """
    config = encoder.config
    x = encoder.embed(input_ids, padded_position_ids(encoder, input_ids, mask), token_type_ids)
    lengths = mask.sum(1)
    alive = mask
    survivors, margins = [], []
    held = torch.zeros_like(x)  # of tokens that were pruned, the state that they had then
    for layer in encoder.layers:
        assert isinstance(layer, Layer)
        probability = attention_probabilities(layer, x, alive)
        score = probability.sum((1, 2))
        keep, margin = decide(layer.rule, config.policy, config.heads, score, alive, lengths)
        held = torch.where((alive & ~keep)[..., None], x, held)
        # A token pruned here still finishes this layer; from the next one on its context is zero.
        x = layer.finish(attend(layer, probability, x), x)
        alive = keep
        survivors.append(alive)
        margins.append(margin)
    pooled = _pooled(config, x, held, alive, mask)
    return OracleOutput(encoder.answer(pooled), torch.stack(survivors, 1), torch.stack(margins, 1))


def _pooled(config: EncoderConfig, x: Tensor, held: Tensor, alive: Tensor, mask: Tensor) -> Tensor:
    """[B, d] what the head reads: the first token's last state, pruned or not, or a mean.

    Args:
        x: [B, n, d] last states; held: those that pruned tokens had when they were pruned.
        alive, mask: [B, n] bool, tokens that no layer pruned, and all that are no padding.
    """
    if config.reads_first:
        return x[:, 0]
    counted = mask if config.pooling == "frozen" else alive
    states = torch.where(alive[..., None], x, held)
    return (states * counted[..., None]).sum(1) / counted.sum(1, keepdim=True)


def padded_position_ids(encoder: Encoder, input_ids: Tensor, mask: Tensor) -> Tensor:
    """Position ids [B, n]; padding gets position 0, whose embedding reaches no answer."""
    config = encoder.config
    counted = mask & (input_ids != config.pad_token_id) if config.padding_skips else mask
    position = torch.cumsum(counted, 1) + config.position_start - 1
    if config.padding_skips:
        position = torch.where(counted, position, config.position_start - 1)
    return torch.where(mask, position, 0)


def attention_probabilities(layer: Layer, x: Tensor, alive: Tensor) -> Tensor:
    """softmax(QK^T / sqrt(size)) [B, H, n, n] over alive keys; zero for queries that are not alive.

    Args:
        layer: whose projections of queries and keys are used.
        x: [B, n, d].
        alive: [B, n] bool.
    """
    q, k = split_heads(layer, layer.query(x)), split_heads(layer, layer.key(x))
    logits = q @ k.transpose(2, 3) / q.shape[-1] ** 0.5
    logits = logits.masked_fill(~alive[:, None, None, :], torch.finfo(logits.dtype).min)
    return torch.softmax(logits, -1) * alive[:, None, :, None]


def attend(layer: Layer, probability: Tensor, x: Tensor) -> Tensor:
    """The context [B, n, d]; zero for tokens that are not alive, as their probabilities are zero.

    Args:
        layer: whose projection of values is used.
        probability: [B, H, n, n].
        x: [B, n, d].
    """
    v = split_heads(layer, layer.value(x))
    return (probability @ v).transpose(1, 2).flatten(2)


def split_heads(layer: Layer, x: Tensor) -> Tensor:
    """[B, n, d] -> [B, H, n, d/H]."""
    return x.reshape(*x.shape[:-1], layer.heads, -1).transpose(1, 2)


def decide(
    rule: LayerRule, policy: PrunePolicy, heads: int, score: Tensor, alive: Tensor, lengths: Tensor
) -> tuple[Tensor, Tensor]:
    """Survivors [B, n] bool and margins [B, n] of one layer.

    Args:
        rule, policy: the layer's rule and the conventions that hold for all layers.
        heads: number of attention heads.
        score: [B, n]; attention probabilities summed over heads and alive queries.
        alive: [B, n] bool; tokens that no earlier layer pruned.
        lengths: [B]; each sequence's original number of tokens.
    """
    undecided = torch.full_like(score, torch.inf)
    if not rule.prunes:
        return alive, undecided
    if rule.mode is Mode.TOPK:
        return _top_k(rule.threshold, policy, score, alive, lengths)
    value = compared(rule.mode, policy, heads, score, alive, lengths)
    keep = alive & ~(value < rule.threshold)
    margin = torch.where(alive, value / rule.threshold - 1, undecided)
    if policy.keep_first:
        keep = keep.clone()
        keep[:, 0] |= alive[:, 0]
        margin[:, 0] = torch.inf
    return keep, margin


def compared(
    mode: Mode, policy: PrunePolicy, heads: int, score: Tensor, alive: Tensor, lengths: Tensor
) -> Tensor:
    """[B, n] what an absolute or a relative threshold is compared with; arguments as `decide`."""
    if mode is Mode.ABSOLUTE:
        return score / (heads * (policy.score_length or lengths[:, None]))
    return score / score.masked_fill(~alive, 0).amax(1, keepdim=True)


def _top_k(
    rate: float, policy: PrunePolicy, score: Tensor, alive: Tensor, lengths: Tensor
) -> tuple[Tensor, Tensor]:
    ranked = score.masked_fill(~alive, -torch.inf)
    if policy.keep_first:
        ranked[:, 0] = torch.where(alive[:, 0], torch.inf, ranked[:, 0])
    k = torch.round(torch.tensor(rate, dtype=torch.float32) * lengths)
    k = torch.clamp(k, min=1 if policy.keep_first else 0)[:, None]
    ordered, order = torch.sort(ranked, dim=1, descending=True, stable=True)
    places = torch.arange(order.shape[1], device=order.device).expand_as(order)
    rank = torch.empty_like(order).scatter_(1, order, places)
    keep = alive & (rank < k)
    # The border lies between the last score kept and the first one dropped.
    n = score.shape[1]
    last = ordered.gather(1, (k.long() - 1).clamp(0, n - 1))
    first_out = ordered.gather(1, k.long().clamp(0, n - 1))
    rival = torch.where(keep, first_out, last)
    margin = torch.where(alive & torch.isfinite(rival), ranked / rival - 1, torch.inf)
    return keep, margin
