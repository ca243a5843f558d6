"""A query against passages, by a cross-encoder: the best ones, and what pruning saved.

Usage: python examples/rerank/rerank.py CHECKPOINT PASSAGES QUERY [--top 5] [--precision f32]

CHECKPOINT is the directory of a reranker with one output, such as bge-reranker or a cross-encoder
of sentence-transformers, pruned by `ltp-deploy tune` or `learn`, or as it is. PASSAGES is a text
file with a passage on each line. The engine is built first, which takes seconds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import ltp_deploy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("passages", type=Path)
    parser.add_argument("query")
    parser.add_argument("--top", type=int, default=5)
    parser.add_argument("--precision", default="f32")
    options = parser.parse_args()
    lines = options.passages.read_text(encoding="utf-8").splitlines()
    passages = [line.strip() for line in lines if line.strip()]
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "engine"
        chosen = ltp_deploy.BuildOptions("cpu", precision=options.precision)
        ltp_deploy.build(options.checkpoint, bundle, chosen)
        with ltp_deploy.load(bundle) as engine, ltp_deploy.load(bundle, pruning=False) as dense:
            ranked, seconds = timed(engine, options.query, passages)
            unpruned, dense_seconds = timed(dense, options.query, passages)
    for index, score in ranked[: options.top]:
        print(f"{score:8.4f}  {passages[index]}")
    shared = {i for i, _ in ranked[: options.top]} & {i for i, _ in unpruned[: options.top]}
    print(
        f"\n{len(passages)} passages in {1e3 * seconds:.0f} ms, without pruning in "
        f"{1e3 * dense_seconds:.0f} ms; {len(shared)} of the best {options.top} are the same"
    )


def timed(
    engine: ltp_deploy.Engine, query: str, passages: list[str]
) -> tuple[list[tuple[int, float]], float]:
    """The ranking, and the seconds that it took, tokenization included, once warmed up."""
    engine.rank(query, passages)
    begun = time.perf_counter()
    ranked = engine.rank(query, passages)
    return ranked, time.perf_counter() - begun


if __name__ == "__main__":
    main()
