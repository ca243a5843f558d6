"""Many requests at once: `python benchmarks/submit.py BUNDLE --short FILE --long FILE`; see
README.md.

So many clients each send one text, wait for its answer and send the next one, all in one process:
by `engine.submit`, and one by one, as a pool of threads that calls the engine would do it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ltp_deploy
from ltp_deploy.data.examples import DataOptions, read_examples
from ltp_deploy.data.texts import Text
from ltp_deploy.hardware.machine import describe_machine
from ltp_deploy.runtime.queue import QueueOptions

RESULTS = Path(__file__).parent / "results"
Submit = Callable[[Text], Future[Any]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--short", required=True, help="data of short texts")
    parser.add_argument("--long", required=True, help="data of long texts")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--budgets", default=str(QueueOptions.batch_tokens), help="N,N of tokens")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("-o", "--output", type=Path, help="default: in results/")
    options = parser.parse_args()
    short, long = (
        read_examples(data, DataOptions(limit=512), labels=False).texts
        for data in (options.short, options.long)
    )
    mixed = [long[i // 4] if i % 4 == 3 else short[i] for i in range(512)]
    found = measure(options.bundle, {"short": short, "mixed": mixed}, options)
    output = options.output or RESULTS / f"submit-{options.bundle.name}.json"
    output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {output}")


def measure(
    bundle: Path, cases: dict[str, Sequence[Text]], options: argparse.Namespace
) -> dict[str, Any]:
    """Let every way take turns on every case."""
    result: dict[str, Any] = {
        "machine": describe_machine(),
        "begun": time.strftime("%Y-%m-%dT%H:%M:%S"),
        "load_before": os.getloadavg(),
        "clients": options.clients,
        "tokens": {},
        "cases": {},
    }
    budgets = [int(budget) for budget in options.budgets.split(",")]
    engines = {budget: ltp_deploy.load(bundle, batch_tokens=budget) for budget in budgets}
    first = next(iter(engines.values()))
    result["precision"] = first.manifest.precision
    with ThreadPoolExecutor(first.session.concurrency) as pool:
        ways: dict[str, Submit] = {"one by one": lambda text: pool.submit(first, text)}
        ways |= {f"submit, {budget} tokens": engines[budget].submit for budget in budgets}
        for name, texts in cases.items():
            result["tokens"][name] = statistics.mean(first.tokenize(list(texts)).lengths.tolist())
            rounds: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
            for number in range(options.rounds):
                for way in list(ways)[:: 1 if number % 2 else -1]:
                    rounds[way].append(run(ways[way], texts, options.clients))
            result["cases"][name] = {way: best(found) for way, found in rounds.items()}
            for way, found in result["cases"][name].items():
                print(name, way, {key: round(value, 1) for key, value in found.items()})
    for engine in engines.values():
        engine.close()
    return {**result, "load_after": os.getloadavg()}


def run(submit: Submit, texts: Sequence[Text], clients: int) -> dict[str, float]:
    """Requests per second, milliseconds that a client waits for an answer, and milliseconds of all
    cores that a request takes, which other programs disturb least."""
    waits: list[float] = []
    left, lock = list(texts), threading.Lock()

    def client() -> None:
        while True:
            with lock:
                if not left:
                    return
                text = left.pop()
            begin = time.perf_counter()
            submit(text).result()
            waits.append(1e3 * (time.perf_counter() - begin))

    threads = [threading.Thread(target=client) for _ in range(clients)]
    begin, cpu = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - begin
    cpu = 1e3 * (time.process_time() - cpu) / len(texts)
    centiles = statistics.quantiles(waits, n=100)
    waited = {"p50_ms": centiles[49], "p99_ms": centiles[98]}
    return {"requests_per_s": len(texts) / seconds, **waited, "cpu_ms": cpu}


def best(rounds: Sequence[dict[str, float]]) -> dict[str, float]:
    """The round with most requests per second: others were disturbed."""
    return max(rounds, key=lambda found: found["requests_per_s"])


if __name__ == "__main__":
    main()
