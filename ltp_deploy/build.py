"""Checkpoint -> bundle: the main job."""

from __future__ import annotations

import importlib.metadata
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ltp_deploy
from ltp_deploy.bundle import new_bundle, write_manifest
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.checkpoint.files import checkpoint_hash
from ltp_deploy.compiler import lower
from ltp_deploy.compiler.passes import output_names
from ltp_deploy.compiler.plan import Plan, make_plan
from ltp_deploy.config import EncoderConfig
from ltp_deploy.encoder import Encoder
from ltp_deploy.errors import LtpError
from ltp_deploy.options import BuildOptions, Limits
from ltp_deploy.pruning.profile import SurvivorProfile
from ltp_deploy.runtime.session import can_run, open_session, portable_manifest
from ltp_deploy.targets import Job, find_target
from ltp_deploy.tokenizer import copy_tokenizer
from ltp_deploy.validation.profile import ProfileData, measure_profile
from ltp_deploy.validation.self_check import self_check


def plan_build(
    encoder: Encoder, options: BuildOptions, profile: SurvivorProfile | None = None
) -> Plan:
    """Decide what `build` would do, without doing it."""
    target = find_target(options.target)
    precision = options.precision or target.precisions[0]
    if precision not in target.precisions:
        raise LtpError(
            f"target {target.name!r} has no precision {precision!r}; "
            f"it has {', '.join(target.precisions)}"
        )
    return make_plan(
        encoder.config,
        precision,
        options.survivors,
        profile,
        options.compact,
        target.gpu,
        options.usual_batch,
    )


def build(
    checkpoint: str | Path,
    output: str | Path,
    options: BuildOptions | None = None,
    data: ProfileData | None = None,
    force: bool = False,
    dump: Path | None = None,
) -> dict[str, Any]:
    """Compile a checkpoint and write the bundle; returns its manifest entries.

    Nothing is left behind where this fails or is interrupted.

    Args:
        data: texts on which survivors are measured, for a plan that fits them.
        force: replace an existing bundle.
        dump: a directory for the graph before and after each pass.
    """
    checkpoint, options = Path(checkpoint), options or BuildOptions()
    with new_bundle(Path(output), force) as directory:
        encoder, plan = load_and_plan(checkpoint, options, data)
        engine = write_engine(encoder, plan, options, directory, dump)
        manifest = {**_describe(encoder, plan, checkpoint, directory), **engine}
        runnable = manifest if can_run(manifest) else portable_manifest(manifest)
        if runnable is not None:
            session = open_session(directory, runnable)
            manifest["parity"] = self_check(
                encoder, session, manifest["precision"], Limits(**manifest["limits"])
            )
        write_manifest(directory, manifest)
    return manifest


def load_and_plan(
    checkpoint: Path, options: BuildOptions, data: ProfileData | None = None
) -> tuple[Encoder, Plan]:
    """Everything of a build that writes nothing."""
    _check_options(options)
    encoder = load_encoder(checkpoint, options.score_length, options.first_token)
    chosen_limits(options, encoder.config)
    profile = measure_profile(encoder, checkpoint, data) if data else None
    return encoder, plan_build(encoder, options, profile)


def _check_options(options: BuildOptions) -> None:
    """Refuse what the target would ignore.

    Raises:
        LtpError: with the target that the option is for.
    """
    target = find_target(options.target)
    if options.compact == "bounded" and target.backend == "openvino":
        raise LtpError(
            "--compact bounded is for engines that cannot wait for a row count; on a CPU removing "
            "rows costs nothing: pass auto"
        )
    for name, given in (("--portable-onnx", options.portable), ("--library", options.library)):
        if given and target.backend != "tensorrt":
            raise LtpError(f"{name} is for TensorRT targets such as t4, not for {target.name}")


def chosen_limits(options: BuildOptions, config: EncoderConfig) -> Limits:
    """The largest request that the engine will accept.

    Raises:
        LtpError: limits that contradict each other, the model, or what the target can hold.
    """
    target = find_target(options.target)
    limits = Limits.choose(options, config, target.needs_limits)
    if target.check is not None:
        target.check(config, limits)
    return limits


def write_engine(
    encoder: Encoder,
    plan: Plan,
    options: BuildOptions,
    directory: Path,
    dump: Path | None = None,
) -> dict[str, Any]:
    """Compile `encoder` into `directory`; returns the manifest entries that a runtime needs."""
    target = find_target(options.target)
    job = Job(
        module=lower(encoder, plan, dump),
        config=encoder.config,
        plan=plan,
        target=target,
        options=options,
        limits=chosen_limits(options, encoder.config),
        directory=directory,
    )
    entries = target.write(job)
    return {
        "target": target.name,
        "backend": target.backend,
        "precision": job.precision,
        "isa": target.isa,
        "limits": asdict(job.limits),
        "outputs": output_names(plan),
        **entries,
        "versions": {**_versions(), **entries.get("versions", {})},
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
