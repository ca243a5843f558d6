"""A small ragged batch to trace with."""

from __future__ import annotations

import torch
from torch import Tensor, fx

from ltp_deploy.model.config import EncoderConfig

LENGTHS = (5, 3, 7)


def example_inputs(module: fx.GraphModule, config: EncoderConfig) -> dict[str, Tensor]:
    """Inputs by name, in the graph's order; lengths differ so that no dimension looks constant."""
    lengths = torch.tensor([min(n, config.max_length) for n in LENGTHS], dtype=torch.int32)
    offsets = torch.nn.functional.pad(torch.cumsum(lengths, 0), (1, 0)).to(torch.int32)
    total = int(offsets[-1])
    known = {
        "input_ids": torch.arange(total, dtype=torch.int32) % config.vocab_size,
        "position_ids": torch.cat([torch.arange(int(n)) for n in lengths]).int()
        + config.position_start,
        "token_type_ids": torch.zeros(total, dtype=torch.int32),
        "offsets": offsets,
    }
    return {n.name: known[n.name] for n in module.graph.nodes if n.op == "placeholder"}
