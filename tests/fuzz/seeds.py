"""What is changed: a tiny checkpoint, and bundles of it."""

from __future__ import annotations

from pathlib import Path

from ltp_deploy.builder.build import build
from ltp_deploy.bundle.options import BuildOptions
from tests.tiny import POLICIES, save_tiny, save_tokenizer

BUNDLES = {
    "cpu": BuildOptions("cpu"),
    "survivors": BuildOptions("cpu", survivors=True),
    "torchscript": BuildOptions("torchscript"),
}


def make_seeds(folder: Path) -> dict[str, Path]:
    """Build all of them; by name."""
    checkpoint = folder / "checkpoint"
    checkpoint.mkdir(parents=True)
    save_tokenizer(checkpoint)
    save_tiny(checkpoint, "bert", POLICIES["absolute"], id2label={0: "bad", 1: "good"})
    for name, options in BUNDLES.items():
        build(checkpoint, folder / name, options)
    return {name: folder / name for name in ("checkpoint", *BUNDLES)}
