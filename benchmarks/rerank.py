"""One query against a hundred passages: engines, transformers, and OpenVINO INT8; see README.md.

Usage: python benchmarks/rerank.py [CHECKPOINT] --data FOLDER

FOLDER is what rerank_data.py made. CHECKPOINT is a cross-encoder with one output that prunes;
without it, MiniLM with a random head and thresholds that halve the work.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from cpu import RESULTS, features
from rerank_model import FLOPS_RATIO, write_stand_in

from ltp_deploy.backends.openvino.session import OpenVinoSession
from ltp_deploy.benchmark.baselines.dense import dense_model
from ltp_deploy.benchmark.baselines.openvino import SAMPLES, convert, open_dense, quantized
from ltp_deploy.benchmark.run import difference
from ltp_deploy.benchmark.runner import Feeds, padded_feeds
from ltp_deploy.builder.build import build
from ltp_deploy.builder.draft import Measured
from ltp_deploy.bundle.limits import length_batches
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.calibration.calibrate import calibrate
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.data.batch import PackedBatch
from ltp_deploy.data.examples import read_examples
from ltp_deploy.data.files import read_rows
from ltp_deploy.data.metrics import spearman
from ltp_deploy.data.transformers_tokenizer import TransformersTokenizer
from ltp_deploy.hardware.machine import describe_machine
from ltp_deploy.hardware.timing import Timings, interleave
from ltp_deploy.model.config import EncoderConfig
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.flops import authors_ratio, engine_flops, padded_flops
from ltp_deploy.model.policy import Carry
from ltp_deploy.model.survivors import SurvivorProfile
from ltp_deploy.parity.oracle_run import run_oracle
from ltp_deploy.report.table import table
from ltp_deploy.runtime.engine import Engine, load
from ltp_deploy.runtime.queue import QueueOptions

PRECISIONS = ("f32", "bf16", "int8-dynamic", "int8")
OURS, UNPRUNED = "ours", "ours, nothing pruned"
TRANSFORMERS, OPENVINO = "transformers f32", "OpenVINO int8"
AT_ONCE = ", several batches at once"
BATCH = 32  # CrossEncoder's default
BESIDE = ("f32", "bf16")  # the precisions of what is not int8 in OpenVINO
# How OpenVINO is compiled, and the numbers of pairs in a bucket. A model for each exact shape takes
# 100 MB, so of those there are few.
ANY, EXACT = "any shape", "exact shapes"
BUCKETS = {ANY: (1, 4, 8, 16, 32, 100), EXACT: (8, 16)}
SETTLE = 0.02  # seconds for which PyTorch's threads go on spinning after a call
QUARTILES = {"median": 50, "lower_quartile": 25, "upper_quartile": 75, "fastest": 0}


@dataclass(frozen=True)
class Work:
    """What is ranked.

    Attributes:
        pairs: the query with each passage.
        batch: the same in token ids.
        passage_tokens: [N] tokens of each passage, without the special ones.
        order: the pairs in CrossEncoder's order: by characters, the longest first.
    """

    pairs: list[tuple[str, str]]
    batch: PackedBatch
    passage_tokens: np.ndarray
    order: np.ndarray

    @property
    def passages(self) -> list[str]:
        return [passage for _, passage in self.pairs]

    @classmethod
    def read(cls, pairs: list[tuple[str, str]], tokenize: Callable[[Any], PackedBatch]) -> Work:
        alone, none = tokenize([passage for _, passage in pairs]), tokenize([""])
        return cls(pairs, tokenize(pairs), alone.lengths - none.lengths, by_characters(pairs))


@dataclass(frozen=True)
class Side:
    """Something that scores all pairs: a call for their logits [N], and its multiply-adds."""

    call: Callable[[], np.ndarray]
    multiply_adds: float


class ExactShapes:
    """A model compiled anew for each shape that it meets."""

    def __init__(self, opened: Callable[[tuple[int, int]], OpenVinoSession], concurrency: int):
        self.opened = cache(opened)
        self.concurrency = concurrency

    def run(self, feeds: Feeds) -> Feeds:
        return self.opened(feeds["input_ids"].shape).run(feeds)


@dataclass(frozen=True)
class Buckets:
    """OpenVINO on buckets of `size` pairs, compiled for `shapes`, a key of `BUCKETS`.

    Attributes:
        beside: the precision of what is not int8.
        throughput: compiled for several requests at once, and so many buckets are.
    """

    session: OpenVinoSession | ExactShapes
    shapes: str
    beside: str
    throughput: bool
    size: int

    @property
    def name(self) -> str:
        name = f"{OPENVINO} and {self.beside}, {self.shapes}, buckets of {self.size}"
        return name + AT_ONCE * self.throughput

    def scores(self, batch: PackedBatch, config: EncoderConfig) -> np.ndarray:
        """Logits [N], computed in buckets of similar length, each padded to its longest."""
        rows = length_batches(batch.lengths, self.size)

        def logits(numbers: list[int]) -> np.ndarray:
            return self.session.run(padded_feeds(batch.select(numbers), config))["logits"]

        with ThreadPoolExecutor(self.session.concurrency) as workers:
            return scattered(list(workers.map(logits, reversed(rows))), rows[::-1])

    def side(self, work: Work, config: EncoderConfig) -> Side:
        rows = length_batches(work.batch.lengths, self.size)
        return Side(lambda: self.scores(work.batch, config), padded_work(work, config, rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path, nargs="?")
    parser.add_argument("--data", type=Path, required=True, help="with dev.tsv and test.tsv")
    parser.add_argument("--query", type=int, default=0, help="the number of a query in test.tsv")
    parser.add_argument("--passages", type=int, default=100)
    parser.add_argument("--iterations", type=int, default=11)
    parser.add_argument("--precisions", default=",".join(PRECISIONS))
    parser.add_argument("--threads", type=int, help="CPU threads; default: all")
    parser.add_argument("-o", "--output", type=Path, help="default: in results/, named by the CPU")
    options = parser.parse_args()
    result: dict[str, Any] = {
        "machine": describe_machine(),
        "isa": None,
        "threads": options.threads or len(os.sched_getaffinity(0)),
        "begun": time.strftime("%Y-%m-%dT%H:%M:%S"),
        "load_before": os.getloadavg(),
    }
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = options.checkpoint
        if checkpoint is None:
            checkpoint = Path(folder) / "stand-in"
            pairs = candidates(options.data / "test.tsv", options.query, options.passages)
            write_stand_in(checkpoint, pairs, FLOPS_RATIO)
        output = options.output or RESULTS / f"rerank-{features(result)}.json"
        output.parent.mkdir(exist_ok=True)
        for found in measure(checkpoint, Path(folder), options):
            result |= {**found, "load_after": os.getloadavg()}
            output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print_tables(result)
    print(f"\nwrote {output}")


def measure(
    checkpoint: Path, folder: Path, options: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    """Build everything, time all sides in turns, and yield what was found after each table, ready
    for JSON."""
    from sentence_transformers import CrossEncoder

    if options.threads is not None:
        import torch

        torch.set_num_threads(options.threads)
    calibration = folder / "calibration.json"
    calibrate(checkpoint, str(options.data / "dev.tsv"), SAMPLES).write(calibration)
    engines = opened(checkpoint, calibration, folder, options)
    encoder = load_encoder(checkpoint)
    config = encoder.config
    pairs = candidates(options.data / "test.tsv", options.query, options.passages)
    work = Work.read(pairs, TransformersTokenizer(checkpoint, config))
    profile = run_oracle(encoder, work.batch, title="survivors").profile
    cross = CrossEncoder(
        str(checkpoint), device="cpu", max_length=config.max_length, local_files_only=True
    )
    sides = {name: ours(engine, work, profile) for name, engine in engines.items()}
    sides[TRANSFORMERS] = transformers_side(cross, work, config)
    dense = {buckets.name: buckets for buckets in openvino(checkpoint, encoder, options)}
    sides |= {name: buckets.side(work, config) for name, buckets in dense.items()}
    answers = {name: side.call() for name, side in sides.items()}
    timings = timed({name: side.call for name, side in sides.items()}, options, "token ids")
    expected = answers[TRANSFORMERS]
    found = {
        name: {
            **times(timings[name]),
            "multiply_adds": side.multiply_adds,
            "difference": difference(answers[name], expected),
            "rank_correlation": spearman(answers[name], expected),
        }
        for name, side in sides.items()
    }
    best = {
        shapes: fastest(
            found, [name for name, buckets in dense.items() if buckets.shapes == shapes]
        )
        for shapes in BUCKETS
    }
    yield {
        "checkpoint": options.checkpoint.name if options.checkpoint else "stand-in",
        "model": model_facts(config),
        "request": request_facts(work),
        "flops_ratio_authors": authors_ratio(config, profile.alive),
        "alive": profile.alive.mean(0).tolist(),
        "batch_tokens": QueueOptions.batch_tokens,
        "best_openvino": best,
        "token_ids": found,
    }
    texts = from_texts(engines, cross, [dense[name] for name in best.values()], work)
    for call in texts.values():
        call()
    timings = timed(texts, options, "texts")
    yield {"texts": {name: times(timings[name]) for name in texts}}


def opened(
    checkpoint: Path, calibration: Path, folder: Path, options: argparse.Namespace
) -> dict[str, Engine]:
    """A bundle in each precision, loaded as it is and with nothing pruned."""
    engines = {}
    for precision in options.precisions.split(","):
        bundle = folder / precision
        build(
            checkpoint, bundle, BuildOptions(precision=precision), Measured(calibration=calibration)
        )
        for throughput in (False, True):
            name = f"{precision}{AT_ONCE * throughput}"
            opened = partial(load, bundle, options.threads, throughput)
            engines[f"{OURS}, {name}"] = opened()
            engines[f"{UNPRUNED}, {name}"] = opened(pruning=False)
    return engines


def candidates(path: Path, query: int, count: int) -> list[tuple[str, str]]:
    """A query with so many passages: its own first, then those that follow in the file, each once.

    Args:
        query: the number of the query among the different ones of the file.
    """
    rows = list(read_rows(path))
    queries = list(dict.fromkeys(row["query"] for row in rows))
    if query >= len(queries):
        raise SystemExit(f"{path} has {len(queries)} queries, there is no number {query}")
    start = next(i for i, row in enumerate(rows) if row["query"] == queries[query])
    passages = list(dict.fromkeys(row["passage"] for row in rows[start:] + rows[:start]))
    if len(passages) < count:
        raise SystemExit(f"{path} has {len(passages)} different passages, {count} are needed")
    return [(queries[query], passage) for passage in passages[:count]]


def by_characters(pairs: Sequence[tuple[str, str]]) -> np.ndarray:
    """[N] numbers of the pairs in the order in which CrossEncoder computes them."""
    return np.argsort([-sum(map(len, pair)) for pair in pairs])


def in_batches(order: Sequence[int], size: int) -> list[list[int]]:
    """Cut numbers into lists of `size`, the last of which may be shorter."""
    return [list(order[start : start + size]) for start in range(0, len(order), size)]


def scattered(parts: Sequence[np.ndarray], rows: Sequence[Sequence[int]]) -> np.ndarray:
    """Logits [N] of batches [B, 1], put back to where their pairs came from."""
    found = np.empty(sum(map(len, rows)), np.float32)
    for part, numbers in zip(parts, rows, strict=True):
        found[list(numbers)] = part[:, 0]
    return found


def ours(engine: Engine, work: Work, profile: SurvivorProfile) -> Side:
    """An engine that computes pairs as `Engine.rank` does once they are token ids."""
    batch = work.batch

    def call() -> np.ndarray:
        return engine.run_in_pieces(batch).logits[:, 0]

    alive = profile
    if not engine.config.policy.prunes:
        alive = SurvivorProfile.unpruned(batch.lengths, engine.config.layers)
    return Side(call, packed_work(engine.config, alive, engine.carries))


def transformers_side(cross: Any, work: Work, config: EncoderConfig) -> Side:
    """The model of a CrossEncoder on the batches that `CrossEncoder.predict` makes."""
    import torch

    rows = in_batches(work.order.tolist(), BATCH)

    @torch.inference_mode()
    def call() -> np.ndarray:
        found = []
        for numbers in rows:
            feeds = padded_feeds(work.batch.select(numbers), config)
            given = {name: torch.from_numpy(array) for name, array in feeds.items()}
            found.append(cross.model(**given).logits.numpy())
        return scattered(found, rows)

    return Side(call, padded_work(work, config, rows))


def openvino(checkpoint: Path, encoder: Encoder, options: argparse.Namespace) -> Iterator[Buckets]:
    """The dense model in int8, in all ways that are tried."""
    texts = read_examples(str(options.data / "dev.tsv"), labels=False).texts
    chosen = np.random.default_rng(0).permutation(len(texts))[:SAMPLES]
    batch = TransformersTokenizer(checkpoint, encoder.config)([texts[i] for i in chosen])
    feeds = [padded_feeds(batch.select([i]), encoder.config) for i in range(batch.sequences)]
    model = quantized(convert(dense_model(checkpoint, encoder)), feeds)
    for beside in BESIDE:
        for throughput in (False, True):
            opened = partial(open_dense, model, beside, options.threads, throughput=throughput)
            found = opened()
            sessions = {ANY: found, EXACT: ExactShapes(opened, found.concurrency)}
            for shapes, sizes in BUCKETS.items():
                for size in sizes:
                    yield Buckets(sessions[shapes], shapes, beside, throughput, size)


def from_texts(
    engines: dict[str, Engine], cross: Any, dense: Sequence[Buckets], work: Work
) -> dict[str, Callable[[], object]]:
    """Calls that begin with strings: ranking by each engine, CrossEncoder's ranking, and OpenVINO
    behind the tokenizer of an engine."""
    query, passages = work.pairs[0][0], work.passages
    calls: dict[str, Callable[[], object]] = {}
    for name, engine in engines.items():
        calls[name] = partial(engine.rank, query, passages)
    calls[TRANSFORMERS] = partial(cross.rank, query, passages, show_progress_bar=False)
    engine = next(iter(engines.values()))
    for buckets in dense:
        calls[buckets.name] = partial(ranked, buckets, engine, work.pairs)
    calls["tokenizing alone"] = partial(engine.tokenize, work.pairs)
    return calls


def ranked(buckets: Buckets, engine: Engine, pairs: list[tuple[str, str]]) -> np.ndarray:
    """[N] numbers of the pairs, the best first."""
    return np.argsort(-buckets.scores(engine.tokenize(pairs), engine.config))


def packed_work(config: EncoderConfig, alive: SurvivorProfile, carries: tuple[Carry, ...]) -> float:
    """Multiply-adds of an engine for all sequences of a profile."""
    layers = engine_flops(config, alive.carried(carries), carries)
    return len(alive.alive) * sum(layer.total for layer in layers)


def padded_work(work: Work, config: EncoderConfig, rows: Sequence[Sequence[int]]) -> float:
    """Multiply-adds of the dense model on batches of these pairs, each padded to its longest."""
    lengths = work.batch.lengths
    return sum(padded_flops(config, len(n), int(lengths[list(n)].max())) for n in rows)


def timed(
    calls: dict[str, Callable[[], object]], options: argparse.Namespace, title: str
) -> dict[str, Timings]:
    requests = {name: [call] for name, call in calls.items()}
    return interleave(requests, iterations=options.iterations, settle=SETTLE, title=title)


def times(timings: Timings) -> dict[str, Any]:
    quartiles = {f"{key}_ms": 1e3 * timings.percentile(q) for key, q in QUARTILES.items()}
    return {"iterations": len(timings.samples[0]), **quartiles}


def fastest(found: dict[str, Any], names: Sequence[str]) -> str:
    """The one of these names with the smallest median."""
    return min(names, key=lambda name: found[name]["median_ms"])


def model_facts(config: EncoderConfig) -> dict[str, Any]:
    return {
        "family": config.family,
        "layers": config.layers,
        "hidden_size": config.hidden_size,
        "policy": config.policy.to_config(),
    }


def request_facts(work: Work) -> dict[str, Any]:
    """Numbers of tokens: of the request, of its pairs, and of the passages in them."""
    return {
        "passages": work.batch.sequences,
        "tokens": len(work.batch.input_ids),
        "pair_tokens": spread(work.batch.lengths),
        "passage_tokens": spread(work.passage_tokens),
    }


def spread(values: np.ndarray) -> dict[str, float]:
    found = {"mean": values.mean(), "median": np.median(values)}
    return {key: float(v) for key, v in {**found, "min": values.min(), "max": values.max()}.items()}


def print_tables(result: dict[str, Any]) -> None:
    """Print the request, the times of all sides, and how many times faster ours are."""
    request, passages = result["request"], result["request"]["passage_tokens"]
    print(
        f"{request['passages']} passages of {passages['min']:g} to {passages['max']:g} tokens, "
        f"{passages['mean']:.1f} on average; {request['tokens']} tokens with the query\n"
        f"FLOPs ratio by the authors' count: {result['flops_ratio_authors']:.2f}x\n"
    )
    found, best = result["token_ids"], result["best_openvino"]
    columns = ["from token ids", "median ms", "quartiles", "madds, G", "to transformers"]
    columns += [f"x {TRANSFORMERS}", *(f"x {OPENVINO}, {shapes}" for shapes in best)]
    rows = []
    for name, side in found.items():
        work = f"{side['multiply_adds'] / 1e9:.1f}"
        close = f"{100 * side['difference']:.2g} %"
        rows.append([*time_cells(name, side), work, close, *ratios(found, side, best)])
    print(table(columns, rows))
    texts = result["texts"]
    columns = ["from texts", "median ms", "quartiles", *columns[5:]]
    print()
    print(
        table(
            columns,
            [[*time_cells(name, side), *ratios(texts, side, best)] for name, side in texts.items()],
        )
    )


def time_cells(name: str, side: dict[str, Any]) -> list[str]:
    low, high = side["lower_quartile_ms"], side["upper_quartile_ms"]
    return [name, f"{side['median_ms']:.1f}", f"{low:.1f}-{high:.1f}"]


def ratios(found: dict[str, Any], side: dict[str, Any], best: dict[str, str]) -> list[str]:
    """How many times faster a side is than transformers, and than OpenVINO's fastest."""
    others = [found[name]["median_ms"] for name in (TRANSFORMERS, *best.values())]
    return [f"{other / side['median_ms']:.2f}" for other in others]


if __name__ == "__main__":
    main()
