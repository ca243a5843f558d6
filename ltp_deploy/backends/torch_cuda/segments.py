"""Cut a lowered graph behind every layer that removes rows.

Between two cuts every size follows from the number of rows and of sequences that come in, so a
segment can be captured once for each size. At a cut the host learns how many rows are left.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import fx

from ltp_deploy.compiler.passes import output_names
from ltp_deploy.compiler.plan import Plan
from ltp_deploy.compiler.trace import (
    ALIVE_OUT,
    CARRY,
    CONTEXT,
    KEPT,
    LENGTHS,
    OFFSETS_OUT,
    attention_nodes,
    result,
    set_argument,
)
from ltp_deploy.model.policy import Carry

# What goes over a cut: T rows each of context [T, d], kept [T] and alive [T], the survivors at the
# front; offsets [B+1] of these; the residual [T, d], whose rows `kept` has yet to choose; the
# original lengths [B].
STATE = ("context", "kept", "alive", "offsets", "residual", "lengths")


@dataclass(frozen=True)
class Segment:
    """A part of the graph: takes `inputs` by position and returns a tuple of `outputs`.

    Names are those of the graph's inputs, of `STATE`, and of the graph's outputs.
    """

    module: fx.GraphModule
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def cut(module: fx.GraphModule, plan: Plan) -> list[Segment]:
    """The segments, in the order in which they run; a graph that removes no rows is one.

    In a segment's last layer `Carry.SURVIVORS` becomes `Carry.BOUNDED`: as many rows as came in,
    of which the next segment takes those in use.
    """
    cuts = [n for n in attention_nodes(module) if n.args[CARRY] == Carry.SURVIVORS]
    crossing = [_crossing(node) for node in cuts]
    stages = _stages(module, cuts)
    for node in cuts:
        set_argument(node, CARRY, int(Carry.BOUNDED))
    output = next(n for n in module.graph.nodes if n.op == "output")
    wanted = list(zip(output_names(plan), output.args[0], strict=True))
    segments = []
    for stage in range(len(cuts) + 1):
        into = {**crossing[stage - 1]} if stage else {}
        out = list(crossing[stage].items()) if stage < len(cuts) else []
        out = [(name, node) for name, node in out if stages[node] == stage]
        out += [(name, node) for name, node in wanted if stages[node] == stage]
        nodes = [n for n in module.graph.nodes if stages.get(n) == stage]
        segments.append(_extract(module, nodes, into, out))
    return segments


def _crossing(node: fx.Node) -> dict[str, fx.Node]:
    """What later layers need of a layer that removes rows, by its name in `STATE`."""
    kept = result(node, KEPT)
    gathers = [n for n in (kept.users if kept else ()) if n.target is torch.index_select]
    found = {
        "context": result(node, CONTEXT),
        "kept": kept,
        "alive": result(node, ALIVE_OUT),
        "offsets": result(node, OFFSETS_OUT),
        "residual": gathers[0].args[0],
        "lengths": node.args[LENGTHS],
    }
    return {name: n for name, n in found.items() if isinstance(n, fx.Node)}


def _stages(module: fx.GraphModule, cuts: list[fx.Node]) -> dict[fx.Node, int]:
    """The segment of every node: as many as there are cuts before it."""
    belongs = {node: number for number, op in enumerate(cuts) for node in (op, *op.users)}
    stages: dict[fx.Node, int] = {}
    for node in module.graph.nodes:
        if node.op == "output":
            continue
        behind = [belongs[n] + 1 if n in belongs else stages[n] for n in node.all_input_nodes]
        stages[node] = belongs.get(node, max(behind, default=0))
    return stages


def _extract(
    module: fx.GraphModule,
    nodes: list[fx.Node],
    into: dict[str, fx.Node],
    out: list[tuple[str, fx.Node]],
) -> Segment:
    graph = fx.Graph()
    names = [*into, *(n.name for n in nodes if n.op == "placeholder")]
    copies = {node: graph.placeholder(name) for name, node in into.items()}
    for node in nodes:
        copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output(tuple(copies[node] for _, node in out))
    return Segment(fx.GraphModule(module, graph), tuple(names), tuple(name for name, _ in out))
