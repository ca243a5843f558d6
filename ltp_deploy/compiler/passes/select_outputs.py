"""Keep the outputs that the plan asks for, and remove what only the others needed."""

from __future__ import annotations

from torch import fx

from ltp_deploy.compiler.plan import Plan

PARTS = ("kept", "offsets", "alive")  # of each layer that reports its survivors, see the op


def select_outputs(module: fx.GraphModule, plan: Plan) -> fx.GraphModule:
    """Keep the logits and, where the plan asks for survivors, each pruning layer's `PARTS`."""
    output = next(n for n in module.graph.nodes if n.op == "output")
    logits, *trail = output.args[0]
    wanted = [logits]
    for layer in _reporting(plan):
        wanted += trail[len(PARTS) * layer :][: len(PARTS)]
    output.args = (tuple(wanted),)
    module.graph.eliminate_dead_code()
    module.delete_all_unused_submodules()
    return module


def output_names(plan: Plan) -> list[str]:
    """Names of the outputs that `select_outputs` leaves, in order."""
    return ["logits", *(f"survivors.{i}.{part}" for i in _reporting(plan) for part in PARTS)]


def _reporting(plan: Plan) -> list[int]:
    """Numbers of the layers whose survivors the engine reports."""
    pruning = [i for i, layer in enumerate(plan.layers) if layer.rule.prunes]
    return pruning if plan.survivors else []
