"""Ways to prune a dense model without training, compared at equal work: one JSON file per task.

Usage: python benchmarks/tuning.py --data DIR [--tasks sst2,mrpc] [--work FOLDER]

DIR holds a folder for each task, as for learning.py, whose dense model this script starts from and
trains if FOLDER has none. A method that a result file has is not run again, so an interrupted run
continues where it stopped.

A method is a score of tokens, a rule that compares it with a threshold, and a way to give each
layer its threshold. Thresholds are found on search texts, without labels, and judged on test texts.
"""

from __future__ import annotations

import argparse
import json
import warnings
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from learning import TASKS, first_job
from torch import Tensor

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.checkpoint.save import write_json
from ltp_deploy.data.batch import PackedBatch
from ltp_deploy.data.examples import DataOptions, Examples, read_examples
from ltp_deploy.data.transformers_tokenizer import TransformersTokenizer
from ltp_deploy.hardware.machine import describe_machine
from ltp_deploy.heads import head_of
from ltp_deploy.learn.sweep import completed
from ltp_deploy.model.encoder import Encoder, Layer
from ltp_deploy.model.oracle import attention_probabilities, split_heads
from ltp_deploy.tune.data import TaskData
from ltp_deploy.tune.evaluate import point_of
from ltp_deploy.tune.forward import Decide, Forward, Run, State
from ltp_deploy.tune.interval import drop_interval
from ltp_deploy.tune.steps import LEAST_SAVED, SHARE, engine_work

RESULTS = Path(__file__).parent / "results" / "tuning"
SEED = 0
RATIOS = (1.2, 1.35, 1.5, 1.65)  # times less work in an engine, on the search texts
FACTORS = tuple(0.002 * 1.08**power for power in range(82))  # to 1


@dataclass(frozen=True)
class Part:
    """Texts of a task: so many of a file's rows, random ones after the first `skip`; None is all.

    Texts that the dense model was trained on may be searched on, since no label is looked at.
    """

    file: str
    texts: int | None = None
    skip: int = 0

    def read(self, folder: Path) -> Examples:
        found = read_examples(str(folder / self.file), DataOptions())
        assert found.labels is not None
        order = self.skip + np.random.default_rng(SEED).permutation(len(found) - self.skip)
        rows = order[: self.texts].tolist()
        texts, labels = ([values[i] for i in rows] for values in (found.texts, found.labels))
        return Examples(texts, labels, found.metric, found.columns)


PARTS = {
    "sst2": (Part("dev.tsv", 400), Part("test.tsv")),
    "mrpc": (Part("train.tsv", 200), Part("test.tsv", 800)),
    "rte": (Part("train.tsv", 150), Part("dev.tsv")),
    "imdb": (Part("train.tsv", 100, skip=4000), Part("test.tsv", 300)),
}

# (layer, its attention probabilities [B, H, m, m], what enters it) -> scores of tokens [B, m]
Score = Callable[[Layer, Tensor, State], Tensor]
# (scores [B, m], number of heads, what enters the layer) -> [B, m] what is compared with the
# threshold: tokens below it are pruned, and 0 prunes none
Rule = Callable[[Tensor, int, State], Tensor]


def attention(layer: Layer, probability: Tensor, state: State) -> Tensor:
    """The attention that a token receives from all tokens: the score of the LTP paper."""
    return probability.sum((1, 2))


def first_row(layer: Layer, probability: Tensor, state: State) -> Tensor:
    """The attention that a token receives from the first token, which the answer is read from."""
    return probability[:, :, 0].sum(1)


def values(layer: Layer, probability: Tensor, state: State) -> Tensor:
    """The attention received in each head times the norm of the token's value there."""
    norms = split_heads(layer, layer.value(state.x)).norm(dim=-1)
    return (probability.sum(2) * norms).sum(1)


