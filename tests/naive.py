"""What a released LTP model means, one sequence and one number at a time.

Written from the method's definition alone, in float64 and in place, for tests to compare with: it
shares no code and no data layout with the package.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Rule:
    """How a layer prunes."""

    heads: int
    mode: str
    threshold: float
    score_length: int
    keep_first: bool


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def probabilities(q: Array, k: Array, heads: int) -> Array:
    """[heads, queries, keys] from [queries, d] and [keys, d]."""
    size = q.shape[1] // heads
    return np.stack(
        [
            softmax(q[:, h * size : (h + 1) * size] @ k[:, h * size : (h + 1) * size].T / size**0.5)
            for h in range(heads)
        ]
    )


def attend(p: Array, v: Array) -> Array:
    """[queries, d] from probabilities [heads, queries, keys] and values [keys, d]."""
    heads = np.split(v, len(p), axis=1)
    return np.concatenate([p[h] @ heads[h] for h in range(len(p))], axis=1)


def keep_top(scores: dict[int, float], count: int) -> list[int]:
    """The `count` highest, lower index first among equals."""
    return sorted(sorted(scores, key=lambda i: (-scores[i], i))[:count])


def half_to_even(x: float) -> int:
    return int(np.rint(np.float32(x)))


def decide(rule: Any, scores: dict[int, float], length: int) -> tuple[list[int], float]:
    """(who survives, the smallest relative distance of a score from what decides its fate).

    `scores` are summed over heads and queries; `rule` is a `Rule`, or a `Problem` of the op.
    """
    first, theta = min(scores), rule.threshold
    if rule.mode == "none":
        return list(scores), math.inf
    if rule.mode == "topk":
        if theta == 1:
            return list(scores), math.inf
        ranked = {**scores, **({first: math.inf} if rule.keep_first else {})}
        count = max(half_to_even(np.float32(theta) * length), int(rule.keep_first))
        ordered = sorted(ranked.values(), reverse=True)
        inside = 0 < count < len(ordered)
        margin = ordered[count - 1] / ordered[count] - 1 if inside else math.inf
        return keep_top(ranked, count), margin
    if rule.mode == "absolute":
        values = {i: s / (rule.heads * (rule.score_length or length)) for i, s in scores.items()}
    else:
        values = {i: s / max(scores.values()) for i, s in scores.items()}
    judged = {i: s for i, s in values.items() if not (rule.keep_first and i == first)}
    survivors = [i for i in values if i not in judged or not values[i] < theta]
    distances = [abs(s / theta - 1) for s in judged.values()] if theta > 0 else []
    return survivors, min(distances, default=math.inf)


def released_rule(config: Mapping[str, Any], layer: int, learned: float, score_length: int) -> Rule:
    """What the four prune modes of the released code mean in a layer."""
    layers, mode = config["num_hidden_layers"], config["prune_mode"]

    def rule(kind: str, threshold: float = 0.0) -> Rule:
        return Rule(config["num_attention_heads"], kind, threshold, score_length, keep_first=False)

    if mode == "absolute_threshold":
        theta = config["final_token_threshold"] * layer / layers + learned
        return rule("none") if theta == 0 else rule("absolute", max(1e-5, theta))
    if mode == "threshold":
        return rule("relative", config["token_threshold"])
    if mode == "rising_threshold":
        return rule("relative", config["final_token_threshold"] * layer / layers)
    first = max(3, math.ceil(0.15 * layers))
    if mode == "topk" and layer >= first:
        slope = (config["token_keep_rate"] - 1) / (layers - first)
        return rule("topk", max(0.01, 1 + slope * (layer - first + 1)))
    return rule("none")


def released_model(
    config: Mapping[str, Any],
    state: Mapping[str, Array],
    ids: list[int],
    types: list[int],
    score_length: int = 128,
) -> tuple[Array, list[list[int]], float]:
    """Of one sequence: logits, the surviving positions per layer, and how close the closest call
    was.
    """
    w = {name: np.asarray(value, np.float64) for name, value in state.items()}
    layers, heads = config["num_hidden_layers"], config["num_attention_heads"]
    pad, eps = config["pad_token_id"], config["layer_norm_eps"]

    def linear(name: str, x: Array) -> Array:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def norm(name: str, x: Array) -> Array:
        centred = x - x.mean(-1, keepdims=True)
        scale = np.sqrt((centred**2).mean(-1, keepdims=True) + eps)
        return centred / scale * w[f"{name}.weight"] + w[f"{name}.bias"]

    positions, count = [], 0
    for token in ids:
        count += token != pad
        positions.append(pad if token == pad else pad + count)
    x = (
        w["ibert.embeddings.word_embeddings.weight"][ids]
        + w["ibert.embeddings.position_embeddings.weight"][positions]
        + w["ibert.embeddings.token_type_embeddings.weight"][types]
    )
    x = norm("ibert.embeddings.LayerNorm", x)
    alive, survivors, margin = list(range(len(ids))), [], math.inf
    for i in range(layers):
        name = f"ibert.encoder.layer.{i}"
        context = np.zeros_like(x)
        kept: list[int] = []
        if alive:
            q, k, v = (
                linear(f"{name}.attention.self.{part}", x[alive])
                for part in ("query", "key", "value")
            )
            p = probabilities(q, k, heads)
            context[alive] = attend(p, v)
            learned = float(w[f"{name}.attention.self.pruner.keep_threshold"])
            rule = released_rule(config, i, learned, score_length)
            scores = dict(zip(alive, p.sum((0, 1)).tolist(), strict=True))
            kept, closest = decide(rule, scores, len(ids))
            margin = min(margin, closest)
        x = norm(
            f"{name}.attention.output.LayerNorm",
            linear(f"{name}.attention.output.dense", context) + x,
        )
        wide = linear(f"{name}.intermediate.dense", x)
        wide = wide * np.vectorize(lambda u: 0.5 * (1 + math.erf(u / math.sqrt(2))))(wide)
        x = norm(f"{name}.output.LayerNorm", linear(f"{name}.output.dense", wide) + x)
        alive = kept
        survivors.append(kept)
    head = np.tanh(linear("classifier.dense", x[0]))
    return linear("classifier.out_proj", head), survivors, margin


def pruned_attention(problem: Any) -> tuple[Array, list[int], list[int], list[int], float]:
    """The op on a `Problem`: context, kept, offsets, alive, and how close the closest call was."""
    context, kept, offsets, alive, margin = [], [], [0], [], math.inf
    hidden = problem.qkv.shape[1] // 3
    q, k, v = np.split(np.asarray(problem.qkv, np.float64), 3, axis=1)
    for b, length in enumerate(problem.lengths.tolist()):
        rows = range(problem.offsets[b], problem.offsets[b + 1])
        living = [i for i in rows if problem.alive[i]]
        answer: dict[int, Array] = {}
        survivors: list[int] = []
        if living and living[0] == rows[0]:
            p = probabilities(q[living], k[living], problem.heads)
            answer = dict(zip(living, attend(p, v[living]), strict=True))
            scores = dict(zip(living, p.sum((0, 1)).tolist(), strict=True))
            survivors, closest = decide(problem, scores, length)
            margin = min(margin, closest)
            if rows[0] not in survivors:
                survivors = []
        carried = {"all": list(rows), "first": []}.get(problem.carry, survivors)
        for i in sorted({*rows[:1], *carried}):
            lives = i in survivors
            context.append(answer[i] if lives or (answer and i == rows[0]) else np.zeros(hidden))
            kept.append(i)
            alive.append(int(lives))
        offsets.append(len(kept))
    if problem.carry in ("all", "bounded"):  # padding
        spare = range(len(kept), len(problem.qkv))
        kept += spare if problem.carry == "all" else [0] * len(spare)
        alive += [0] * len(spare)
        context += [np.zeros(hidden)] * len(spare)
    return np.array(context).reshape(-1, hidden), kept, offsets, alive, margin
