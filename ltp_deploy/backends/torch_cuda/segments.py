"""Cut a lowered graph into segments, one after every compaction.

Inside a segment every size follows from the number of rows and of sequences that come in, so that
it can be captured in one CUDA graph for each size. Between two segments the host learns how many
rows are left: a host sync.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import fx

from ltp_deploy.compiler.passes import output_names
from ltp_deploy.compiler.plan import Plan
from ltp_deploy.compiler.trace import argument, attention_nodes, operand, result, set_argument
from ltp_deploy.model.policy import Carry

# What one segment hands to the next: context [T, d], kept [T] and alive [T], the survivors' rows at
# the front; offsets [B+1] of these; the residual [T, d], from which `kept` has yet to choose rows;
# the original lengths [B].
STATE = ("context", "kept", "alive", "offsets", "residual", "lengths")


@dataclass(frozen=True)
class Segment:
    """A part of the graph, with what it takes by position and the tuple that it returns.

    Attributes:
        module: the nodes of this segment alone.
        inputs: names of the graph's inputs or of `STATE`.
        outputs: names of `STATE` or of the graph's outputs.
    """

    module: fx.GraphModule
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def cut(module: fx.GraphModule, plan: Plan) -> list[Segment]:
    """The segments, in the order in which they run; a graph without compaction is one segment.

    In a segment's last layer `Carry.SURVIVORS` becomes `Carry.BOUNDED`: as many rows as came in, of
    which the next segment takes those in use.
    """
    cuts = [n for n in attention_nodes(module) if argument(n, "carry") == Carry.SURVIVORS]
    crossing = [_crossing(node) for node in cuts]
    stages = _stages(module, cuts)
    for node in cuts:
        set_argument(node, "carry", int(Carry.BOUNDED))
    output = next(n for n in module.graph.nodes if n.op == "output")
    wanted = list(zip(output_names(plan), output.args[0], strict=True))
    segments = []
    for stage in range(len(cuts) + 1):
        into = crossing[stage - 1] if stage else {}
        out = list(crossing[stage].items()) if stage < len(cuts) else []
        out = [(name, node) for name, node in out if stages[node] == stage]
        out += [(name, node) for name, node in wanted if stages[node] == stage]
        nodes = [n for n in module.graph.nodes if stages.get(n) == stage]
        segments.append(_extract(module, nodes, into, out))
    return segments


def _crossing(node: fx.Node) -> dict[str, fx.Node]:
    """The nodes that compute what `STATE` names after a compaction, where they are used."""
    context, kept, alive, offsets = (
        result(node, name) for name in ("context", "kept", "alive_out", "offsets_out")
    )
    gathers = [n for n in (kept.users if kept else ()) if n.target is torch.index_select]
    found = {
        "context": context,
        "kept": kept,
        "alive": alive,
        "offsets": offsets,
        "residual": operand(gathers[0], 0),
        "lengths": argument(node, "lengths"),
    }
    return {name: n for name, n in found.items() if isinstance(n, fx.Node)}


def _stages(module: fx.GraphModule, cuts: list[fx.Node]) -> dict[fx.Node, int]:
    """The number of every node's segment: how many compactions its inputs have passed."""
    belongs = {node: number for number, op in enumerate(cuts) for node in (op, *op.users)}
    stages: dict[fx.Node, int] = {}
    for node in module.graph.nodes:
        if node.op == "output":
            continue
        before = [belongs[n] + 1 if n in belongs else stages[n] for n in node.all_input_nodes]
        stages[node] = belongs.get(node, max(before, default=0))
    return stages


def _extract(
    module: fx.GraphModule,
    nodes: list[fx.Node],
    into: dict[str, fx.Node],
    out: list[tuple[str, fx.Node]],
) -> Segment:
    """A segment made of some of the module's nodes, between what comes in and what goes out."""
    graph = fx.Graph()
    names = [*into, *(n.name for n in nodes if n.op == "placeholder")]
    copies = {node: graph.placeholder(name) for name, node in into.items()}
    for node in nodes:
        copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output(tuple(copies[node] for _, node in out))
    return Segment(fx.GraphModule(module, graph), tuple(names), tuple(name for name, _ in out))
