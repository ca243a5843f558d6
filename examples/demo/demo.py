"""The whole way on a small model that is made on the spot: train, tune, build, verify, bench.

Usage: python examples/demo/demo.py [--out out/demo] [--reviews 2048]
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from reviews import write_reviews
from untrained import new_checkpoint

# The default learning rates are for pretrained models; an untrained one needs higher ones.
TRAINING = """--method dense --finetune --finetune-epochs 3 --lr 5e-4 --dropout 0""".split()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("out/demo"))
    parser.add_argument("--reviews", type=int, default=2048)
    options = parser.parse_args()
    out, dense, model = options.out, options.out / "dense", options.out / "model"
    out.mkdir(parents=True, exist_ok=True)

    step(f"1. Generate film reviews and train a small classifier on them -> {dense}")
    train, dev, bundle = (str(out / name) for name in ("train.tsv", "dev.tsv", "bundle"))
    write_reviews(out / "train.tsv", options.reviews, seed=1)
    write_reviews(out / "dev.tsv", 1000, seed=2)
    new_checkpoint(out / "untrained")
    shutil.rmtree(out / "dense.work", ignore_errors=True)
    command(
        *("learn", str(out / "untrained"), "--data", train, "--dev", dev, "-o", str(dense)),
        *("--force", *TRAINING),
    )

    step(f"2. Give it thresholds that prune, without training -> {model}")
    tuning = ("--data", dev, "--max-drop", "1.0", "-o", str(model), "--force")
    command("tune", str(dense), *tuning)
    step("3. What the compiler will do with it")
    command("build", str(model), "--target", "cpu", "--dry-run", "--profile-data", dev)
    step(f"4. Compile it for this CPU -> {bundle}")
    command("build", str(model), "--target", "cpu", "-o", bundle, "--force")
    step("5. Prove that the engine computes what the model means")
    command("verify", bundle, "--against", str(model), "--data", dev)
    step("6. Time it against its baselines, the same model without pruning")
    command("bench", bundle, "--against", str(model), "--data", dev, "--batch", "1,32")

    step("What to type next")
    print("\n".join(next_commands(bundle)))


def step(title: str) -> None:
    print(f"\n=== {title}\n", flush=True)


def command(*arguments: str) -> None:
    """Run `ltp-deploy`, and show the command as it is typed in an activated environment."""
    print("$", shlex.join(["ltp-deploy", *arguments]), "\n", flush=True)
    subprocess.run([sys.executable, "-m", "ltp_deploy.cli", *arguments], check=True)


def next_commands(bundle: str) -> list[str]:
    """Commands that work in the shell that started this; the environment is activated first
    where `ltp-deploy` is not on PATH."""
    activate = shlex.join(["source", os.path.join(os.path.relpath(sys.prefix), "bin", "activate")])
    return [
        *([] if shutil.which("ltp-deploy") else [activate]),
        f'echo "a gripping and witty film" | {shlex.join(["ltp-deploy", "run", bundle])}',
        shlex.join(["ltp-deploy", "inspect", bundle]),
    ]


if __name__ == "__main__":
    main()
