"""Encoder in, lowered graph out."""

from __future__ import annotations

from pathlib import Path

from torch import fx

from ltp_deploy.compiler.passes import PASSES
from ltp_deploy.compiler.plan import Plan
from ltp_deploy.compiler.spec import verify_graph
from ltp_deploy.compiler.trace import trace
from ltp_deploy.model.encoder import Encoder


def lower(encoder: Encoder, plan: Plan, dump: Path | None = None) -> fx.GraphModule:
    """Trace `encoder` and run every pass, checking the graph after each.

    Args:
        dump: a directory that receives the graph as text, before and after each pass.
    """
    module = trace(encoder)
    _dump(module, dump, "0-trace")
    for number, run in enumerate(PASSES, 1):
        module = run(module, plan)
        module.graph.eliminate_dead_code()
        module.recompile()
        verify_graph(module, len(plan.layers))
        _dump(module, dump, f"{number}-{run.__name__}")
    return module.eval()


def _dump(module: fx.GraphModule, directory: Path | None, name: str) -> None:
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{name}.txt").write_text(f"{module.graph}\n")
