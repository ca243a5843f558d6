"""TorchScript: a traced module that plain LibTorch loads, with no custom operator in it."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, fx, nn

from ltp_deploy.backends.backend import Job, Output
from ltp_deploy.backends.torchscript import TorchScriptEngine
from ltp_deploy.bundle.files import FileName
from ltp_deploy.compiler.example import example_inputs
from ltp_deploy.compiler.trace import OP, SUM
from ltp_deploy.model.reference import packed_reference, summed_reference

ENGINE = FileName("engine.pt")


def compile_engine(job: Job) -> Output:
    """Replace the ops by their scripted references, trace, save."""
    return Output(TorchScriptEngine(ENGINE), save_traced(_Expanded(job.module), job, ENGINE))


def save_traced(module: nn.Module, job: Job, file: FileName) -> tuple[str, ...]:
    """Trace a module that takes the inputs of the job's graph, and save it as `file` in the job's
    directory; returns the names of the inputs."""
    inputs = example_inputs(job.module, job.config)
    with warnings.catch_warnings(), torch.inference_mode():
        # TorchScript is deprecated in favour of torch.export, which plain LibTorch cannot load.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        traced = torch.jit.trace(module, tuple(inputs.values()), check_trace=False)
        torch.jit.save(traced, job.directory / file)
    return tuple(inputs)


class _Expanded(nn.Module):
    """The graph with scripted references where it has the ops; scripts survive tracing whole."""

    def __init__(self, module: fx.GraphModule):
        super().__init__()
        self.module = module
        self.attend = torch.jit.script(packed_reference)
        self.sum = torch.jit.script(summed_reference)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return _Interpreter(self.module, {OP: self.attend, SUM: self.sum}).run(*inputs)


class _Interpreter(fx.Interpreter):
    def __init__(self, module: fx.GraphModule, references: dict[Any, Any]):
        super().__init__(module)
        self.references = references

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        return super().call_function(self.references.get(target, target), args, kwargs)