def outputs(layer: Layer, probability: Tensor, state: State) -> Tensor:
    """The same with the norm of what the output projection makes of the value."""
    heads = split_heads(layer, layer.value(state.x)).unbind(1)
    columns = layer.attention_output.weight.chunk(layer.heads, 1)
    norms = [(v @ w.T).norm(dim=-1) for v, w in zip(heads, columns, strict=True)]
    return (probability.sum(2) * torch.stack(norms, 1)).sum(1)


def absolute(score: Tensor, heads: int, state: State) -> Tensor:
    """The score over heads and the text's own length."""
    return score / (heads * state.lengths[:, None])


def absolute_128(score: Tensor, heads: int, state: State) -> Tensor:
    """The score over heads and 128, whatever the text's length."""
    return score / (heads * 128)


def relative(score: Tensor, heads: int, state: State) -> Tensor:
    """The score over the text's best one."""
    return score / score.masked_fill(~state.alive, 0).amax(1, keepdim=True)


def topk(score: Tensor, heads: int, state: State) -> Tensor:
    """The share of the text's own length that is behind the token in rank: a threshold t keeps the
    best 1 - t of the text's tokens."""
    order = torch.argsort(_with_first(score, state), dim=1, descending=True, stable=True)
    ranks = torch.arange(order.shape[1], device=order.device).expand_as(order)
    rank = torch.empty_like(order).scatter_(1, order, ranks)
    return 1 - (rank + 0.5) / state.lengths[:, None]


def mass(score: Tensor, heads: int, state: State) -> Tensor:
    """The share of all scores that the token and those with worse ones hold together: a threshold t
    keeps the best tokens that hold 1 - t."""
    ordered, order = torch.sort(score.masked_fill(~state.alive, 0), dim=1, descending=True)
    held = ordered.flip(1).cumsum(1).flip(1) / ordered.sum(1, keepdim=True)
    return torch.empty_like(score).scatter_(1, order, held)


def _with_first(score: Tensor, state: State) -> Tensor:
    """The scores with the first token's above all, and pruned ones below all."""
    ranked = score.masked_fill(~state.alive, -torch.inf)
    ranked[:, 0] = torch.inf
    return ranked


SCORES: dict[str, Score] = {
    "attention": attention,
    "first row": first_row,
    "values": values,
    "outputs": outputs,
}
RULES: dict[str, Rule] = {
    "relative": relative,
    "absolute": absolute,
    "absolute-128": absolute_128,
    "topk": topk,
    "mass": mass,
}
Thresholds = tuple[float, ...]  # one for each layer


@dataclass(frozen=True)
class Method:
    """A rule on a score.

    Attributes:
        rule, score: names in `RULES` and `SCORES`.
        layerwise: whether thresholds grow layer by layer where that changes answers least; else
            they rise linearly with the layer, by one factor.
    """

    rule: str
    score: str = "attention"
    layerwise: bool = True

    def __str__(self) -> str:
        return f"{self.rule}, {self.score}, {'layer by layer' if self.layerwise else 'one factor'}"

    def compared(self, layer: Layer, probability: Tensor, state: State) -> Tensor:
        score = SCORES[self.score](layer, probability, state)
        return RULES[self.rule](score, layer.heads, state)

    def decision(self, thresholds: Thresholds) -> Decide:
        """The first token is always kept."""

        def decide(index: int, layer: Layer, probability: Tensor, state: State) -> Tensor | None:
            if not thresholds[index]:
                return None
            value = self.compared(layer, probability, state)
            kept = state.alive & ~(value < thresholds[index])
            kept[:, 0] = True
            return kept

        return decide


METHODS = (
    *(Method(rule) for rule in RULES),
    *(Method("relative", score) for score in SCORES if score != "attention"),
    *(Method(rule, layerwise=False) for rule in RULES),
    *(Method("relative", score, layerwise=False) for score in SCORES if score != "attention"),
)


