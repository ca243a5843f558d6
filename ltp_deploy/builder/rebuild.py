"""Variants of a bundle, built from its own options."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ltp_deploy.backends.table import portable
from ltp_deploy.builder.build import build, compile_engine
from ltp_deploy.builder.draft import Measured, draft_encoder
from ltp_deploy.bundle.manifest import Compiled
from ltp_deploy.calibration.artifact import Calibration
from ltp_deploy.compiler.int8 import ActivationRange
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.runtime.engine import Engine, load


@contextmanager
def reference_build(engine: Engine, checkpoint: Path) -> Iterator[Engine]:
    """`engine` itself where it reports its survivors, else the same engine built once more so that
    it does, for as long as the block."""
    if engine.manifest.options.survivors:
        yield engine
        return
    chosen = engine.manifest.options
    options = replace(chosen, survivors=True, portable=False, tokenizer=False, cpp_texts=False)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "reference"
        build(checkpoint, output, options, Measured.of_bundle(engine.directory, engine.manifest))
        yield load(output, portable=engine.portable)


def compile_variant(engine: Engine, encoder: Encoder, directory: Path) -> Compiled:
    """The same build of another encoder, whose policy may prune elsewhere, into `directory`."""
    manifest = engine.manifest
    options = replace(manifest.options, compact="auto", portable=False)
    draft = draft_encoder(encoder, options, calibrated_ranges(engine))
    compiled = compile_engine(draft, directory)
    return (portable(compiled) or compiled) if engine.portable else compiled


def calibrated_ranges(engine: Engine) -> Mapping[str, ActivationRange]:
    """Of the calibration that a bundle was built with; none where it had none."""
    calibration = Measured.of_bundle(engine.directory, engine.manifest).calibration
    return Calibration.read(calibration).ranges if calibration else {}
