"""Checkpoint -> bundle: the main job."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

import ltp_deploy
from ltp_deploy.bundle import new_bundle, write_manifest
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.checkpoint.files import checkpoint_hash
from ltp_deploy.compiler import lower
from ltp_deploy.compiler.passes import output_names
from ltp_deploy.compiler.plan import Plan, make_plan
from ltp_deploy.encoder import Encoder
from ltp_deploy.errors import LtpError
from ltp_deploy.pruning.profile import SurvivorProfile
from ltp_deploy.runtime.session import open_session
from ltp_deploy.targets import Job, Target, find_target
from ltp_deploy.tokenizer import copy_tokenizer
from ltp_deploy.validation.self_check import self_check


def plan_build(
    encoder: Encoder,
    target: Target,
    precision: str | None = None,
    survivors: bool = False,
    profile: SurvivorProfile | None = None,
) -> Plan:
    """Decide what `build` would do, without doing it."""
    if precision is not None and precision not in target.precisions:
        raise LtpError(
            f"target {target.name!r} has no precision {precision!r}; "
            f"it has {', '.join(target.precisions)}"
        )
    return make_plan(encoder.config, precision or target.precisions[0], survivors, profile)


def build(
    checkpoint: str | Path,
    output: str | Path,
    target: str = "cpu",
    precision: str | None = None,
    survivors: bool = False,
    score_length: int | str | None = None,
    first_token: str | None = None,
    force: bool = False,
    dump: Path | None = None,
) -> dict[str, Any]:
    """Compile a checkpoint for a target and write the bundle; returns its manifest entries.

    Nothing is left behind where this fails or is interrupted.
    """
    chosen = find_target(target)
    with new_bundle(Path(output), force) as directory:
        encoder = load_encoder(checkpoint, score_length, first_token)
        plan = plan_build(encoder, chosen, precision, survivors)
        engine = write_engine(encoder, chosen, plan, directory, dump)
        manifest = {**_describe(encoder, plan, Path(checkpoint), directory), **engine}
        if chosen.runs:
            session = open_session(directory, manifest)
            manifest["parity"] = self_check(encoder, session, manifest["precision"])
        write_manifest(directory, manifest)
    return manifest


def write_engine(
    encoder: Encoder, target: Target, plan: Plan, directory: Path, dump: Path | None = None
) -> dict[str, Any]:
    """Compile `encoder` into `directory`; returns the manifest entries that a runtime needs."""
    job = Job(
        module=lower(encoder, plan, dump),
        config=encoder.config,
        plan=plan,
        precision=plan.layers[0].precision,
        isa=target.isa,
        directory=directory,
    )
    return {
        "target": target.name,
        "backend": target.backend,
        "precision": job.precision,
        "isa": job.isa,
        "versions": _versions(),
        "outputs": output_names(plan),
        **target.write(job),
    }


def _describe(encoder: Encoder, plan: Plan, checkpoint: Path, directory: Path) -> dict[str, Any]:
    """Copy the tokenizer into `directory`; returns the manifest entries about the model."""
    tokenizer = copy_tokenizer(checkpoint, directory / "tokenizer", encoder.config.family)
    return {
        "source": {"name": checkpoint.resolve().name, "sha256": checkpoint_hash(checkpoint)},
        "model": encoder.config.to_dict(),
        "plan": plan.to_dict(),
        "survivors": plan.survivors,
        "tokenizer": "tokenizer" if tokenizer else None,
    }


def _versions() -> dict[str, str]:
    versions = {"ltp_deploy": ltp_deploy.__version__}
    for package in ("torch", "transformers", "openvino"):
        versions[package] = importlib.metadata.version(package)
    return versions
