"""Results written straight to where the next segment reads them.

The operators of `op` and `residual_norm` with their outputs as arguments, and the pass that puts
them into a segment in place of the operators that return new tensors.
"""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, fx

from ltp_deploy.backends.torch_cuda.op import enqueue_layer
from ltp_deploy.backends.torch_cuda.residual_norm import NORM, enqueue_norm
from ltp_deploy.backends.torch_cuda.segments import STATE, Segment
from ltp_deploy.compiler.trace import OP, operand, result
from ltp_deploy.cuda.launches import Layer
from ltp_deploy.errors import LtpError
from ltp_deploy.model.policy import Carry, LayerRule, Mode
from ltp_deploy.model.reference import packed_reference
from ltp_deploy.model.signature import ARGUMENTS, RESULTS

NEXT = "next_"  # stands before the names of the inputs that a segment writes for the next one
UNKNOWN = -1  # what a count holds until a GPU has written it
# The state that attention writes, in the order of the op's results and its count.
ATTENDED = ("context", "kept", "offsets", "alive", "count")


def host_sync(count: np.ndarray, stream: torch.cuda.Stream | None) -> int:
    """Wait until work on a stream has written a number to the host's memory, and read it.

    Args:
        count: [1] int32, pinned; `UNKNOWN` before it is written.
        stream: where the work is queued; None where it has run already, on the CPU.

    Raises:
        LtpError: all work on the stream is done, and none of it wrote the number.
    """
    while count[0] == UNKNOWN and stream and not stream.query():
        os.sched_yield()  # other threads may have the interpreter; sleeping takes 50 us at least
    if count[0] == UNKNOWN:
        raise LtpError(
            "nothing said how many rows are left: the engine or the compiled kernels are of "
            "another version of ltp-deploy; build the engine again, and install ltp-deploy again"
        )
    return int(count[0])


@torch.library.custom_op(
    "ltp::pruned_attention_into",
    mutates_args=("context", "kept", "offsets_out", "alive_out", "count"),
)
def pruned_attention_into(
    qkv: Tensor,
    offsets: Tensor,
    alive: Tensor,
    lengths: Tensor,
    heads: int,
    mode: int,
    threshold: float,
    score_length: int,
    keep_first: bool,
    context: Tensor,
    kept: Tensor,
    offsets_out: Tensor,
    alive_out: Tensor,
    count: Tensor,
) -> None:
    """`ltp::pruned_attention` with `Carry.BOUNDED`, its results written to tensors it is given.

    Args:
        qkv, offsets, alive, lengths, heads, mode, threshold, score_length, keep_first: as of
            `packed_reference`.
        context, kept, offsets_out, alive_out: receive the results; may not overlap the inputs.
        count: [1] int32; receives the number of rows carried. Either on the same device as the
            rest, or pinned memory of the host, which a GPU writes before it moves the rows.
    """
    rule = (heads, mode, threshold, score_length, keep_first, int(Carry.BOUNDED))
    found = packed_reference(qkv, offsets, alive, lengths, *rule)
    for out, value in zip((context, kept, offsets_out, alive_out), found, strict=True):
        out.copy_(value)
    count.copy_(offsets_out[-1:])


@pruned_attention_into.register_kernel("cuda")
def attend_on_cuda(
    qkv: Tensor,
    offsets: Tensor,
    alive: Tensor,
    lengths: Tensor,
    heads: int,
    mode: int,
    threshold: float,
    score_length: int,
    keep_first: bool,
    *outputs: Tensor,
) -> None:
    """`pruned_attention_into` for CUDA tensors; `outputs` are its last five. No host sync.

    Raises:
        LtpError: tensors or heads that the kernels do not take.
    """
    hidden, count = qkv.shape[1] // 3, outputs[-1]
    if count.device != qkv.device and not count.is_pinned():
        raise LtpError(f"count is of {count.device} and not pinned: the GPU cannot write there")
    rule = LayerRule(Mode(mode), threshold)
    layer = Layer(heads, hidden // heads, rule, score_length, keep_first, Carry.BOUNDED)
    enqueue_layer(layer, (qkv, offsets, alive, lengths), outputs)


@torch.library.custom_op("ltp::residual_norm_into", mutates_args=("out",))
def residual_norm_into(
    x: Tensor,
    residual: Tensor,
    kept: Tensor | None,
    weight: Tensor,
    bias: Tensor,
    epsilon: float,
    out: Tensor,
) -> None:
    """`ltp::residual_norm` with its result written to `out` [T, d], which is none of its inputs."""
    out.copy_(NORM(x, residual, kept, weight, bias, epsilon))


residual_norm_into.register_kernel("cuda")(enqueue_norm)


def write_in_place(segment: Segment) -> Segment:
    """Have a segment write the state that it computes to its inputs instead of returning it.

    Returns:
        The segment with one more input for each such value, `NEXT` before its name, and those
        outputs that are not state. Its module is changed in place.
    """
    graph = segment.module.graph
    output = next(n for n in graph.nodes if n.op == "output")
    results = dict(zip(segment.outputs, output.args[0], strict=True))
    state = {name: results.pop(name) for name in STATE if name in results}
    if not state:
        return segment
    output.args = (tuple(results.values()),)
    written = [NEXT + name for name in (*state, "count")]
    first = next(node for node in graph.nodes if node.op != "placeholder")
    with graph.inserting_before(first):
        buffers = {name: graph.placeholder(name) for name in written}
    _attend_into(operand(state["context"], 0), [buffers[NEXT + name] for name in ATTENDED])
    for name in ("residual", "lengths"):
        if name in state:
            _write(state[name], buffers[NEXT + name])
    segment.module.recompile()
    return replace(segment, inputs=(*segment.inputs, *written), outputs=tuple(results))


def _attend_into(node: fx.Node, buffers: list[fx.Node]) -> None:
    """Have the attention before a compaction write its results to buffers, as `ATTENDED` says."""
    assert node.target is OP
    graph = node.graph
    given = node.args[: ARGUMENTS.index("carry")]
    with graph.inserting_before(node):
        graph.call_function(torch.ops.ltp.pruned_attention_into, (*given, *buffers))
    for name, buffer in zip(RESULTS, buffers, strict=False):
        if found := result(node, name):
            found.replace_all_uses_with(buffer)
            graph.erase_node(found)
    graph.erase_node(node)


def _write(node: fx.Node, buffer: fx.Node) -> None:
    """Have a node's value in a buffer: computed there by a `residual_norm`, else copied there."""
    graph = node.graph
    with graph.inserting_after(node):
        if node.target is NORM:
            graph.call_function(torch.ops.ltp.residual_norm_into, (*node.args, buffer))
            node.replace_all_uses_with(buffer)
            graph.erase_node(node)
        else:
            graph.call_method("copy_", (buffer, node))
