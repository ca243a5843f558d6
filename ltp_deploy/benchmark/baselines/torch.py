"""The dense model in PyTorch: transformers' padded one, and one without padding."""

from __future__ import annotations

import importlib
import warnings
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from ltp_deploy.benchmark.baselines.baseline import BaselineRequest
from ltp_deploy.benchmark.baselines.dense import DenseModel, dense_model
from ltp_deploy.benchmark.runner import Feeds, Layout, Runner
from ltp_deploy.compiler.lower import lower
from ltp_deploy.compiler.plan import PlanRequest, make_plan
from ltp_deploy.compiler.trace import attention_nodes
from ltp_deploy.errors import LtpError
from ltp_deploy.model.encoder import Encoder

# What PyTorch has for sequences of unlike lengths since 2.10, without nested tensors around it.
_VARLEN: Any = None
with suppress(ImportError):
    _VARLEN = importlib.import_module("torch.nn.attention.varlen").varlen_attn
PADDED = "PyTorch dense, padded"
ONE_BY_ONE = "PyTorch dense, one by one"
UNPADDED = "PyTorch dense, unpadded"
_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def baselines(request: BaselineRequest) -> list[Runner]:
    """The dense model in PyTorch on the engine's device: padded, one by one, without padding.

    Raises:
        LtpError: peers were asked for.
    """
    if request.peers:
        raise LtpError("peers run on CPUs; this engine is timed against PyTorch in any case")
    dense = dense_model(request.checkpoint, request.encoder)
    padded = TorchSession(dense, request.precision, request.device)
    unpadded = UnpaddedSession(request.encoder, request.device)
    return [
        Runner(PADDED, padded, Layout.PADDED),
        Runner(ONE_BY_ONE, padded, Layout.ONE_BY_ONE),
        Runner(UNPADDED, unpadded, Layout.PACKED, carries=unpadded.carries),
    ]


class TorchSession:
    """A padded transformers model, eager, with fused attention."""

    def __init__(self, model: DenseModel, precision: str, device: str = "cpu"):
        self.model = model.to(device, _TYPES.get(precision, torch.float32))
        self.device = device

    def run(self, feeds: Feeds) -> Feeds:
        with torch.inference_mode():
            given = (torch.from_numpy(feeds[name]).to(self.device) for name in self.model.inputs)
            return {"logits": self.model(*given).float().cpu().numpy()}


class UnpaddedSession:
    """The packed dense model in fp16, eager, with PyTorch's own attention on sequences of unlike
    lengths."""

    def __init__(self, encoder: Encoder, device: str = "cpu"):
        warnings.filterwarnings("ignore", "The PyTorch API of nested tensors", UserWarning)
        dense = encoder.unpruned()
        # As a dense model does, the last layer computes all rows.
        plan = make_plan(PlanRequest(dense.config, "fp16", survivors=True))
        self.carries = plan.carries
        self.module = lower(dense, plan).to(device)
        self.inputs = [n.name for n in self.module.graph.nodes if n.op == "placeholder"]
        self._attention = _Attention()
        for node in attention_nodes(self.module):
            node.target = self._attention
        self.module.recompile()
        self.device = device

    def run(self, feeds: Feeds) -> Feeds:
        with torch.no_grad():  # nested tensors cannot be made in inference mode
            given = {name: torch.from_numpy(feeds[name]).to(self.device) for name in self.inputs}
            longest = int(np.diff(feeds["offsets"]).max())
            return {"logits": self.logits(given, longest).cpu().numpy()}

    def logits(self, given: dict[str, Tensor], longest: int) -> Tensor:
        """[B, labels] of inputs on the device; `longest` sequence in tokens. No host sync."""
        self._attention.longest = longest
        return self.module(*given.values())[0]


class _Attention:
    """In the graph in place of the op, of whose results a dense model uses the context alone."""

    __name__ = "unpadded_attention"
    longest = 0

    def __call__(
        self, qkv: Tensor, offsets: Tensor, alive: Tensor, lengths: Tensor, heads: int, *_: Any
    ) -> tuple[Tensor, None, Tensor, Tensor]:
        return unpadded_attention(qkv, offsets, heads, self.longest), None, offsets, alive


def unpadded_attention(qkv: Tensor, offsets: Tensor, heads: int, longest: int) -> Tensor:
    """Context [T, d] of qkv [T, 3d] in sequences that begin and end at offsets [B+1]."""
    query, key, value = qkv.unflatten(1, (3, heads, -1)).unbind(1)
    if qkv.is_cuda and _VARLEN is not None:
        return _VARLEN(query, key, value, offsets, offsets, longest, longest).flatten(1)
    starts = offsets.to(torch.int64)

    def nested(part: Tensor) -> Tensor:
        if not qkv.is_cuda:  # only the fused kernels take rows with gaps between them
            part = part.contiguous()
        made = torch.nested.nested_tensor_from_jagged(
            part, starts, min_seqlen=1, max_seqlen=longest
        )
        return made.transpose(1, 2)

    query, key, value = map(nested, (query, key, value))
    context = scaled_dot_product_attention(query, key, value)
    return context.transpose(1, 2).values().flatten(1)
