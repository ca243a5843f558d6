"""Random problems for the op and random models for the oracle, as hypothesis draws them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import pad

from ltp_deploy.heads import head_for
from ltp_deploy.model.config import EncoderConfig
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.policy import Carry, LayerRule, Mode, PrunePolicy
from tests.tiny import randomise

CARRIES = ("all", "survivors", "first", "bounded")


@dataclass(frozen=True)
class Problem:
    """One call of the op, with names in place of numbers."""

    qkv: Tensor
    offsets: Tensor
    alive: Tensor
    lengths: Tensor
    heads: int
    mode: str = "none"
    threshold: float = 0.0
    score_length: int = 0
    keep_first: bool = True
    carry: str = "survivors"

    @property
    def arguments(self) -> tuple[Any, ...]:
        return (
            self.qkv,
            self.offsets,
            self.alive,
            self.lengths,
            self.heads,
            int(Mode[self.mode.upper()]),
            self.threshold,
            self.score_length,
            self.keep_first,
            int(Carry[self.carry.upper()]),
        )

    def solve(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """context, kept, offsets, alive by the package's op."""
        return torch.ops.ltp.pruned_attention(*self.arguments)

    def alone(self, sequence: int) -> Problem:
        """The same problem for one sequence only."""
        rows = slice(self.offsets[sequence], self.offsets[sequence + 1])
        return replace(
            self,
            qkv=self.qkv[rows],
            offsets=torch.tensor([0, rows.stop - rows.start], dtype=torch.int32),
            alive=self.alive[rows],
            lengths=self.lengths[sequence : sequence + 1],
        )


def packed_offsets(lengths: list[int]) -> Tensor:
    return torch.tensor([sum(lengths[:i]) for i in range(len(lengths) + 1)], dtype=torch.int32)


def random_problem(
    lengths: list[int], seed: int = 0, heads: int = 2, head_size: int = 8, **rule: Any
) -> Problem:
    """Random queries, keys and values; every row alive."""
    generator = torch.Generator().manual_seed(seed)
    return Problem(
        torch.randn(sum(lengths), 3 * heads * head_size, generator=generator),
        packed_offsets(lengths),
        torch.ones(sum(lengths), dtype=torch.int32),
        torch.tensor(lengths, dtype=torch.int32),
        heads,
        **rule,
    )


def thresholds(mode: str, tokens: float) -> st.SearchStrategy[float]:
    """Thresholds that drop some of about `tokens` tokens; now and then none, or all."""
    if mode == "absolute":
        return st.floats(0.3, 1.2).map(lambda f: f / tokens) | st.sampled_from([0.0, 5.0])
    if mode == "relative":
        return st.floats(0.05, 0.95) | st.sampled_from([0.0, 1.5])
    if mode == "topk":
        return st.floats(0.1, 0.9) | st.sampled_from([0.0, 0.5, 1.0])
    return st.just(0.0)


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Any lengths, empty sequences and batches too; rows of tokens that earlier layers
    pruned; padding after the last sequence."""
    lengths = draw(st.lists(st.integers(0, 12), max_size=5))
    mode = draw(st.sampled_from([m.name.lower() for m in Mode]))
    score_length = draw(st.sampled_from([0, 6, 128]))
    problem = random_problem(
        lengths,
        seed=draw(st.integers(0, 2**31)),
        heads=draw(st.sampled_from([1, 2, 4])),
        mode=mode,
        threshold=draw(thresholds(mode, score_length or 8)),
        score_length=score_length,
        keep_first=draw(st.booleans()),
        carry=draw(st.sampled_from(CARRIES)),
    )
    alive = [draw(_alive(n)) for n in lengths]
    spare = draw(st.sampled_from([0, 0, 3]))
    pruned_before = [draw(st.integers(0, 5)) for _ in lengths]
    return replace(
        problem,
        qkv=pad(problem.qkv * draw(st.sampled_from([0.5, 1.0, 2.0])), (0, 0, 0, spare), value=9.0),
        alive=torch.tensor([m for marks in alive for m in marks] + [1] * spare, dtype=torch.int32),
        lengths=problem.lengths + torch.tensor(pruned_before, dtype=torch.int32),
    )


def _alive(n: int) -> st.SearchStrategy[list[int]]:
    """Marks of n rows. If the first one is pruned the sequence is finished, and all are pruned."""
    if n == 0:
        return st.just([])
    some = st.lists(st.integers(0, 1), min_size=n - 1, max_size=n - 1).map(lambda rest: [1, *rest])
    return st.just([1] * n) | some | st.just([0] * n)


def tiny_encoder(policy: PrunePolicy, seed: int = 0, **changes: Any) -> Encoder:
    """A random encoder of one layer per rule of the policy."""
    shape: dict[str, Any] = {
        "family": "bert",
        "layers": len(policy.layers),
        "hidden_size": 32,
        "heads": 2,
        "intermediate_size": 48,
        "vocab_size": 60,
        "position_rows": 20,
        "type_vocab_size": 2,
        "num_labels": 3,
        "labels": (),
        "activation": "gelu",
        "head_activation": "tanh",
        "layer_norm_eps": 1e-5,
        "embedding_size": 32,
        "pad_token_id": 0,
        "position_start": 0,
        "padding_skips": False,
    }
    shape |= changes
    shape.setdefault("head", head_for(shape["num_labels"]))
    encoder = Encoder(EncoderConfig(**shape, policy=policy)).eval()
    randomise(encoder, seed)
    return encoder.requires_grad_(False)


@st.composite
def policies(draw: st.DrawFn, layers: int = 3, tokens: int = 8) -> PrunePolicy:
    """Random rules, whose thresholds lie around the mean score of `tokens` tokens."""
    score_length = draw(st.sampled_from([0, tokens, 128]))
    rules = []
    for _ in range(layers):
        mode = draw(st.sampled_from(["absolute", "relative", "topk", "none"]))
        value = draw(thresholds(mode, score_length or tokens))
        rules.append(LayerRule(Mode[mode.upper()], value))
    return PrunePolicy(tuple(rules), score_length, draw(st.booleans()))
