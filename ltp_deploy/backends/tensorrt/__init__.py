"""TensorRT and TensorRT for RTX, with the op as a plugin."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ltp_deploy.backends.backend import (
    Backend,
    Engine,
    Job,
    Output,
    RunOptions,
    Session,
    Target,
)
from ltp_deploy.backends.onnx import Onnx, OnnxEngine
from ltp_deploy.backends.tensorrt.layers import LayerCounts
from ltp_deploy.backends.tensorrt.library import LibraryName
from ltp_deploy.bundle.files import BundleFiles, FileName
from ltp_deploy.bundle.limits import Limits
from ltp_deploy.bundle.manifest import Compiled, EngineRecord
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.errors import LtpError
from ltp_deploy.hardware.gpu import gpus
from ltp_deploy.model.config import EncoderConfig

if TYPE_CHECKING:
    from ltp_deploy.compiler.cost import GpuCost

MAX_ELEMENTS = 2**31 - 1  # of a TensorRT tensor


@dataclass(frozen=True)
class BuildCost:
    """How long TensorRT's build took, and how much memory at its peak."""

    seconds: float
    peak_mib: float


@dataclass(frozen=True)
class TensorRtEngine(EngineRecord):
    """The serialized engine, what it was built from, and what runs its op.

    Attributes:
        onnx, weights: the model with one node for each attention, that the engine was built from.
        layers_file: the engine's layers, one by one; `layers`: counts of them, None where this
            version of TensorRT words its log in a way that is not understood.
        plugin: the C++ plugin, None where the one in Python runs with `kernels`.
        plugin_sources: SHA-256 of the sources of plugins and kernels.
        library: which TensorRT loads the engine.
        run_by: which TensorRT is promised to run the model well; where it is not `library`, build
            the engine again with it.
        compute_capability: of the GPU, as in "7.5".
        portable: the same model in standard ONNX operators.
    """

    file: FileName
    onnx: FileName
    weights: FileName
    layers_file: FileName
    plugin: FileName | None
    kernels: FileName | None
    plugin_sources: str | None
    library: LibraryName
    run_by: LibraryName
    compute_capability: str
    layers: LayerCounts | None
    built: BuildCost
    portable: OnnxEngine | None

    @property
    def native(self) -> bool:
        return self.plugin is not None


class TensorRt(Backend):
    """TensorRT engines, for one GPU each."""

    name = "tensorrt"
    record = TensorRtEngine
    own_options = frozenset({"bounded", "library", "portable"})

    def misfit(self, config: EncoderConfig, precision: str) -> str | None:
        """Heads that the kernels do not take."""
        from ltp_deploy.cuda.launches import too_large

        return too_large(config)

    def missing(self, target: Target, options: BuildOptions) -> str | None:
        """A library that builds for the target's GPU."""
        from ltp_deploy.backends.tensorrt.library import choose_library

        try:
            choose_library(target.compute_capability, options.library)
        except LtpError as error:
            return str(error)
        return None

    def check(self, config: EncoderConfig, limits: Limits) -> None:
        """Refuse more tokens than TensorRT's tensors hold."""
        tokens, widest = limits.max_tokens, max(3 * config.context_size, config.intermediate_size)
        if tokens * widest > MAX_ELEMENTS:
            raise LtpError(
                f"{tokens} tokens of {widest} values are more than a TensorRT tensor holds; "
                f"pass --max-tokens {MAX_ELEMENTS // widest} or less"
            )

    def cost(self, target: Target, precision: str) -> GpuCost:
        """Of the target's GPU."""
        from ltp_deploy.compiler.t4 import T4, T4_INT8

        return {("7.5", "fp16"): T4, ("7.5", "int8"): T4_INT8}[target.compute_capability, precision]

    def compile(self, job: Job) -> Output:
        """See `compile.compile_engine`."""
        from ltp_deploy.backends.tensorrt.compile import compile_engine

        return compile_engine(job)

    def open(self, files: BundleFiles, engine: Compiled, options: RunOptions) -> Session:
        """See `session.open_engine`. The number of threads has no effect."""
        from ltp_deploy.backends.tensorrt.session import open_engine

        return open_engine(files, engine, options.throughput)

    def can_run(self, engine: Compiled) -> bool:
        """Whether the first GPU is of the compute capability that the engine was built for."""
        wanted = engine.record(TensorRtEngine).compute_capability
        return [gpu.compute_capability for gpu in gpus()][:1] == [wanted]

    def portable(self, engine: Engine) -> Engine | None:
        """The model in standard ONNX operators, where the bundle has it."""
        model = engine.record(TensorRtEngine).portable
        if model is None:
            return None
        return replace(
            engine,
            backend=Onnx.name,
            target=f"{engine.target}, portable ONNX",
            options=self.portable_options(engine.options),
            engine=model,
        )

    def portable_options(self, options: BuildOptions) -> BuildOptions:
        """The ONNX target runs the same graph, in ONNX Runtime."""
        return replace(options, target="onnx", library=None, portable=False)

    def baselines(self, engine: Compiled) -> tuple[str, str]:
        """Dense TensorRT engines, built for the same GPU."""
        return "tensorrt", "cuda"

    def describe(self, engine: Compiled) -> list[tuple[str, str]]:
        """What runs it where, how often it calls the plugin, and how many host syncs it has."""
        record = engine.record(TensorRtEngine)
        kernels = "its kernels" if record.kernels else "no kernels: nvcc was missing"
        plugin = record.plugin or f"in Python, with {kernels}"
        counts = record.layers
        return [
            ("runs on", f"compute capability {record.compute_capability}"),
            ("loaded by", f"{record.library} {engine.version(record.library)}"),
            ("plugin", f"{plugin}, called {counts.plugins if counts else '?'} times"),
            ("host syncs", str(counts.host_syncs) if counts else "?"),
        ]

    def notes(self, engine: Compiled) -> list[str]:
        """How the build went, and what is missing for running the engine."""
        record = engine.record(TensorRtEngine)
        made = (
            f"{record.library} {engine.version(record.library)} built it in "
            f"{record.built.seconds:.1f} s for compute capability {record.compute_capability}"
        )
        if counts := record.layers:
            made += (
                f": {counts.plugins} attention plugins, {counts.host_syncs} host syncs, "
                f"{counts.products} matrix products, {counts.products_fp16} in fp16 and "
                f"{counts.products_int8} in int8"
            )
        lines = [made]
        if record.run_by != record.library:
            lines.append(
                "int8 is promised for TensorRT itself: where the engine runs, build it with "
                f"--library tensorrt; {record.library} has not been shown to run it well"
            )
        if not (record.plugin or record.kernels):
            lines.append(
                "it brings no CUDA kernels, as there was no nvcc when this ltp-deploy was built; "
                "where it runs, build ltp-deploy with nvcc"
            )
        return lines
