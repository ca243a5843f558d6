"""Times of engines on a GPU against dense baselines, interleaved in one run, and the goals."""

from __future__ import annotations

import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from cases import assumed_profile, mixed_lengths
from gpu_attention import SCORED
from gpu_run import Budget, Row

import ltp_deploy.backends.torch_cuda.op  # noqa: F401  the kernels, for CUDA tensors
from ltp_deploy.backends.table import open_session, portable
from ltp_deploy.benchmark.baselines.dense import dense_model
from ltp_deploy.benchmark.baselines.torch import TorchSession, UnpaddedSession
from ltp_deploy.benchmark.runner import Feeds, Layout, Runner
from ltp_deploy.benchmark.workload import random_requests
from ltp_deploy.builder.build import compile_engine
from ltp_deploy.builder.draft import draft_encoder
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.compiler.plan import Plan
from ltp_deploy.hardware.timing import interleave
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.policy import Carry
from ltp_deploy.parity.tolerances import TOLERANCES

OURS, BOUNDED, UNPRUNED = "ltp-deploy", "ltp-deploy, bounded", "ltp-deploy, nothing pruned"
PADDED, UNPADDED = "PyTorch dense, padded", "PyTorch dense, unpadded"
GRAPH = "PyTorch dense, unpadded, CUDA graph"
CASES = {
    "1 x 128": np.full(1, 128),
    "32 x 128": np.full(32, 128),
    "32 x 384": np.full(32, 384),
    "1 x 384": np.full(1, 384),
    "8 x 128": np.full(8, 128),
    "mixed 256": mixed_lengths(256),
}


@dataclass(frozen=True)
class Goal:
    """The fastest of `slow` takes at least `times` as long as `fast` on a case."""

    case: str
    slow: tuple[str, ...]
    fast: str
    times: float


GOALS = (
    Goal("32 x 384", (UNPADDED, GRAPH), OURS, 2.0),
    Goal("mixed 256", (PADDED,), OURS, 4.0),
    Goal("1 x 128", (PADDED, UNPADDED, GRAPH), OURS, 1.0),
    Goal("1 x 384", (PADDED, UNPADDED, GRAPH), OURS, 1.0),
)
KERNEL_CASE, KERNEL_GOAL = "32 x 384", 1.5  # times the larger of attention's lower bounds


class GraphSession(UnpaddedSession):
    """The unpadded dense model for one request, captured in a CUDA graph, copies included."""

    def __init__(self, encoder: Encoder, feeds: Feeds):
        super().__init__(encoder, "cuda")
        longest = int(np.diff(feeds["offsets"]).max())
        values = [torch.from_numpy(feeds[name]) for name in self.inputs]
        sizes = [len(value) for value in values]
        self.request = torch.cat(values).pin_memory()
        device = self.request.cuda()
        self.given = dict(zip(self.inputs, device.split(sizes), strict=True))
        self.host = dict(zip(self.inputs, self.request.split(sizes), strict=True))
        # The outer context goes back to this stream where capturing fails.
        with torch.no_grad(), torch.cuda.stream(torch.cuda.current_stream()):
            self.answer = self.logits(self.given, longest).cpu().pin_memory()
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                device.copy_(self.request, non_blocking=True)
                self.answer.copy_(self.logits(self.given, longest), non_blocking=True)

    def run(self, feeds: Feeds) -> Feeds:
        for name, tensor in self.host.items():
            tensor.numpy()[:] = feeds[name]
        self.graph.replay()
        torch.cuda.current_stream().synchronize()
        return {"logits": self.answer.numpy().copy()}


def time_engines(
    checkpoint: Path, device: str, seconds: float, cases: dict[str, np.ndarray], budget: Budget
) -> list[Row]:
    """A row for every runner on every case: [B] lengths by its name.

    `predicted_ms` is the cost model's prediction for the layers, `logits_differ` the largest
    difference of logits from those of the padded baseline, relative to the largest logit.
    """
    encoder = load_encoder(checkpoint)
    padded = TorchSession(dense_model(checkpoint, encoder), "fp16", device)
    unpadded = UnpaddedSession(encoder, device)
    rows = []
    for name, lengths in cases.items():
        if not budget.allows(name, seconds):
            continue
        try:
            rows += _time_case(encoder, name, lengths, (padded, unpadded), device, seconds)
        except Exception as error:  # the other cases still run
            traceback.print_exc()
            rows.append({"case": name, "passed": False, "message": f"{error}"})
    return rows


