"""PyTorch on an NVIDIA GPU: the traced graph in fp16, cut at every compaction.

The op stays as it is: `ltp_deploy.cuda` implements it on GPUs, the reference on CPUs.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

from ltp_deploy.backends.backend import Job, Output
from ltp_deploy.backends.torch_cuda import SegmentRecord, TorchCudaEngine
from ltp_deploy.backends.torch_cuda.in_place import NEXT, write_in_place
from ltp_deploy.backends.torch_cuda.residual_norm import use_residual_norm
from ltp_deploy.backends.torch_cuda.segments import STATE, Segment, cut
from ltp_deploy.bundle.files import FileName
from ltp_deploy.compiler.example import example_inputs

ENGINE = FileName("engine.pt")


def compile_engine(job: Job) -> Output:
    """Trace each segment on a small batch; one archive holds them in order."""
    values = example_inputs(job.module, job.config)
    inputs = tuple(values)
    parts = [_lowered(segment, values) for segment in cut(job.module, job.plan)]
    traced = nn.ModuleList(module for module, _ in parts)
    with warnings.catch_warnings():
        # TorchScript is deprecated in favour of torch.export, whose archives may be pickles.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        torch.jit.save(torch.jit.script(_Archive(traced)), job.directory / ENGINE)
    segments = tuple(SegmentRecord(s.inputs, s.outputs) for _, s in parts)
    sizes = job.config.hidden_size, job.config.context_size
    engine = TorchCudaEngine(ENGINE, segments, *sizes, "cuda")
    return Output(engine, inputs)


class _Archive(nn.Module):
    def __init__(self, segments: nn.ModuleList):
        super().__init__()
        self.segments = segments


def _lowered(segment: Segment, values: dict[str, Tensor]) -> tuple[torch.jit.ScriptModule, Segment]:
    """A segment with the operators that CUDA has kernels for, traced with `values`, which become
    those that the next segment is given."""
    use_residual_norm(segment.module)
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        found = segment.module(*(values[name] for name in segment.inputs))
        state = {n: v for n, v in zip(segment.outputs, found, strict=True) if n in STATE}
        buffers = {NEXT + name: torch.empty_like(value) for name, value in state.items()}
        buffers[NEXT + "count"] = torch.zeros(1, dtype=torch.int32)
        segment = write_in_place(segment)
        given = tuple({**values, **buffers}[name] for name in segment.inputs)
        traced = torch.jit.trace(segment.module, given, check_trace=False)
    values.update(state)
    return traced, segment
