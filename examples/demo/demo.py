"""The whole job on a model made on the spot: train, build, verify, bench.

Usage: python examples/demo/demo.py [--out out/demo] [--batches 130]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import torch
from reviews import write_reviews
from train import new_checkpoint, train

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.tokenizer import Tokenizer
from ltp_deploy.validation.data import read_examples

BATCH = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("out/demo"))
    parser.add_argument("--batches", type=int, default=130)
    options = parser.parse_args()
    out, model = options.out, options.out / "model"
    out.mkdir(parents=True, exist_ok=True)

    step(f"1. Generate film reviews and train a small LTP model on them -> {model}")
    write_reviews(out / "train.tsv", options.batches * BATCH, seed=1)
    write_reviews(out / "dev.tsv", 500, seed=2)
    new_checkpoint(model)
    examples = read_examples(str(out / "train.tsv"))
    data = Tokenizer(model, load_encoder(model).config)(examples.texts)
    order = [list(range(i, i + BATCH)) for i in range(0, len(examples), BATCH)]
    labels = torch.tensor([int(label) for label in examples.labels])
    train(model, [data.select(rows) for rows in order], [labels[rows] for rows in order])

    dev, bundle = str(out / "dev.tsv"), str(out / "bundle")
    step("2. What the compiler will do with it")
    command("build", str(model), "--target", "cpu", "--dry-run", "--profile-data", dev)
    step(f"3. Compile it for this CPU -> {bundle}")
    command("build", str(model), "--target", "cpu", "-o", bundle, "--force")
    step("4. Prove on held-out reviews that the engine computes what the model means")
    command("verify", bundle, "--against", str(model), "--data", dev)
    step("5. Time it against the dense model in OpenVINO, side by side")
    command("bench", bundle, "--against", str(model), "--data", dev, "--batch", "1,32")


def step(title: str) -> None:
    print(f"\n=== {title}\n", flush=True)


def command(*arguments: str) -> None:
    print("$ ltp-deploy", *arguments, "\n", flush=True)
    subprocess.run([sys.executable, "-m", "ltp_deploy.cli", *arguments], check=True)


if __name__ == "__main__":
    main()
