"""OpenVINO on CPUs, with our C++ operators as a plugin."""

from __future__ import annotations

from dataclasses import dataclass

from ltp_deploy.backends.backend import Backend, Isa, Job, Output, RunOptions, Session
from ltp_deploy.backends.messages import in_one_line
from ltp_deploy.bundle.files import BundleFiles, FileName
from ltp_deploy.bundle.manifest import Compiled, EngineRecord
from ltp_deploy.hardware.machine import describe_machine
from ltp_deploy.model.config import EncoderConfig


@dataclass(frozen=True)
class OpenVinoEngine(EngineRecord):
    """OpenVINO IR and the plugin with our operators.

    Attributes:
        isa: highest instruction set to use, "" for no limit.
    """

    file: FileName
    weights: FileName
    plugin: FileName
    isa: Isa

    @property
    def native(self) -> bool:
        return True


# What the plugin takes: columns of a padded head, and columns that go into a product in int8.
MAX_HEAD_SIZE, MAX_INT8_DEPTH = 256, 65536


class OpenVino(Backend):
    """The CPU plugin of OpenVINO."""

    name = "openvino"
    record = OpenVinoEngine
    scales = counts = True
    own_options = frozenset()  # on a CPU compaction costs nothing, so a bound would save nothing

    def misfit(self, config: EncoderConfig, precision: str) -> str | None:
        """Heads that are too large, and layers that are too wide for int8."""
        from ltp_deploy.compiler.int8 import INT8

        if config.head_size > MAX_HEAD_SIZE:
            return f"heads of {config.head_size} values: the CPU kernels take up to {MAX_HEAD_SIZE}"
        widest = max(config.embedding_size, config.context_size, config.intermediate_size)
        if precision in INT8 and widest > MAX_INT8_DEPTH:
            return (
                f"layers of {widest} columns: in int8 the CPU kernels take up to {MAX_INT8_DEPTH}"
            )
        return None

    def no_gain(self, precision: str) -> str | None:
        """bf16 on a CPU that computes it in f32."""
        flags = describe_machine()["flags"]
        if precision != "bf16" or "avx512_bf16" in flags or "amx_bf16" in flags:
            return None
        return "this CPU has no instructions for it"

    def compile(self, job: Job) -> Output:
        """See `compile.compile_engine`."""
        from ltp_deploy.backends.openvino.compile import compile_engine

        with in_one_line("OpenVINO did not build the engine"):
            return compile_engine(job)

    def open(self, files: BundleFiles, engine: Compiled, options: RunOptions) -> Session:
        """See `session.open_engine`."""
        from ltp_deploy.backends.openvino.session import open_engine

        return open_engine(files, engine, options)

    def notes(self, engine: Compiled) -> list[str]:
        """A warning where int8 gains little on this CPU."""
        from ltp_deploy.compiler.int8 import INT8, slow_int8_warning

        if engine.precision not in INT8:
            return []
        warning = slow_int8_warning(engine.record(OpenVinoEngine).isa)
        return [warning] if warning else []