class Model:
    """A dense model and texts, on which methods are tried.

    Attributes:
        dense: the run without pruning.
    """

    def __init__(self, encoder: Encoder, batch: PackedBatch):
        self.encoder = encoder
        self.layers = encoder.config.layers
        self.head = head_of(encoder.config)
        self.forward = Forward(encoder, batch)
        self.unpruned = (0.0,) * self.layers
        self.dense = self.forward.run(Method("relative").decision(self.unpruned), record=True)

    def run(self, method: Method, thresholds: Thresholds, record: bool = False) -> Run:
        """Run what comes after the layers that do not prune, which the dense run has."""
        first = next((i for i, threshold in enumerate(thresholds) if threshold), self.layers - 1)
        return self.onward(self.dense, method, thresholds, first, record)

    def onward(
        self, run: Run, method: Method, thresholds: Thresholds, first: int, record: bool = False
    ) -> Run:
        """Repeat a run from layer `first` on with other thresholds."""
        states, decision = run.states[first], method.decision(thresholds)
        found = self.forward.run(decision, first, states, record)
        return replace(found, states=run.states[:first] + found.states[first:]) if record else found

    def change(self, run: Run) -> float:
        """How far the answers are from the dense model's, see `Head.distillation`."""
        logits = map(torch.from_numpy, (run.logits, self.dense.logits))
        return float(self.head.distillation(*logits))

    def work(self, run: Run) -> float:
        """The share of the dense engine's multiply-adds that is left."""
        return engine_work(self.encoder.config, run.profile)


def one_factor(method: Method, model: Model) -> Iterator[Thresholds]:
    """Thresholds that rise linearly with the layer, for each of `RATIOS`: the first of `FACTORS`
    that reaches it."""

    def thresholds(factor: float) -> Thresholds:
        rising = (factor * (i + 1) / model.layers for i in range(model.layers - 1))
        return (*rising, 0.0)

    @cache
    def ratio(factor: float) -> float:
        return 1 / model.work(model.run(method, thresholds(factor)))

    for wanted in RATIOS:
        found = bisect_left(FACTORS, wanted, key=ratio)
        if found == len(FACTORS):
            return
        yield thresholds(FACTORS[found])


@dataclass(frozen=True)
class Walked:
    """A place on the way of `layer_by_layer`: its run, change and work, see `Model`."""

    thresholds: Thresholds
    run: Run
    change: float
    work: float


def layer_by_layer(method: Method, model: Model) -> Iterator[Thresholds]:
    """Thresholds for each of `RATIOS`: the first step that reaches it.

    Steps are those of `ltp_deploy.tune.steps`: one layer drops `SHARE` of the tokens that it keeps,
    the one where this adds the least change for the work saved. To save time, a layer is tried
    again only when what it promised before is the best (a lazy greedy search).
    """

    def step(now: Walked, layer: int) -> Walked | None:
        value = _kept_values(method, model, now, layer)
        if not len(value):
            return None
        threshold = float(np.quantile(value, SHARE))
        new = (*now.thresholds[:layer], threshold, *now.thresholds[layer + 1 :])
        return walked(new, model.onward(now.run, method, new, layer, record=True))

    def walked(thresholds: Thresholds, run: Run) -> Walked:
        return Walked(thresholds, run, model.change(run), model.work(run))

    def promise(now: Walked, found: Walked | None) -> float:
        if found is None or now.work - found.work <= LEAST_SAVED:
            return np.inf
        return (found.change - now.change) / (now.work - found.work)

    now = walked(model.unpruned, model.dense)
    promises = dict.fromkeys(range(model.layers - 1), -np.inf)
    for wanted in RATIOS:
        while now.work * wanted > 1:
            tried: dict[int, Walked | None] = {}
            while (best := min(promises, key=promises.__getitem__)) not in tried:
                tried[best] = step(now, best)
                promises[best] = promise(now, tried[best])
            if promises[best] == np.inf:
                return
            chosen = tried[best]
            assert chosen is not None
            now = chosen
        yield now.thresholds


