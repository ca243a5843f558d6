"""Everything of a build that writes nothing: reading, checking, planning."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ltp_deploy.backends.backend import Target
from ltp_deploy.bundle.limits import Limits
from ltp_deploy.bundle.manifest import Manifest
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.calibration.artifact import Calibration, texts_hash
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.checkpoint.identity import checkpoint_hash
from ltp_deploy.compiler.int8 import INT8, ActivationRange
from ltp_deploy.compiler.plan import Plan, PlanRequest, make_plan
from ltp_deploy.data.examples import read_examples
from ltp_deploy.errors import LtpError
from ltp_deploy.model.config import EncoderConfig
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.survivors import SurvivorProfile
from ltp_deploy.parity.profile import ProfileData, measure_profile
from ltp_deploy.targets import TARGETS, find_target


@dataclass(frozen=True)
class Measured:
    """What a build knows of a user's data, each part or none.

    Attributes:
        data: texts on which survivors are measured, for a plan that fits them.
        calibration: the file that `calibrate` wrote; it has survivors as well.
    """

    data: ProfileData | None = None
    calibration: Path | None = None

    @classmethod
    def of_bundle(cls, directory: Path, manifest: Manifest) -> Measured:
        """What a bundle was built with, to build a variant of it."""
        name = manifest.calibration
        return cls(calibration=directory / name if name else None)


@dataclass(frozen=True)
class Draft:
    """A build that is decided and not yet written.

    Attributes:
        ranges: of activations, for the precision "int8".
        profile: the survivors that the plan rests on, None where nothing was measured.
    """

    encoder: Encoder
    options: BuildOptions
    plan: Plan
    limits: Limits
    ranges: Mapping[str, ActivationRange] = field(default_factory=dict)
    profile: SurvivorProfile | None = None

    def resolved_options(self) -> BuildOptions:
        """The options with every default and choice filled in."""
        conventions = self.encoder.config.policy.to_config()
        return replace(
            self.options,
            precision=self.plan.precision,
            compact=self.plan.compact,
            score_length=conventions["score_length"],
            first_token=conventions["first_token"],
            label_thresholds=self.encoder.config.label_thresholds,
            max_tokens=self.limits.max_tokens or None,
            max_batch=self.limits.max_batch or None,
            max_length=self.limits.max_length,
        )


def draft_build(checkpoint: Path, options: BuildOptions, measured: Measured) -> Draft:
    """Read and check all that was given, and decide.

    Raises:
        LtpError: options or files that do not fit the checkpoint, the target, or each other.
    """
    _check_options(options)
    encoder = load_encoder(
        checkpoint,
        options.score_length,
        options.first_token,
        label_thresholds=options.label_thresholds,
    )
    limits = choose_limits(encoder, options)  # refuses before anything slow is done
    calibration = _calibration(checkpoint, encoder, options, measured)
    profile = calibration.profile if calibration else None
    if profile is None and measured.data is not None:
        profile = measure_profile(encoder, checkpoint, measured.data, limits.max_length)
    return draft_encoder(encoder, options, calibration.ranges if calibration else {}, profile)


def draft_encoder(
    encoder: Encoder,
    options: BuildOptions,
    ranges: Mapping[str, ActivationRange] | None = None,
    profile: SurvivorProfile | None = None,
) -> Draft:
    """Decide for an encoder that is loaded.

    Raises:
        LtpError: options that do not fit the model or the target.
    """
    limits = choose_limits(encoder, options)
    plan = make_plan(_plan_request(encoder, options, profile))
    return Draft(encoder, options, plan, limits, ranges or {}, profile)


def choose_limits(encoder: Encoder, options: BuildOptions) -> Limits:
    """The largest request that the engine will accept.

    Raises:
        LtpError: a model that the target cannot hold, or limits that contradict each other, the
            model, or the target.
    """
    target = find_target(options.target)
    _check_shape(target, encoder.config, options)
    limits = Limits.choose(options, encoder.config, target.needs_limits)
    target.backend.check(encoder.config, limits)
    return limits


def _check_shape(target: Target, config: EncoderConfig, options: BuildOptions) -> None:
    """Refuse a model that the target cannot hold.

    Raises:
        LtpError: with the targets that hold it and take the same options, if any do.
    """

    def misfit(target: Target) -> str | None:
        precision = options.precision or target.precisions[0]
        return target.misfit(platform.machine()) or target.backend.misfit(config, precision)

    reason = misfit(target)
    if reason is None:
        return
    fitting = [
        t.name
        for t in TARGETS.values()
        if t.advised
        and options.precision in (None, *t.precisions)
        and all(name in t.backend.own_options for name, _ in _own_options(options))
        and misfit(t) is None
    ]
    if not fitting:
        raise LtpError(f"{reason}; no target can build it with these options")
    raise LtpError(f"{reason}; build it with --target {' or '.join(fitting)}")


def _own_options(options: BuildOptions) -> list[tuple[str, str]]:
    """Those options that not every backend knows: (name in `Backend.own_options`, flag)."""
    given = (
        ("bounded", "--compact bounded", options.compact == "bounded"),
        ("portable", "--portable-onnx", options.portable),
        ("library", "--library", options.library is not None),
    )
    return [(name, flag) for name, flag, is_given in given if is_given]


def _plan_request(
    encoder: Encoder, options: BuildOptions, profile: SurvivorProfile | None
) -> PlanRequest:
    target = find_target(options.target)
    precision = _precision(target, options)
    layers = encoder.config.layers
    if any(layer >= layers for layer in options.not_int8):
        raise LtpError(
            f"--not-int8 {','.join(map(str, options.not_int8))}: the model has layers 0 to "
            f"{layers - 1}"
        )
    return PlanRequest(
        config=encoder.config,
        precision=precision,
        activations=target.beside_int8 if precision in INT8 else precision,
        not_int8=options.not_int8,
        survivors=options.survivors,
        compact=options.compact,
        usual_batch=options.usual_batch,
        profile=profile,
        gpu=target.backend.cost(target, precision),
    )


def _precision(target: Target, options: BuildOptions) -> str:
    precision = options.precision or target.precisions[0]
    if precision not in target.precisions:
        raise LtpError(
            f"target {target.name!r} has no precision {precision!r}; "
            f"it has {', '.join(target.precisions)}"
        )
    return precision


def _calibration(
    checkpoint: Path, encoder: Encoder, options: BuildOptions, measured: Measured
) -> Calibration | None:
    path, data = measured.calibration, measured.data
    if path is None:
        if options.precision != "int8":
            return None
        dynamic = "int8-dynamic" in find_target(options.target).precisions
        raise LtpError(
            "--precision int8 needs --calibration FILE, which `ltp-deploy calibrate` writes"
            + ("; int8-dynamic needs none" if dynamic else "")
        )
    found = Calibration.read(path)
    found.check(path, checkpoint_hash(checkpoint), encoder.config.policy)
    if data is not None:
        examples = read_examples(data.source, data.options, labels=False)
        found.check_data(path, data.source, texts_hash(examples))
    return found


def _check_options(options: BuildOptions) -> None:
    """Refuse what the target would ignore.

    Raises:
        LtpError: with the targets that the option is for.
    """
    target = find_target(options.target)
    for name, flag in _own_options(options):
        if name not in target.backend.own_options:
            others = (t for t in TARGETS.values() if t.advised)
            fitting = [t.name for t in others if name in t.backend.own_options]
            raise LtpError(f"{flag} is for {', '.join(fitting)}, not for {target.name}")
    _precision(target, options)
    if options.not_int8 and options.precision not in INT8:
        raise LtpError("--not-int8 is for --precision int8 and int8-dynamic")
