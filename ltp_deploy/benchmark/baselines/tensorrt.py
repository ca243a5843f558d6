"""The dense model in TensorRT, in fp16 and in int8, padded and without padding.

Padded engines have TensorRT's own attention. TensorRT has none for packed sequences that every
version knows, so engines without padding have this project's, which prunes nothing there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ltp_deploy.backends.backend import Job, RunOptions
from ltp_deploy.backends.onnx.export import WEIGHTS, export_graph
from ltp_deploy.backends.onnx.quantize import quantize
from ltp_deploy.backends.table import open_session
from ltp_deploy.backends.tensorrt import TensorRtEngine
from ltp_deploy.backends.tensorrt.builder import EngineJob, Shape, build_engine
from ltp_deploy.backends.tensorrt.executor import Executor, Shapes
from ltp_deploy.backends.tensorrt.library import LIBRARIES
from ltp_deploy.backends.tensorrt.loaded import LoadedEngine
from ltp_deploy.benchmark.baselines.baseline import BaselineRequest
from ltp_deploy.benchmark.baselines.padded_graph import MASK, OFFSETS, padded_graph
from ltp_deploy.benchmark.runner import Feeds, Layout, Runner
from ltp_deploy.builder.build import compile_engine
from ltp_deploy.builder.draft import Draft, draft_encoder
from ltp_deploy.builder.rebuild import calibrated_ranges
from ltp_deploy.bundle.manifest import Compiled
from ltp_deploy.compiler.int8 import ActivationRange
from ltp_deploy.compiler.plan import PlanRequest, make_plan
from ltp_deploy.cuda.memory import Mirror
from ltp_deploy.data.batch import join
from ltp_deploy.errors import LtpError
from ltp_deploy.targets import find_target

PADDED, UNPADDED = "TensorRT dense {}, padded", "TensorRT dense {}, unpadded"
PRECISIONS = ("fp16", "int8")
SAMPLES = 128  # sequences on which int8 is calibrated, where the bundle has no calibration
LOGITS, TOKENS, POSITIONS = "logits", "input_ids", "position_ids"


def baselines(request: BaselineRequest) -> list[Runner]:
    """The dense model in the engine's library: in both precisions, the engine's first, padded and
    without padding.

    Raises:
        LtpError: peers were asked for; the library refuses an engine; or int8 needs a calibration
            and NNCF is missing.
    """
    if request.peers:
        raise LtpError("peers run on CPUs; this engine is timed against dense TensorRT in any case")
    runners: list[Runner] = []
    for precision in sorted(PRECISIONS, key=lambda name: name != request.precision):
        draft = dense_draft(request, precision)
        with tempfile.TemporaryDirectory() as folder:
            packed, padded = Path(folder) / "packed", Path(folder) / "padded"
            packed.mkdir()
            padded.mkdir()
            compiled = compile_engine(draft, packed)
            session = open_session(packed, compiled, RunOptions())
            plan = build_padded(draft, compiled.record(TensorRtEngine), padded)
            runners += [
                Runner(PADDED.format(precision), PaddedSession(plan, compiled), Layout.PADDED),
                Runner(
                    UNPADDED.format(precision),
                    session,
                    Layout.PACKED,
                    carries=compiled.plan.carries,
                ),
            ]
    return runners


def dense_draft(request: BaselineRequest, precision: str) -> Draft:
    """The bundle's build, of an encoder that prunes nothing, in a precision."""
    assert request.engine is not None
    options = replace(
        request.engine.manifest.options,
        precision=precision,
        compact="auto",
        survivors=False,
        portable=False,
        not_int8=(),
    )
    dense = request.encoder.unpruned()
    return draft_encoder(dense, options, _ranges(request) if precision == "int8" else {})


def _ranges(request: BaselineRequest) -> Mapping[str, ActivationRange]:
    """Those of the bundle's calibration, or of the first sequences that will be timed."""
    assert request.engine is not None
    if ranges := calibrated_ranges(request.engine):
        return ranges
    from ltp_deploy.calibration.ranges import activation_ranges

    return activation_ranges(request.encoder.unpruned(), join(request.samples[:SAMPLES]))


