"""Keep the outputs that were asked for, and nothing that only the others needed."""

from __future__ import annotations

from torch import fx

from ltp_deploy.compiler.plan import Plan


def select_outputs(module: fx.GraphModule, plan: Plan) -> fx.GraphModule:
    """logits and, where survivors were asked for, each pruning layer's (kept, offsets, alive)."""
    output = next(n for n in module.graph.nodes if n.op == "output")
    logits, *trail = output.args[0]
    wanted = [logits]
    if plan.survivors:
        for i, layer in enumerate(plan.layers):
            if layer.rule.prunes:
                wanted += trail[3 * i : 3 * i + 3]
    output.args = (tuple(wanted),)
    module.graph.eliminate_dead_code()
    module.delete_all_unused_submodules()
    return module


def output_names(plan: Plan) -> list[str]:
    """Names of the outputs that `select_outputs` leaves, in order."""
    names = ["logits"]
    if plan.survivors:
        for i, layer in enumerate(plan.layers):
            if layer.rule.prunes:
                names += [f"survivors.{i}.{part}" for part in ("kept", "offsets", "alive")]
    return names
