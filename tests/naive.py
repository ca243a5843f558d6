"""What a released LTP model means, one sequence and one number at a time.

Written from the method's definition alone, in float64 and in place, for tests to compare with: it
shares no code and no data layout with the package.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Array = np.ndarray
# (summed scores by token, layer) -> the tokens to keep
Decide = Callable[[dict[int, float], int], list[int]]


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


def keep_absolute(scores: dict[int, float], theta: float, heads: int, length: int) -> list[int]:
    return [i for i, s in scores.items() if not s / (heads * length) < theta]


def keep_relative(scores: dict[int, float], theta: float) -> list[int]:
    best = max(scores.values())
    return [i for i, s in scores.items() if not s / best < theta]


def keep_top(scores: dict[int, float], count: int) -> list[int]:
    """The `count` highest, lower index first among equals."""
    return sorted(sorted(scores, key=lambda i: (-scores[i], i))[:count])


def half_to_even(x: float) -> int:
    return int(np.rint(np.float32(x)))


def released_rule(config: Mapping[str, Any], learned: list[float], length: int, D: int) -> Decide:
    """The four prune modes of the released code for a sequence of `length` tokens."""
    layers, heads, mode = (
        config["num_hidden_layers"],
        config["num_attention_heads"],
        config["prune_mode"],
    )

    def decide(scores: dict[int, float], layer: int) -> list[int]:
        everyone = list(scores)
        if mode == "absolute_threshold":
            theta = config["final_token_threshold"] * layer / layers + learned[layer]
            return everyone if theta == 0 else keep_absolute(scores, max(1e-5, theta), heads, D)
        if mode == "threshold":
            return keep_relative(scores, config["token_threshold"])
        if mode == "rising_threshold":
            return keep_relative(scores, config["final_token_threshold"] * layer / layers)
        if mode == "topk":
            first = max(3, math.ceil(0.15 * layers))
            if layer < first:
                return everyone
            slope = (config["token_keep_rate"] - 1) / (layers - first)
            rate = max(0.01, 1 + slope * (layer - first + 1))
            return everyone if rate == 1 else keep_top(scores, half_to_even(length * rate))
        return everyone

    return decide


def released_model(
    config: Mapping[str, Any],
    state: Mapping[str, Array],
    ids: list[int],
    types: list[int],
    score_length: int = 128,
) -> tuple[Array, list[list[int]]]:
    """Logits and, per layer, the surviving positions of one sequence."""
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
    learned = [
        float(w[f"ibert.encoder.layer.{i}.attention.self.pruner.keep_threshold"])
        for i in range(layers)
    ]
    decide = released_rule(config, learned, len(ids), score_length)
    alive, survivors = list(range(len(ids))), []
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
            kept = decide(dict(zip(alive, p.sum((0, 1)), strict=True)), i)
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
    return linear("classifier.out_proj", head), survivors


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


def decide(problem: Any, scores: dict[int, float], length: int) -> tuple[list[int], float]:
    """(who survives, the smallest relative distance of a score from what decides its fate)."""
    first, theta = min(scores), problem.threshold
    if problem.mode == "none":
        return list(scores), math.inf
    if problem.mode == "topk":
        if theta == 1:
            return list(scores), math.inf
        ranked = {**scores, **({first: math.inf} if problem.keep_first else {})}
        count = max(half_to_even(np.float32(theta) * length), int(problem.keep_first))
        ordered = sorted(ranked.values(), reverse=True)
        inside = 0 < count < len(ordered)
        margin = ordered[count - 1] / ordered[count] - 1 if inside else math.inf
        return keep_top(ranked, count), margin
    if problem.mode == "absolute":
        values = {
            i: s / (problem.heads * (problem.score_length or length)) for i, s in scores.items()
        }
    else:
        values = {i: s / max(scores.values()) for i, s in scores.items()}
    judged = {i: s for i, s in values.items() if not (problem.keep_first and i == first)}
    survivors = [i for i in values if i not in judged or not values[i] < theta]
    distances = [abs(s / theta - 1) for s in judged.values()] if theta > 0 else []
    return survivors, min(distances, default=math.inf)
