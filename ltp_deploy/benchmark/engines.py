"""Opening the sides: our engine, the same engine without pruning, dense OpenVINO, the peers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ltp_deploy.backends.table import open_session
from ltp_deploy.benchmark.baselines.dense import dense_model
from ltp_deploy.benchmark.baselines.openvino import convert, open_dense, quantized
from ltp_deploy.benchmark.baselines.peers import open_peer
from ltp_deploy.benchmark.baselines.torch import TorchSession, UnpaddedSession
from ltp_deploy.benchmark.sides import Layout, Side, padded_feeds
from ltp_deploy.builder.build import Draft, measured_for, plan_build, write_engine
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.calibration.artifact import ActivationRange, Calibration
from ltp_deploy.compiler.plan import Plan
from ltp_deploy.data.batch import PackedBatch
from ltp_deploy.errors import LtpError
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.policy import PrunePolicy
from ltp_deploy.runtime.engine import Engine

OURS = "ltp-deploy"
UNPRUNED = "ltp-deploy, nothing pruned"
DENSE = "OpenVINO dense, padded"
DENSE_ONE_BY_ONE = "OpenVINO dense, one by one"
PYTORCH = "PyTorch dense, padded"
PYTORCH_ONE_BY_ONE = "PyTorch dense, one by one"
PYTORCH_UNPADDED = "PyTorch dense, unpadded"
PRECISIONS = ("f32", "bf16", "int8-dynamic", "int8")
SAMPLES = 128  # sequences on which the dense int8 baseline is calibrated


def our_side(engine: Engine) -> Side:
    return Side(OURS, engine.session, Layout.PACKED, prunes=True, carries=engine.carries)


def unpruned_side(engine: Engine, encoder: Encoder, folder: Path, threads: int | None) -> Side:
    """The same build with a policy that keeps everything; its files go into `folder`."""
    manifest = engine.manifest
    dense = encoder.with_policy(PrunePolicy.dense(encoder.config.layers))
    limits = manifest["limits"]
    options = BuildOptions(
        manifest["target"],
        manifest["precision"],
        manifest["survivors"],
        not_int8=tuple(manifest["not_int8"]),
        max_tokens=limits["max_tokens"] or None,
        max_batch=limits["max_batch"] or None,
        max_length=limits["max_length"],
    )
    calibration = measured_for(engine.directory, manifest).calibration
    ranges = Calibration.read(calibration).ranges if calibration else {}
    entries, plan = write_variant(dense, options, folder, ranges)
    if "device" in manifest:
        entries["device"] = manifest["device"]
    session = open_session(folder, entries, threads)
    return Side(UNPRUNED, session, Layout.PACKED, carries=plan.carries)


def write_variant(
    encoder: Encoder,
    options: BuildOptions,
    folder: Path,
    ranges: Mapping[str, ActivationRange] | None = None,
) -> tuple[dict[str, Any], Plan]:
    """Compile `encoder` into `folder`: an engine without the rest of a bundle.

    Args:
        ranges: calibrated ones, for int8.

    Returns:
        The manifest entries that `open_session` reads, and the plan.
    """
    plan = plan_build(encoder, options)
    return write_engine(Draft(encoder, options, plan, ranges or {}), folder), plan


def baselines(
    engine: Engine,
    checkpoint: Path,
    encoder: Encoder,
    peers: Sequence[str],
    threads: int | None,
    sequences: Sequence[PackedBatch],
) -> list[Side]:
    """The dense model at the bundle's precision, then the peers: in OpenVINO, or, beside an engine
    that runs in PyTorch on a GPU, in PyTorch there, without padding as well.

    Args:
        sequences: of those that will be timed; an int8 baseline is calibrated on the first ones.

    Raises:
        LtpError: there is no dense baseline for such an engine, or a peer is not available.
    """
    precision, device = engine.manifest["precision"], engine.manifest.get("device")
    if device:
        if peers:
            raise LtpError("peers run on CPUs; a torch-cuda engine is timed beside PyTorch anyhow")
        padded = TorchSession(dense_model(checkpoint, encoder), precision, device)
        unpadded = UnpaddedSession(encoder, device)
        return [
            Side(PYTORCH, padded, Layout.PADDED),
            Side(PYTORCH_ONE_BY_ONE, padded, Layout.ONE_BY_ONE),
            Side(PYTORCH_UNPADDED, unpadded, Layout.PACKED, carries=unpadded.carries),
        ]
    if precision not in PRECISIONS:
        raise LtpError(
            f"there is no dense baseline in {precision} for this engine, only in "
            f"{' and '.join(PRECISIONS)}; without --against the engine alone is timed"
        )
    model = convert(dense_model(checkpoint, encoder))
    if precision.startswith("int8"):
        model = quantized(model, [padded_feeds(s, encoder.config) for s in sequences[:SAMPLES]])
    dense = open_dense(model, engine.manifest["activations"], threads)
    return [
        Side(DENSE, dense, Layout.PADDED),
        Side(DENSE_ONE_BY_ONE, dense, Layout.ONE_BY_ONE),
        *(open_peer(name, checkpoint, encoder, precision, threads) for name in peers),
    ]
