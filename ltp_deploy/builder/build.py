"""Checkpoint -> bundle: load, plan, compile, write, check."""

from __future__ import annotations

import importlib.metadata
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import ltp_deploy
from ltp_deploy.backends.backend import Job
from ltp_deploy.backends.table import can_run, open_session, portable
from ltp_deploy.builder.draft import Draft, Measured, draft_build
from ltp_deploy.builder.tokenizer import bundle_tokenizer
from ltp_deploy.bundle.files import FileName
from ltp_deploy.bundle.manifest import (
    Compiled,
    Manifest,
    Parity,
    Source,
    new_bundle,
    write_manifest,
)
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.bundle.tokenizer import TokenizerRecord
from ltp_deploy.checkpoint.identity import checkpoint_hash
from ltp_deploy.compiler.lower import lower
from ltp_deploy.compiler.passes import output_names
from ltp_deploy.errors import LtpError
from ltp_deploy.parity.self_check import self_check
from ltp_deploy.targets import find_target

CALIBRATION = FileName("calibration.json")
# Whose versions decide what a build makes of a checkpoint.
PACKAGES = ("torch", "transformers", "tokenizers")


def build(
    checkpoint: str | Path,
    output: str | Path,
    options: BuildOptions | None = None,
    measured: Measured | None = None,
    force: bool = False,
    dump: Path | None = None,
) -> Manifest:
    """Compile a checkpoint and write the bundle; returns its manifest.

    Nothing is left behind where this fails or is interrupted.

    Args:
        checkpoint: a directory with config.json and weights.
        output: the bundle's directory, which must not exist.
        options: what to build, a CPU engine in f32 by default.
        measured: what is known of the user's data.
        force: replace an existing bundle.
        dump: a directory for the graph before and after each compiler pass.

    Raises:
        LtpError: options or files that do not fit the checkpoint, the target, or each other; or
            an engine that does not compute what the checkpoint means.
    """
    checkpoint, measured = Path(checkpoint), measured or Measured()
    with new_bundle(Path(output), force) as directory:
        draft = draft_build(checkpoint, options or BuildOptions(), measured)
        tokenizer = _bundled_tokenizer(draft, checkpoint, directory)
        compiled = compile_engine(draft, directory, dump)
        manifest = Manifest(
            **vars(compiled),
            source=Source(checkpoint.resolve().name, checkpoint_hash(checkpoint)),
            tokenizer=tokenizer,
            calibration=_copied_calibration(measured, directory),
            profile=draft.profile.summary() if draft.profile else None,
            parity=checked(draft, compiled, directory),
        )
        return write_manifest(directory, manifest)


def compile_engine(draft: Draft, directory: Path, dump: Path | None = None) -> Compiled:
    """Compile into `directory`; returns all that is needed to open the engine there."""
    encoder, plan = draft.encoder, draft.plan
    target = find_target(draft.options.target)
    job = Job(
        module=lower(encoder, plan, dump),
        config=encoder.config,
        plan=plan,
        target=target,
        options=draft.options,
        limits=draft.limits,
        directory=directory,
        ranges=draft.ranges,
    )
    output = target.backend.compile(job)
    return Compiled(
        target=target.name,
        backend=target.backend.name,
        precision=plan.precision,
        activations=plan.activations,
        options=replace(draft.resolved_options(), **output.pinned),
        model=encoder.config,
        plan=plan.record(),
        limits=draft.limits,
        inputs=output.inputs,
        outputs=tuple(output_names(plan)),
        engine=output.engine,
        versions={**_versions(), **output.versions},
    )


def checked(draft: Draft, compiled: Compiled, directory: Path) -> Parity | None:
    """The new engine against the oracle, in its form for the CPU where this machine lacks the GPU
    that it is for; None where it has none.

    Raises:
        LtpError: it computes something else.
    """
    runnable = compiled if can_run(compiled) else portable(compiled)
    if runnable is None:
        return None
    session = open_session(directory, runnable)
    return self_check(draft.encoder, session, compiled.precision, compiled.limits)


def _bundled_tokenizer(draft: Draft, checkpoint: Path, directory: Path) -> TokenizerRecord | None:
    options = draft.options
    record = None
    if options.tokenizer:
        config, longest = draft.encoder.config, draft.limits.max_length
        record = bundle_tokenizer(checkpoint, directory, config, longest, options.cpp_texts)
    if record is None and options.cpp_texts:
        raise LtpError(
            "--cpp-texts is for the checkpoint's tokenizer, and it has none, or --no-tokenizer "
            "leaves it out"
        )
    return record


def _copied_calibration(measured: Measured, directory: Path) -> FileName | None:
    if measured.calibration is None:
        return None
    shutil.copyfile(measured.calibration, directory / CALIBRATION)
    return CALIBRATION


def _versions() -> dict[str, str]:
    versions = {"ltp_deploy": ltp_deploy.__version__}
    for package in PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return versions
