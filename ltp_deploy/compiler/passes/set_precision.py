"""Give the graph's weights the precision that the plan chose."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, fx, nn

from ltp_deploy.compiler.plan import Plan
from ltp_deploy.errors import LtpError


def set_precision(module: fx.GraphModule, plan: Plan) -> fx.GraphModule:
    """Turn weights and activations into float16 where the plan says fp16; logits stay float32.

    LayerNorm, softmax and scores are computed in float32 inside their operators whatever the type
    of their inputs is. For f32 and bf16 the graph stays as it is: OpenVINO itself chooses which
    operators it runs in bf16.

    Raises:
        LtpError: a weight is too large for float16.
    """
    if plan.activations != "fp16":
        return module
    for name, child in list(module.named_modules()):
        if any(True for _ in child.parameters(recurse=False)):
            module.set_submodule(name, _half(name, child))
    output = next(n for n in module.graph.nodes if n.op == "output")
    logits, *trail = output.args[0]
    with module.graph.inserting_before(output):
        wide = module.graph.call_method("to", (logits, torch.float32))
    output.args = ((wide, *trail),)
    return module


def _half(name: str, module: nn.Module) -> nn.Module:
    """A copy of a module in float16; the module itself is part of the encoder and stays."""
    converted = copy.copy(module)
    converted._parameters = {
        key: nn.Parameter(_narrowed(f"{name}.{key}", value), requires_grad=False)
        for key, value in module.named_parameters(recurse=False)
    }
    return converted


def _narrowed(name: str, value: Tensor) -> Tensor:
    """A weight in float16.

    Raises:
        LtpError: a value becomes infinite.
    """
    narrow = value.detach().half()
    if not narrow.isfinite().all():
        raise LtpError(
            f"weight {name} reaches {value.abs().max():.3g}, but float16 ends at "
            f"{torch.finfo(torch.float16).max:g}; this checkpoint cannot be built in fp16"
        )
    return narrow
