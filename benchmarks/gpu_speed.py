"""Times on a GPU: the kernels against lower bounds, and engines against dense baselines,
interleaved in one run."""

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

import ltp_deploy.backends.torch_cuda.op  # noqa: F401  the kernels, for CUDA tensors
from ltp_deploy.backends.table import open_session, portable
from ltp_deploy.backends.torch_cuda.measure import device_seconds
from ltp_deploy.benchmark.baselines.dense import dense_model
from ltp_deploy.benchmark.baselines.torch import TorchSession, UnpaddedSession
from ltp_deploy.benchmark.runner import Feeds, Layout, Runner
from ltp_deploy.benchmark.workload import random_requests
from ltp_deploy.builder.build import compile_engine
from ltp_deploy.builder.draft import draft_encoder
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.compiler.cost import GpuCost
from ltp_deploy.compiler.plan import Plan
from ltp_deploy.hardware.timing import interleave
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.policy import Carry, Mode
from ltp_deploy.parity.tolerances import TOLERANCES

OURS, BOUNDED, UNPRUNED = "ltp-deploy", "ltp-deploy, bounded", "ltp-deploy, nothing pruned"
PADDED, UNPADDED = "PyTorch dense, padded", "PyTorch dense, unpadded"
GRAPH = "PyTorch dense, unpadded, CUDA graph"
CASES = {
    "1 x 128": np.full(1, 128),
    "1 x 384": np.full(1, 384),
    "8 x 128": np.full(8, 128),
    "32 x 128": np.full(32, 128),
    "32 x 384": np.full(32, 384),
    "mixed 256": mixed_lengths(256),
}
HEADS, HEAD_SIZE = 12, 64


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
KERNEL_GOAL = 1.5  # times the larger of its lower bounds, attention at 32 x 384


def time_kernels(gpu: GpuCost, device: str = "cuda") -> list[dict[str, Any]]:
    """Time the whole op at 32 x 384, with and without scores, and PyTorch's attention.

    The lower bounds (`floor_...`, in microseconds) are the op's multiply-adds at the rate of a
    large product, and the bytes of its inputs and outputs at the rate of a large copy.
    """
    sequences, length = 32, 384
    hidden, rows = HEADS * HEAD_SIZE, sequences * length
    qkv = torch.randn(rows, 3 * hidden, device=device, dtype=torch.float16)
    offsets = torch.arange(0, rows + 1, length, device=device, dtype=torch.int32)
    alive = torch.ones(rows, device=device, dtype=torch.int32)
    given = (qkv, offsets, alive, offsets[1:] - offsets[:-1], HEADS)
    product = 2 * sequences * length**2 * hidden
    results = []
    for name, mode, carry, products in (
        ("attention", Mode.NONE, Carry.ALL, 2),
        ("attention, scores, survivors moved", Mode.TOPK, Carry.BOUNDED, 3),
        ("first rows alone", Mode.NONE, Carry.FIRST, 2 / length),
    ):
        rule = (int(mode), 0.5, 0, True, int(carry))
        seconds = device_seconds(lambda rule=rule: torch.ops.ltp.pruned_attention(*given, *rule))
        wanted = sequences if carry is Carry.FIRST else rows  # of queries, and of context
        compute = products * product / gpu.flops
        memory = 2 * hidden * (2 * rows + 2 * wanted) / gpu.bandwidth
        results.append(
            {
                "kernels": name,
                "microseconds": 1e6 * seconds,
                "floor_compute": 1e6 * compute,
                "floor_memory": 1e6 * memory,
                "times_floor": seconds / max(compute, memory),
            }
        )
    query, key, value = qkv.view(sequences, length, 3, HEADS, HEAD_SIZE).permute(2, 0, 3, 1, 4)
    attention = torch.nn.functional.scaled_dot_product_attention
    seconds = device_seconds(lambda: attention(query, key, value))
    return [*results, {"kernels": "PyTorch's attention", "microseconds": 1e6 * seconds}]


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


def time_engines(checkpoint: Path, device: str, seconds: float, cases: Any) -> list[dict[str, Any]]:
    """A row for every runner on every case.

    `predicted_ms` is the cost model's prediction for the layers, `logits_differ` the largest
    difference of logits from those of the padded baseline, relative to the largest logit.
    """
    encoder = load_encoder(checkpoint)
    padded = TorchSession(dense_model(checkpoint, encoder), "fp16", device)
    unpadded = UnpaddedSession(encoder, device)
    rows = []
    for name, lengths in cases.items():
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
) -> list[dict[str, Any]]:
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
    notes: list[dict[str, Any]] = []
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
        row: dict[str, Any] = {"case": name, "runner": runner, "ms": 1e3 * time}
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


def goals(rows: list[dict[str, Any]], kernels: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row per goal with what was found, from the rows of `time_engines` and `time_kernels`."""
    found = []
    for goal in GOALS:
        times = {
            row["runner"]: row["ms"] for row in rows if row.get("case") == goal.case and "ms" in row
        }
        if goal.fast in times:
            slow = min((runner for runner in goal.slow if runner in times), key=times.__getitem__)
            ratio, what = times[slow] / times[goal.fast], f"{goal.case}: {slow} over {goal.fast}"
            found.append(_judged(what, goal.times, ratio, ratio >= goal.times))
    for kernel in (k for k in kernels[1:2] if "times_floor" in k):
        ratio, what = kernel["times_floor"], f"32 x 384: {kernel['kernels']}, over its floor"
        found.append(_judged(what, KERNEL_GOAL, ratio, ratio <= KERNEL_GOAL))
    return found


def _judged(what: str, wanted: float, ratio: float, met: bool) -> dict[str, Any]:
    return {"goal": what, "wanted": wanted, "found": ratio, "met": met}
