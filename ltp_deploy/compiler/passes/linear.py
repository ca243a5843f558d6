"""Linear layers that passes put in the place of others."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    """A layer with these constants: weight [columns, depth], bias [columns]."""
    with torch.device("meta"):
        made = nn.Linear(weight.shape[1], weight.shape[0])
    made.weight = nn.Parameter(weight, requires_grad=False)
    made.bias = nn.Parameter(bias, requires_grad=False)
    return made