def build_padded(draft: Draft, record: TensorRtEngine, directory: Path) -> bytes:
    """The serialized engine of the padded model.

    Args:
        record: of an engine of the same library and GPU.
        directory: where files may lie meanwhile.
    """
    # As in a dense model the last layer computes all rows.
    config, precision = draft.encoder.config, draft.plan.precision
    activations = draft.plan.activations
    plan = make_plan(PlanRequest(config, precision, activations, survivors=True))
    module = padded_graph(draft.encoder, plan)
    names = [node.name for node in module.graph.nodes if node.op == "placeholder"]
    example = {name: torch.ones(3, 7, dtype=torch.int32) for name in names}
    example[OFFSETS] = torch.arange(4, dtype=torch.int32) * 7
    batch, length, bounds = map(torch.export.Dim, ("B", "n", "B_plus_1"))
    free = [{0: bounds} if name == OFFSETS else {0: batch, 1: length} for name in names]
    model = export_graph(module, example, free, [LOGITS], directory)
    if precision == "int8":
        target = find_target(draft.options.target)
        job = Job(
            module, config, plan, target, draft.options, draft.limits, directory, draft.ranges
        )
        quantize(model, job, directory / WEIGHTS)
    path, engine = directory / "padded.onnx", directory / "padded.plan"
    path.write_bytes(model.SerializeToString())
    build_engine(
        EngineJob(
            library=record.library,
            onnx=str(path),
            engine=str(engine),
            compute_capability=record.compute_capability,
            plugin=None,
            profiles=_profiles(draft, names),
        )
    )
    return engine.read_bytes()


def _profiles(draft: Draft, names: list[str]) -> tuple[dict[str, tuple[Shape, ...]], ...]:
    """For all requests, and for single sequences, each tuned for its typical one."""
    limits, predicted = draft.limits, draft.plan.prediction
    batch = min(draft.options.usual_batch, limits.max_batch)
    usual = predicted.tokens // predicted.sequences if predicted else limits.max_length
    usual = min(max(usual, 1), limits.max_length)

    def shapes(*sequences: int) -> dict[str, tuple[Shape, ...]]:
        lengths = (1, usual, limits.max_length)
        sizes = tuple(zip(sequences, lengths, strict=True))
        bounds = tuple((count + 1,) for count in sequences)
        return {name: bounds if name == OFFSETS else sizes for name in names}

    return (shapes(1, batch, limits.max_batch), shapes(1, 1, 1))


class PaddedSession:
    """A padded dense engine. Shapes that come again are CUDA graphs, as in a pruning engine where
    no size depends on the data.

    Args:
        plan: the serialized engine.
        compiled: of the same model, library and limits.

    Raises:
        LtpError: the library refuses the engine.
    """

    def __init__(self, plan: bytes, compiled: Compiled):
        record, limits = compiled.record(TensorRtEngine), compiled.limits
        trt = LIBRARIES[record.library].load()
        loaded = LoadedEngine(trt, record.library, plan, "a dense engine")
        self._start, self._labels = compiled.model.position_start, compiled.model.num_labels
        integers, most = np.dtype(np.int32), limits.max_batch * limits.max_length
        sizes = {**dict.fromkeys(compiled.inputs, most), OFFSETS: limits.max_batch + 1, MASK: most}
        self._executor = Executor(
            loaded,
            {name: Mirror(size, integers) for name, size in sizes.items()},
            {LOGITS: Mirror(limits.max_batch * self._labels, np.dtype(np.float32))},
            None,
        )

    def run(self, feeds: Feeds) -> Feeds:
        """See `padded_feeds`."""
        sequences, longest = feeds[TOKENS].shape
        positions = np.arange(self._start, self._start + longest, dtype=np.int32)
        known: dict[str, Any] = {
            **feeds,
            POSITIONS: np.broadcast_to(positions, (sequences, longest)),
            OFFSETS: np.arange(sequences + 1) * longest,
        }
        shapes = {name: known[name].shape for name in self._executor.inputs}
        for name, shape in shapes.items():
            self._executor.inputs[name].host[: known[name].size].reshape(shape)[:] = known[name]
        count, profile = sequences * self._labels, int(sequences == 1)
        self._executor.run(Shapes(profile, tuple(shapes.items()), ((LOGITS, count),)))
        logits = self._executor.outputs[LOGITS].host[:count]
        return {LOGITS: logits.reshape(sequences, self._labels).copy()}
