"""TorchScript: a module that plain LibTorch loads. Portable, not fast."""

from __future__ import annotations

from dataclasses import dataclass

from ltp_deploy.backends.backend import Backend, Job, Output, RunOptions, Session
from ltp_deploy.bundle.files import BundleFiles, FileName
from ltp_deploy.bundle.manifest import Compiled, EngineRecord
from ltp_deploy.errors import BundleError, needs


@dataclass(frozen=True)
class TorchScriptEngine(EngineRecord):
    """The traced module."""

    file: FileName


class TorchScript(Backend):
    """Plain LibTorch, without an operator of ours."""

    name = "torchscript"
    record = TorchScriptEngine

    def compile(self, job: Job) -> Output:
        """See `compile.compile_engine`."""
        from ltp_deploy.backends.torchscript.compile import compile_engine

        return compile_engine(job)

    def open(self, files: BundleFiles, engine: Compiled, options: RunOptions) -> Session:
        """Load the traced module. Threads are PyTorch's, process-wide."""
        with needs(f"the engine in {files.directory} runs in PyTorch", "build", BundleError):
            from ltp_deploy.backends.torchscript.session import TorchScriptSession

        file = files.file(engine.record(TorchScriptEngine).file)
        return TorchScriptSession.open(file, engine, options.threads)
