"""PyTorch on NVIDIA GPUs, with our CUDA kernels and CUDA graphs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from ltp_deploy.backends.backend import (
    Backend,
    Engine,
    Job,
    Output,
    RunOptions,
    Session,
    Target,
)
from ltp_deploy.bundle.files import BundleFiles, FileName
from ltp_deploy.bundle.manifest import Compiled, EngineRecord
from ltp_deploy.errors import BundleError, needs
from ltp_deploy.model.config import EncoderConfig

if TYPE_CHECKING:
    from ltp_deploy.compiler.cost import GpuCost


@dataclass(frozen=True)
class SegmentRecord:
    """Names of a segment's inputs and outputs; one that begins with `next_` is written for the
    next segment."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class TorchCudaEngine(EngineRecord):
    """One archive with all segments.

    Attributes:
        segments: in the order in which they run.
        hidden_size, context_size: columns of the residual and of the attention context that pass
            from segment to segment.
        device: "cuda", or "cpu" where the op's reference takes the place of the kernels.
    """

    file: FileName
    segments: tuple[SegmentRecord, ...]
    hidden_size: int
    context_size: int
    device: Literal["cuda", "cpu"]


class TorchCuda(Backend):
    """PyTorch with our CUDA kernels."""

    name = "torch-cuda"
    record = TorchCudaEngine

    def misfit(self, config: EncoderConfig, precision: str) -> str | None:
        """Heads that the kernels do not take."""
        from ltp_deploy.cuda.launches import too_large

        return too_large(config)

    def cost(self, target: Target, precision: str) -> GpuCost:
        """Of the GPU that is present, else of an H200."""
        from ltp_deploy.backends.torch_cuda.measure import local_gpu

        return local_gpu()

    def compile(self, job: Job) -> Output:
        """See `compile.compile_engine`."""
        from ltp_deploy.backends.torch_cuda.compile import compile_engine

        return compile_engine(job)

    def open(self, files: BundleFiles, engine: Compiled, options: RunOptions) -> Session:
        """See `TorchCudaSession.open`."""
        with needs(f"the engine in {files.directory} runs in PyTorch", "build", BundleError):
            from ltp_deploy.backends.torch_cuda.session import TorchCudaSession

        return TorchCudaSession.open(files, engine, options.threads)

    def can_run(self, engine: Compiled) -> bool:
        """Whether PyTorch finds a GPU, where one is needed."""
        import torch

        return engine.record(TorchCudaEngine).device == "cpu" or torch.cuda.is_available()

    def portable(self, engine: Engine) -> Engine:
        """The same archive with the op's reference."""
        return replace(engine, engine=replace(engine.record(TorchCudaEngine), device="cpu"))

    def baselines(self, engine: Compiled) -> tuple[str, str]:
        """PyTorch on the same device, without padding as well."""
        return "torch", engine.record(TorchCudaEngine).device
