"""`ltp::residual_norm`: LayerNorm(x + residual[kept]) in one kernel.

PyTorch would run three kernels and write the sum to memory in between.
"""

from __future__ import annotations

import torch
from torch import Tensor, fx, nn

from ltp_deploy.backends.torch_cuda.queue import queue_of
from ltp_deploy.cuda.kernels import enqueue
from ltp_deploy.cuda.launches import MAX_NORM_COLUMNS, NormArguments, norm_launch
from ltp_deploy.errors import LtpError


@torch.library.custom_op("ltp::residual_norm", mutates_args=())
def residual_norm(
    x: Tensor,
    residual: Tensor,
    kept: Tensor | None,
    weight: Tensor,
    bias: Tensor,
    epsilon: float,
) -> Tensor:
    """LayerNorm over the columns of x plus rows of the residual.

    Args:
        x: [T, d] float16.
        residual: [T', d] float16.
        kept: [T] int32, which row of the residual is added to each row of x; None where each row
            is added to the row of the same number (T' = T).
        weight, bias: [d] float16, of the LayerNorm.
        epsilon: added to the variance.

    Returns:
        [T, d] float16; sums, mean and variance are not rounded to float16 in between.
    """
    rows = residual if kept is None else residual.index_select(0, kept)
    total = x.float() + rows.float()
    size = list(total.shape[1:])
    weight, bias = weight.float(), bias.float()
    return torch.nn.functional.layer_norm(total, size, weight, bias, epsilon).to(x.dtype)


NORM = torch.ops.ltp.residual_norm


@residual_norm.register_fake
def _(x: Tensor, *others: object) -> Tensor:
    return torch.empty_like(x)


@residual_norm.register_kernel("cuda")
def on_cuda(
    x: Tensor,
    residual: Tensor,
    kept: Tensor | None,
    weight: Tensor,
    bias: Tensor,
    epsilon: float,
) -> Tensor:
    """`residual_norm` for CUDA tensors. No host sync.

    Raises:
        LtpError: tensors that the kernel does not take.
    """
    out = torch.empty_like(x)
    enqueue_norm(x, residual, kept, weight, bias, epsilon, out)
    return out


def enqueue_norm(
    x: Tensor,
    residual: Tensor,
    kept: Tensor | None,
    weight: Tensor,
    bias: Tensor,
    epsilon: float,
    out: Tensor,
) -> None:
    """Queue `residual_norm` on PyTorch's current stream, its result in `out` [T, d] float16.

    `out` may not overlap the inputs.

    Raises:
        LtpError: tensors that the kernel does not take.
    """
    rows, columns = x.shape
    _check("x", x, torch.float16, (rows, columns))
    _check(
        "residual", residual, torch.float16, (len(residual) if kept is not None else rows, columns)
    )
    _check("out", out, torch.float16, (rows, columns))
    _check("weight", weight, torch.float16, (columns,))
    _check("bias", bias, torch.float16, (columns,))
    if kept is not None:
        _check("kept", kept, torch.int32, (rows,))
    if columns % 8 or columns > MAX_NORM_COLUMNS:
        raise LtpError(f"{columns} columns: a multiple of 8 up to {MAX_NORM_COLUMNS} is needed")
    if rows == 0:
        return
    arguments = NormArguments(
        x=x.data_ptr(),
        residual=residual.data_ptr(),
        kept=None if kept is None else kept.data_ptr(),
        weight=weight.data_ptr(),
        bias=bias.data_ptr(),
        out=out.data_ptr(),
        rows=rows,
        columns=columns,
        epsilon=epsilon,
    )
    enqueue([norm_launch(rows)], arguments, queue_of(x))


def _check(name: str, tensor: Tensor, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    """Refuse a tensor of another type or shape, or one that is not contiguous."""
    if tensor.dtype != dtype or tuple(tensor.shape) != shape or not tensor.is_contiguous():
        raise LtpError(
            f"{name} is {tensor.dtype} {tuple(tensor.shape)} with strides {tensor.stride()}; "
            f"residual_norm takes {dtype} {shape} without gaps"
        )


def use_residual_norm(module: fx.GraphModule) -> None:
    """Replace every LayerNorm of a sum of two tensors by `residual_norm`, in place.

    Where rows of the residual are gathered for that sum alone, the op gathers them as well. A norm
    over more columns than the kernel takes stays.
    """
    for node in list(module.graph.nodes):
        norm = module.get_submodule(node.target) if node.op == "call_module" else None
        if not isinstance(norm, nn.LayerNorm) or not _is_sum(node.args[0]):
            continue
        columns = norm.normalized_shape[-1]
        if columns % 8 or columns > MAX_NORM_COLUMNS:
            continue
        x, residual = node.args[0].args
        kept = None
        if residual.target is torch.index_select and len(residual.users) == 1:
            residual, _, kept = residual.args
        with module.graph.inserting_before(node):
            weight, bias = (
                module.graph.get_attr(f"{node.target}.{name}") for name in ("weight", "bias")
            )
            fused = module.graph.call_function(NORM, (x, residual, kept, weight, bias, norm.eps))
        node.replace_all_uses_with(fused)
    module.graph.eliminate_dead_code()
    module.recompile()


def _is_sum(node: fx.Node) -> bool:
    """Whether a node adds two nodes and has one user."""
    added = getattr(node.target, "__name__", "") == "add" and node.op == "call_function"
    return added and len(node.users) == 1 and all(isinstance(a, fx.Node) for a in node.args)
