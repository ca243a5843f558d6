"""The dense model in PyTorch: transformers' padded one, and one without padding on nested tensors,
which is the fastest that PyTorch itself has for sequences of unlike lengths."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx
from torch.nn.functional import scaled_dot_product_attention

from ltp_deploy.benchmark.dense import DenseModel
from ltp_deploy.benchmark.sides import Feeds
from ltp_deploy.compiler import lower
from ltp_deploy.compiler.plan import make_plan
from ltp_deploy.compiler.trace import OP
from ltp_deploy.encoder import Encoder
from ltp_deploy.pruning.policy import PrunePolicy

_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class TorchSession:
    """A padded transformers model, eager, with fused attention."""

    def __init__(self, model: DenseModel, precision: str, device: str = "cpu"):
        self.model = model.to(device, _TYPES.get(precision, torch.float32))
        self.device = device

    def run(self, feeds: Feeds) -> Feeds:
        with torch.inference_mode():
            given = (torch.from_numpy(feeds[name]).to(self.device) for name in self.model.inputs)
            return {"logits": self.model(*given).float().cpu().numpy()}


class NestedSession:
    """The packed dense model in fp16, whose attention is PyTorch's own on nested tensors."""

    def __init__(self, encoder: Encoder, device: str = "cpu"):
        dense = encoder.with_policy(PrunePolicy.dense(encoder.config.layers))
        # As a dense model does, the last layer computes all rows.
        plan = make_plan(dense.config, "fp16", survivors=True)
        self.module = lower(dense, plan).to(device)
        self.carries = plan.carries
        self.inputs = [n.name for n in self.module.graph.nodes if n.op == "placeholder"]
        self.device = device

    def run(self, feeds: Feeds) -> Feeds:
        with torch.no_grad():  # nested tensors cannot be made in inference mode
            given = {name: torch.from_numpy(feeds[name]).to(self.device) for name in self.inputs}
            longest = int(np.diff(feeds["offsets"]).max())
            return {"logits": self.logits(given, longest).cpu().numpy()}

    def logits(self, given: dict[str, Tensor], longest: int) -> Tensor:
        """[B, labels] of inputs on the device; `longest` sequence in tokens. Nothing waits."""
        return _Nested(self.module, longest).run(*given.values())[0]


class _Nested(fx.Interpreter):
    def __init__(self, module: fx.GraphModule, longest: int):
        super().__init__(module)
        self.longest = longest

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        if target is not OP:
            return super().call_function(target, args, kwargs)
        qkv, offsets, alive, _, heads, *_ = args
        return nested_attention(qkv, offsets, heads, self.longest), None, offsets, alive


def nested_attention(qkv: Tensor, offsets: Tensor, heads: int, longest: int) -> Tensor:
    """Context [T, d] of qkv [T, 3d] in sequences that begin and end at offsets [B+1]."""
    warnings.filterwarnings("ignore", "The PyTorch API of nested tensors", UserWarning)
    starts = offsets.to(torch.int64)
    parts = list(qkv.unflatten(1, (3, heads, -1)).unbind(1))
    if not qkv.is_cuda:  # only the fused kernels take rows with gaps between them
        parts = [part.contiguous() for part in parts]
    query, key, value = (
        torch.nested.nested_tensor_from_jagged(
            part, starts, min_seqlen=1, max_seqlen=longest
        ).transpose(1, 2)
        for part in parts
    )
    context = scaled_dot_product_attention(query, key, value)
    return context.transpose(1, 2).values().flatten(1)
