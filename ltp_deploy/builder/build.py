"""Checkpoint -> bundle: the main job."""

from __future__ import annotations

import importlib.metadata
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import ltp_deploy
from ltp_deploy.backends.table import can_run, open_session, portable_manifest
from ltp_deploy.bundle.manifest import new_bundle, write_manifest
from ltp_deploy.bundle.options import BuildOptions, Limits
from ltp_deploy.calibration.artifact import ActivationRange, Calibration, texts_hash
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.checkpoint.files import checkpoint_hash
from ltp_deploy.compiler.int8 import INT8
from ltp_deploy.compiler.lower import lower
from ltp_deploy.compiler.passes import output_names
from ltp_deploy.compiler.plan import Plan, make_plan
from ltp_deploy.data.examples import read_examples
from ltp_deploy.data.tokenizer import copy_tokenizer
from ltp_deploy.errors import LtpError
from ltp_deploy.model.config import EncoderConfig
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.survivors import SurvivorProfile
from ltp_deploy.parity.profile import ProfileData, measure_profile
from ltp_deploy.parity.self_check import self_check
from ltp_deploy.targets import Job, find_target

CALIBRATION = "calibration.json"


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
    layers = encoder.config.layers
    if any(layer >= layers for layer in options.not_int8):
        raise LtpError(
            f"--not-int8 {','.join(map(str, options.not_int8))}: the model has layers 0 to "
            f"{layers - 1}"
        )
    return make_plan(
        encoder.config,
        precision,
        options.survivors,
        profile,
        options.compact,
        target.gpu() if target.gpu else None,
        options.usual_batch,
        target.beside_int8 if precision in INT8 else precision,
        options.not_int8,
    )


@dataclass(frozen=True)
class Measured:
    """What a build knows of a user's data, each part or none.

    Attributes:
        data: texts on which survivors are measured, for a plan that fits them.
        calibration: the file that `calibrate` wrote; it has survivors as well.
    """

    data: ProfileData | None = None
    calibration: Path | None = None


def measured_for(directory: Path, manifest: dict[str, Any]) -> Measured:
    """What a bundle was built with, to build a variant of it."""
    name = manifest.get("calibration")
    return Measured(calibration=directory / name if name else None)


def build(
    checkpoint: str | Path,
    output: str | Path,
    options: BuildOptions | None = None,
    measured: Measured | None = None,
    force: bool = False,
    dump: Path | None = None,
) -> dict[str, Any]:
    """Compile a checkpoint and write the bundle; returns its manifest entries.

    Nothing is left behind where this fails or is interrupted.

    Args:
        force: replace an existing bundle.
        dump: a directory for the graph before and after each pass.
    """
    checkpoint = Path(checkpoint)
    options, measured = options or BuildOptions(), measured or Measured()
    with new_bundle(Path(output), force) as directory:
        draft = draft_build(checkpoint, options, measured)
        engine = write_engine(draft, directory, dump)
        manifest = {**_describe(draft, checkpoint, directory), **engine}
        if measured.calibration:
            shutil.copyfile(measured.calibration, directory / CALIBRATION)
            manifest["calibration"] = CALIBRATION
        runnable = manifest if can_run(manifest) else portable_manifest(manifest)
        if runnable is not None:
            session = open_session(directory, runnable)
            manifest["parity"] = self_check(
                draft.encoder, session, manifest["precision"], Limits(**manifest["limits"])
            )
        write_manifest(directory, manifest)
    return manifest


@dataclass(frozen=True)
class Draft:
    """Everything of a build that writes nothing; `profile` is what the plan rests on, `ranges`
    are for "int8"."""

    encoder: Encoder
    options: BuildOptions
    plan: Plan
    ranges: Mapping[str, ActivationRange] = field(default_factory=dict)
    profile: SurvivorProfile | None = None


def draft_build(checkpoint: Path, options: BuildOptions, measured: Measured) -> Draft:
    """Read and check all that was given, and decide.

    Raises:
        LtpError: options or files that do not fit the checkpoint, the target, or each other.
    """
    _check_options(options, measured)
    encoder = load_encoder(checkpoint, options.score_length, options.first_token)
    chosen_limits(options, encoder.config)
    calibration = _calibration(checkpoint, encoder, measured)
    profile = calibration.profile if calibration else None
    if profile is None and measured.data is not None:
        profile = measure_profile(encoder, checkpoint, measured.data)
    plan = plan_build(encoder, options, profile)
    return Draft(encoder, options, plan, calibration.ranges if calibration else {}, profile)


def _calibration(checkpoint: Path, encoder: Encoder, measured: Measured) -> Calibration | None:
    path, data = measured.calibration, measured.data
    if path is None:
        return None
    found = Calibration.read(path)
    found.check(path, checkpoint_hash(checkpoint), encoder.config.policy)
    if data is not None:
        found.check_data(path, data.source, texts_hash(read_examples(data.source, data.options)))
    return found


def _check_options(options: BuildOptions, measured: Measured) -> None:
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
    if options.precision == "int8" and measured.calibration is None:
        raise LtpError(
            "--precision int8 needs --calibration FILE, which `ltp-deploy calibrate` writes"
            + ("; int8-dynamic needs none" if "int8-dynamic" in target.precisions else "")
        )
    if options.not_int8 and options.precision not in INT8:
        raise LtpError("--not-int8 is for --precision int8 and int8-dynamic")
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


def write_engine(draft: Draft, directory: Path, dump: Path | None = None) -> dict[str, Any]:
    """Compile into `directory`; returns the manifest entries that a runtime needs."""
    encoder, plan, options = draft.encoder, draft.plan, draft.options
    target = find_target(options.target)
    job = Job(
        module=lower(encoder, plan, dump),
        config=encoder.config,
        plan=plan,
        target=target,
        options=options,
        limits=chosen_limits(options, encoder.config),
        directory=directory,
        ranges=draft.ranges,
    )
    entries = target.write(job)
    return {
        "target": target.name,
        "backend": target.backend,
        "precision": job.precision,
        "activations": plan.activations,
        "not_int8": list(options.not_int8),
        "isa": target.isa,
        "limits": asdict(job.limits),
        "outputs": output_names(plan),
        **entries,
        "versions": {**_versions(), **entries.get("versions", {})},
    }


def _describe(draft: Draft, checkpoint: Path, directory: Path) -> dict[str, Any]:
    """Copy the tokenizer into `directory`; returns the manifest entries about the model."""
    encoder, plan = draft.encoder, draft.plan
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
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return versions
