"""Whole data sets: `python benchmarks/score.py BUNDLE --data FILE [--checkpoint FOLDER]`; see
README.md.

`ltp-deploy score` in several ways, `engine.predict` over all texts, and transformers' pipeline with
the dense model take turns over the same texts.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import ltp_deploy
from ltp_deploy.data.examples import DataOptions, read_examples
from ltp_deploy.hardware.machine import describe_machine
from ltp_deploy.score.score import Workers, score
from ltp_deploy.score.settings import Reading

RESULTS = Path(__file__).parent / "results"
CORES = len(os.sched_getaffinity(0))
WAYS = {
    "processes of one thread": Workers(),
    "one process": Workers(workers=1),
    "one process, batches side by side": Workers(workers=1, throughput=True),
    "ray": Workers(ray="local"),
}
BATCH = 32  # texts of the pipeline's batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--data", required=True, help="a .tsv, .csv or .jsonl file")
    parser.add_argument("--checkpoint", type=Path, help="for transformers' pipeline")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--shard-rows", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ways", nargs="+", choices=WAYS, help="only these; default: all")
    parser.add_argument("-o", "--output", type=Path, help="default: in results/")
    options = parser.parse_args()
    output = options.output or RESULTS / f"score-{options.bundle.name}.json"
    for found in measure(options):
        output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {output}")


def measure(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Rows per second of every way, in turns; what is known after each round."""
    texts = read_examples(options.data, DataOptions(limit=options.rows), labels=False).texts
    engine = ltp_deploy.load(options.bundle)
    lengths = engine.tokenize(texts).lengths
    result: dict[str, Any] = {
        "machine": describe_machine(),
        "cores": CORES,
        "begun": time.strftime("%Y-%m-%dT%H:%M:%S"),
        "load_before": os.getloadavg(),
        "precision": engine.manifest.precision,
        "rows": len(texts),
        "shard_rows": options.shard_rows,
        "tokens_per_row": float(lengths.mean()),
    }
    engine.close()
    with tempfile.TemporaryDirectory(prefix="ltp-score-") as name:
        data = Path(name) / "texts.jsonl"
        data.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
        ways: dict[str, Callable[[], float]] = {
            way: lambda workers=workers: by_score(options, data, workers)
            for way, workers in WAYS.items()
            if way in (options.ways or WAYS) and (workers.ray is None or find_spec("ray"))
        }
        if options.ways is None:
            ways["engine.predict"] = lambda: by_predict(options.bundle, texts)
        if options.checkpoint is not None:
            ways["transformers pipeline"] = lambda: by_pipeline(options, texts)
        rounds: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
        for number in range(options.rounds):
            for way in list(ways)[:: 1 if number % 2 == 0 else -1]:
                rounds[way].append(timed(ways[way]))
                print(number, way, {k: round(v, 2) for k, v in rounds[way][-1].items()}, flush=True)
            yield {**result, "ways": {way: medians(each, result) for way, each in rounds.items()}}


def timed(run: Callable[[], float]) -> dict[str, float]:
    """Rows per second once all workers are at work, and the seconds of CPU time of everything."""
    before, begin = cpu_seconds(), time.perf_counter()
    rate = run()
    return {
        "rows_per_second": rate,
        "seconds": time.perf_counter() - begin,
        "cpu_seconds": cpu_seconds() - before,
    }


def by_score(options: argparse.Namespace, data: Path, workers: Workers) -> float:
    """From the times at which the parts were written, after the first one of each worker."""
    output = data.with_name("parts")
    reading = Reading(shard_rows=options.shard_rows)
    score(options.bundle, [str(data)], output, reading, workers=workers, format="jsonl", force=True)
    parts = sorted(output.iterdir(), key=lambda part: part.stat().st_mtime_ns)
    first = workers.workers or CORES
    rows = sum(part.read_bytes().count(b"\n") for part in parts[first:])
    return rows * 1e9 / (parts[-1].stat().st_mtime_ns - parts[first - 1].stat().st_mtime_ns)


def by_predict(bundle: Path, texts: list[Any]) -> float:
    with ltp_deploy.load(bundle) as engine:
        begin = time.perf_counter()
        engine.predict(texts)
        return len(texts) / (time.perf_counter() - begin)


def by_pipeline(options: argparse.Namespace, texts: list[Any]) -> float:
    import torch
    from transformers import PreTrainedTokenizerFast, pipeline

    from ltp_deploy.benchmark.baselines.dense import dense_model
    from ltp_deploy.checkpoint import load_encoder

    torch.set_num_threads(CORES)
    encoder = load_encoder(options.checkpoint)
    model = dense_model(options.checkpoint, encoder).model
    tokenizer = PreTrainedTokenizerFast.from_pretrained(options.checkpoint)
    run = pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu")
    length = encoder.config.max_length
    begin = time.perf_counter()
    run(texts, batch_size=BATCH, truncation=True, max_length=length)
    return len(texts) / (time.perf_counter() - begin)


def cpu_seconds() -> float:
    """Of this process and of all that it started and that have ended: not of Ray's."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    usage = [resource.getrusage(kind) for kind in kinds]
    return sum(each.ru_utime + each.ru_stime for each in usage)


def medians(found: list[dict[str, float]], result: dict[str, Any]) -> dict[str, Any]:
    middle = {key: statistics.median(each[key] for each in found) for key in found[0]}
    middle["tokens_per_second"] = middle["rows_per_second"] * result["tokens_per_row"]
    return {**middle, "rounds": found}


if __name__ == "__main__":
    main()