def _time_case(
    encoder: Encoder,
    name: str,
    lengths: np.ndarray,
    dense: tuple[TorchSession, UnpaddedSession],
    device: str,
    seconds: float,
) -> list[Row]:
    config = encoder.config
    (request,) = random_requests(config, [lengths])
    unpruned = encoder.unpruned()
    variants = {
        OURS: (encoder, "auto"),
        BOUNDED: (encoder, "bounded"),
        UNPRUNED: (unpruned, "auto"),
    }
    runners: list[Runner] = []
    plans: dict[str, Plan] = {}
    notes: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for title, (source, compact) in variants.items():
            session, plans[title] = _engine(source, lengths, compact, device, Path(folder) / title)
            runners.append(Runner(title, session, Layout.PACKED))
    runners.append(Runner(PADDED, dense[0], Layout.PADDED))
    runners.append(Runner(UNPADDED, dense[1], Layout.PACKED))
    if device == "cuda":
        try:
            graph = GraphSession(encoder, request.feeds(config))
            runners.append(Runner(GRAPH, graph, Layout.PACKED))
        except RuntimeError as error:
            notes.append({"case": name, "runner": GRAPH, "message": f"not captured: {error}"})
    calls: dict[str, list[Callable[[], np.ndarray]]] = {
        runner.name: [runner.prepare(request, config)] for runner in runners
    }
    answers = {runner: [call() for _ in range(3)][-1] for runner, (call,) in calls.items()}
    timings = interleave(calls, seconds, title=name)
    times = {runner: median(timing.samples[0]) for runner, timing in timings.items()}
    scale = float(np.abs(answers[PADDED]).max())
    rows = []
    for runner, time in times.items():
        row: Row = {"case": name, "runner": runner, "ms": 1e3 * time}
        row["times_ours"] = time / times[OURS]
        if runner in plans and (prediction := plans[runner].prediction):
            row["predicted_ms"] = 1e3 * prediction.seconds
            row["prediction_error"] = prediction.seconds / time - 1
        if runner in plans:
            carries = plans[runner].carries
            row["syncs_after"] = [i for i, c in enumerate(carries) if c is Carry.SURVIVORS]
        if runner not in (OURS, BOUNDED):  # these are to be the same model
            row["logits_differ"] = float(np.abs(answers[runner] - answers[PADDED]).max()) / scale
            row["passed"] = row["logits_differ"] <= TOLERANCES["fp16"].baseline
        rows.append(row)
    return [*rows, *notes]


def _engine(
    encoder: Encoder, lengths: np.ndarray, compact: str, device: str, folder: Path
) -> tuple[Any, Plan]:
    folder.mkdir()
    options = BuildOptions(
        "torch-cuda",
        compact=compact,
        usual_batch=len(lengths),
        max_tokens=int(lengths.sum()),
        max_batch=len(lengths),
        max_length=int(lengths.max()),
    )
    profile = assumed_profile(encoder.config.policy, lengths)
    draft = draft_encoder(encoder, options, profile=profile)
    compiled = compile_engine(draft, folder)
    runnable = compiled if device == "cuda" else portable(compiled)
    assert runnable is not None
    return open_session(folder, runnable), draft.plan


def goals(rows: list[Row], kernels: list[Row]) -> list[Row]:
    """A row per goal with what was found, from the rows of `time_engines` and `time_attention`."""
    found = []
    for goal in GOALS:
        times = {
            row["runner"]: row["ms"] for row in rows if row.get("case") == goal.case and "ms" in row
        }
        if goal.fast in times:
            slow = min((runner for runner in goal.slow if runner in times), key=times.__getitem__)
            ratio, what = times[slow] / times[goal.fast], f"{goal.case}: {slow} over {goal.fast}"
            found.append(_judged(what, goal.times, ratio, ratio >= goal.times))
    for row in kernels:
        case = row.get("request"), row.get("kernels"), row.get("carveout")
        if case == (KERNEL_CASE, SCORED, "as set"):
            ratio, what = row["times_floor"], f"{KERNEL_CASE}: {SCORED}, over its floor"
            found.append(_judged(what, KERNEL_GOAL, ratio, ratio <= KERNEL_GOAL))
    return found


def _judged(what: str, wanted: float, ratio: float, met: bool) -> Row:
    return {"goal": what, "wanted": wanted, "found": ratio, "met": met}
