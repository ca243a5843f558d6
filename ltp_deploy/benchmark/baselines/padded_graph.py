"""The dense model as a graph of padded tensors, with the attention that every compiler knows."""

from __future__ import annotations

import torch
from torch import Tensor, fx
from torch.nn.functional import scaled_dot_product_attention

from ltp_deploy.compiler.lower import lower
from ltp_deploy.compiler.plan import Plan
from ltp_deploy.compiler.trace import argument, attention_nodes
from ltp_deploy.model.encoder import Encoder

MASK, OFFSETS = "attention_mask", "offsets"
TYPES = {"f32": torch.float32, "fp16": torch.float16}


def padded_graph(dense: Encoder, plan: Plan) -> fx.GraphModule:
    """The graph of an encoder that prunes nothing, with inputs by name.

    Args:
        plan: whose layers all hand on all rows, as those of a dense model do.

    Returns:
        a module that takes int32 tensors: what a packed engine takes of each token, [B, n],
        `offsets`, which are multiples of n, [B+1], and `attention_mask` [B, n]; it gives the logits
        [B, labels].
    """
    module = lower(dense, plan)
    graph = module.graph
    placeholders = [n for n in graph.nodes if n.op == "placeholder"]
    with graph.inserting_after(placeholders[-1]):
        mask = graph.placeholder(MASK)
    for node in placeholders:
        if node.name != OFFSETS:
            with graph.inserting_after(mask):
                rows = graph.call_function(torch.flatten, (node,))
            node.replace_all_uses_with(rows, lambda user, rows=rows: user is not rows)
    with graph.inserting_after(mask):
        bias = graph.call_function(key_bias, (mask, TYPES[plan.activations]))
    for node in attention_nodes(module):
        given = [argument(node, name) for name in ("qkv", "offsets", "alive", "heads")]
        node.target, node.args = padded_attention, (*given, bias)
    output = next(n for n in graph.nodes if n.op == "output")
    output.args = (output.args[0][0],)
    graph.eliminate_dead_code()
    module.recompile()
    return module


def key_bias(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """What is added to scores, [B, 1, 1, n], of a mask [B, n]: nothing, or so much less that the
    key has no part in the softmax."""
    return torch.where(mask != 0, 0.0, torch.finfo(dtype).min).to(dtype)[:, None, None]


def padded_attention(
    qkv: Tensor, offsets: Tensor, alive: Tensor, heads: int, bias: Tensor
) -> tuple[Tensor, None, Tensor, Tensor]:
    """What `ltp::pruned_attention` gives where nothing is pruned, of padded rows: context [T, d] of
    qkv [T, 3d], where T = B * n, and bias [B, 1, 1, n]."""
    sequences, longest = bias.shape[0], bias.shape[3]
    # Of several ways to write this, TensorRT for RTX makes the fewest kernels of this one.
    parts = qkv.reshape(sequences, longest, 3, heads, -1).permute(2, 0, 3, 1, 4)
    context = scaled_dot_product_attention(parts[0], parts[1], parts[2], attn_mask=bias)
    return context.transpose(1, 2).reshape(qkv.shape[0], -1), None, offsets, alive
