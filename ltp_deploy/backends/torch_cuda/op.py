"""`ltp::pruned_attention` for CUDA tensors: the project's kernels on PyTorch's memory and stream.

Importing this module registers the implementation; nothing is compiled or loaded before its first
call.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ltp_deploy.backends.torch_cuda.queue import queue_of
from ltp_deploy.cuda.kernels import pruned_attention as launch
from ltp_deploy.cuda.launches import Layer, check_heads, workspace
from ltp_deploy.errors import LtpError
from ltp_deploy.model.op import pruned_attention
from ltp_deploy.model.policy import Carry, LayerRule, Mode
from ltp_deploy.model.signature import FLOATING, INPUTS, OUTPUTS


@pruned_attention.register_kernel("cuda")
def on_cuda(
    qkv: Tensor,
    offsets: Tensor,
    alive: Tensor,
    lengths: Tensor,
    heads: int,
    mode: int,
    threshold: float,
    score_length: int,
    keep_first: bool,
    carry: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """`packed_reference` for CUDA tensors in float16. There is a host sync where the carry is
    SURVIVORS, and never else.

    Raises:
        LtpError: tensors or heads that the kernels do not take.
    """
    rows, sequences, hidden = qkv.shape[0], lengths.shape[0], qkv.shape[1] // 3
    rule = LayerRule(Mode(mode), threshold)
    layer = Layer(heads, hidden // heads, rule, score_length, keep_first, Carry(carry))
    capacity = sequences if layer.carry is Carry.FIRST else rows
    context = qkv.new_empty(capacity, hidden)
    kept, alive_out = alive.new_empty(capacity), alive.new_empty(capacity)
    offsets_out = torch.empty_like(offsets)
    made = [context, kept, offsets_out, alive_out]
    if layer.carry is Carry.SURVIVORS:
        made.append(offsets.new_empty(1))
    enqueue_layer(layer, (qkv, offsets, alive, lengths), made)
    if layer.carry is Carry.SURVIVORS:
        carried = int(made[-1])
        context, kept, alive_out = context[:carried], kept[:carried], alive_out[:carried]
    return context, kept, offsets_out, alive_out


def enqueue_layer(layer: Layer, given: Sequence[Tensor], made: Sequence[Tensor]) -> None:
    """Queue a layer's kernels on PyTorch's current stream. No host sync.

    Args:
        layer: its heads, rule and carry.
        given: the op's `INPUTS`, with qkv [T, 3d] float16.
        made: receive the op's `OUTPUTS`, with context float16; the last of them, count, may be
            missing where the carry does not need it. Where the carry is FIRST all but offsets_out
            have room for B rows, else for T rows.

    Raises:
        LtpError: heads or tensors that the kernels do not take.
    """
    qkv, _, alive, lengths = given
    rows, sequences = qkv.shape[0], lengths.shape[0]
    check_heads(layer.heads, layer.head_size)
    tensors = dict(zip((*INPUTS, *OUTPUTS), (*given, *made), strict=False))
    for name, tensor in tensors.items():
        wanted = torch.float16 if name in FLOATING else torch.int32
        if tensor.dtype != wanted or not tensor.is_contiguous():
            raise LtpError(
                f"{name} is {tensor.dtype} with strides {tensor.stride()}; the CUDA kernels take "
                f"{wanted} without gaps"
            )
    carried = sequences if layer.carry is Carry.FIRST else rows
    for name in ("context", "kept", "alive_out"):
        if len(tensors[name]) < carried:
            raise LtpError(f"{name} has {len(tensors[name])} rows; {carried} may be carried")
    scratch = alive.new_empty(workspace(layer, rows, sequences).bytes // 4)
    launch(
        layer,
        rows,
        sequences,
        {name: tensor.data_ptr() for name, tensor in tensors.items()},
        scratch.data_ptr(),
        queue_of(qkv),
    )