@torch.inference_mode()
def _kept_values(method: Method, model: Model, now: Walked, index: int) -> np.ndarray:
    """What a threshold of a layer is compared with, for the tokens that it keeps and may drop."""
    layer = model.encoder.layers[index]
    assert isinstance(layer, Layer)
    found = []
    for state in now.run.states[index]:
        probability = attention_probabilities(layer, state.x, state.alive)
        value = method.compared(layer, probability, state)
        kept = state.alive & ~(value < now.thresholds[index])
        kept[:, 0] = False
        found.append(value[kept])
    return torch.cat(found).cpu().numpy()


def judged(method: Method, model: Model, data: TaskData, thresholds: Thresholds) -> dict[str, Any]:
    """What thresholds do on test texts, beside the dense model: figures for JSON."""
    run, dense = model.run(method, thresholds), model.dense.logits
    point = point_of(model.encoder.config, run.logits, run.profile.alive, data)
    score = model.head.score(dense, data.labels, data.metric)[1]
    low, high = drop_interval(model.head, data.labels, dense, run.logits, data.metric)
    return {
        **asdict(point),
        "drop": score - point.score,
        "low": low,
        "high": high,
        "changed": model.head.flips(dense, run.logits),
        "change": model.change(run),
        "engine_ratio": 1 / model.work(run),
    }


def tried(method: Method, search: Model, test: Model, data: TaskData) -> dict[str, Any]:
    """A method's thresholds and what they do, for each of `RATIOS` that it reaches."""
    points = {}
    way = layer_by_layer if method.layerwise else one_factor
    for wanted, thresholds in zip(RATIOS, way(method, search), strict=False):
        run = search.run(method, thresholds)
        on_search = {"change": search.change(run), "engine_ratio": 1 / search.work(run)}
        on_test = judged(method, test, data, thresholds)
        points[f"{wanted:g}"] = {"thresholds": thresholds, "search": on_search, "test": on_test}
        changed = 100 * on_test["changed"] / len(data)
        print(
            f"  {wanted:g}x: {0 - on_test['drop']:+.2f} points, {changed:.1f} % changed, "
            f"KL {on_test['change']:.4f}, {on_test['engine_ratio']:.2f}x in an engine, "
            f"{on_test['flops_ratio']:.2f}x by the authors' count",
            flush=True,
        )
    return {**asdict(method), "points": points}


def one(name: str, methods: list[Method], data: Path, work: Path) -> None:
    """Try the methods on a task, and add what they do to the task's file."""
    task, parts = TASKS[name], PARTS[name]
    dense = work / name / str(SEED) / "dense"
    if not (dense / "config.json").is_file():
        completed(first_job(task, data / name, dense.parent, SEED))
    encoder = load_encoder(dense)
    tokenizer = TransformersTokenizer(dense, encoder.config, task.max_length)
    examples = [part.read(data / name) for part in parts]
    search_data, test_data = TaskData.read(examples, tokenizer, encoder.config)
    path = RESULTS / f"{name}.json"
    known = json.loads(path.read_text())["methods"] if path.exists() else {}
    search, test = Model(encoder, search_data.batch), Model(encoder, test_data.batch)
    unpruned = np.repeat(test_data.batch.lengths[:, None], encoder.config.layers + 1, 1)
    facts = {
        "task": name,
        "parts": dict(zip(("search", "test"), map(asdict, parts), strict=True)),
        "texts": {"search": len(search_data), "test": len(test_data)},
        "max_length": task.max_length,
        "dense": asdict(point_of(encoder.config, test.dense.logits, unpruned, test_data)),
        "machine": describe_machine(),
    }
    for method in methods:
        if str(method) not in known:
            print(f"{name}: {method}", flush=True)
            known[str(method)] = tried(method, search, test, test_data)
            RESULTS.mkdir(parents=True, exist_ok=True)
            write_json(path, {**facts, "methods": known})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("out/results"))
    parser.add_argument("--tasks", default=",".join(PARTS))
    parser.add_argument("--methods", default="", help="Beginnings of their names, with ; between.")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    begins = tuple(options.methods.split(";"))
    methods = [method for method in METHODS if str(method).startswith(begins)]
    for name in options.tasks.split(","):
        one(name, methods, options.data, options.work)


if __name__ == "__main__":
    main()
