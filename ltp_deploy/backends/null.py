"""The null backend: the compiler's own graph, run by the op's reference in PyTorch.

It needs no native code and is slow. It shows what the compiler passes make of a model, and runs
everything around an engine in tests.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from ltp_deploy.backends.backend import Backend, Job, Output, RunOptions, Session
from ltp_deploy.bundle.files import BundleFiles, FileName
from ltp_deploy.bundle.manifest import Compiled, EngineRecord
from ltp_deploy.codec import to_json
from ltp_deploy.errors import BundleError, needs

ENGINE = FileName("engine.pt")
PLAN = FileName("plan.json")
GRAPH = FileName("graph.txt")


@dataclass(frozen=True)
class NullEngine(EngineRecord):
    """The traced graph, and the plan and the graph as text."""

    file: FileName = ENGINE
    plan: FileName = PLAN
    graph: FileName = GRAPH


class Null(Backend):
    """Nothing but the compiler."""

    name = "null"
    record = NullEngine

    def compile(self, job: Job) -> Output:
        """Write the plan and the lowered graph as text, and the graph itself as TorchScript."""
        from ltp_deploy.backends.torchscript.compile import save_traced

        plan = json.dumps(to_json(job.plan.record()), indent=2)
        (job.directory / PLAN).write_text(plan + "\n")
        (job.directory / GRAPH).write_text(f"{job.module.graph}\n")
        return Output(NullEngine(), save_traced(job.module, job, ENGINE))

    def open(self, files: BundleFiles, engine: Compiled, options: RunOptions) -> Session:
        """Load the graph. The op in it is the one that `ltp_deploy.model.op` registers."""
        with needs(f"the engine in {files.directory} runs in PyTorch", "build", BundleError):
            import ltp_deploy.model.op  # noqa: F401
            from ltp_deploy.backends.torchscript.session import TorchScriptSession

        file = files.file(engine.record(NullEngine).file)
        return TorchScriptSession.open(file, engine, options.threads)
