"""The one model that everything after the checkpoint loader sees: a packed LTP encoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

import ltp_deploy.model.op  # noqa: F401  registers ltp::pruned_attention and ltp::segment_sum
from ltp_deploy.errors import CheckpointError, LtpError
from ltp_deploy.model.config import EncoderConfig
from ltp_deploy.model.policy import Carry, LayerRule, PrunePolicy

segment_sum = torch.ops.ltp.segment_sum

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "gelu": nn.GELU,
    "gelu_python": nn.GELU,
    "gelu_new": lambda: nn.GELU(approximate="tanh"),
    "gelu_pytorch_tanh": lambda: nn.GELU(approximate="tanh"),
    "gelu_python_tanh": lambda: nn.GELU(approximate="tanh"),
    "gelu_fast": lambda: nn.GELU(approximate="tanh"),
    "gelu_accurate": lambda: nn.GELU(approximate="tanh"),
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "swish": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "identity": nn.Identity,
}


class Layer(nn.Module):
    """One post-norm transformer layer whose attention drops tokens."""

    def __init__(self, config: EncoderConfig, rule: LayerRule):
        super().__init__()
        d = config.hidden_size
        self.heads = config.heads
        self.rule = rule
        self.score_length = config.policy.score_length
        self.keep_first = config.policy.keep_first
        self.query, self.key, self.value = (nn.Linear(d, d) for _ in range(3))
        self.attention_output = nn.Linear(d, d)
        self.attention_norm = nn.LayerNorm(d, eps=config.layer_norm_eps)
        self.intermediate = nn.Linear(d, config.intermediate_size)
        self.activation = ACTIVATIONS[config.activation]()
        self.output = nn.Linear(config.intermediate_size, d)
        self.output_norm = nn.LayerNorm(d, eps=config.layer_norm_eps)

    def forward(
        self, x: Tensor, offsets: Tensor, alive: Tensor, lengths: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """[T, d] -> [T', d], with the rows kept and the new offsets and alive marks."""
        qkv = torch.cat([self.query(x), self.key(x), self.value(x)], 1)
        context, kept, offsets, alive = torch.ops.ltp.pruned_attention(
            qkv,
            offsets,
            alive,
            lengths,
            self.heads,
            int(self.rule.mode),
            self.rule.threshold,
            self.score_length,
            self.keep_first,
            int(Carry.SURVIVORS),
        )
        return self.finish(context, torch.index_select(x, 0, kept)), kept, offsets, alive

    def finish(self, context: Tensor, residual: Tensor) -> Tensor:
        """Everything after the attention context: projection, norms, FFN."""
        x = self.attention_norm(self.attention_output(context) + residual)
        return self.output_norm(self.output(self.activation(self.intermediate(x))) + x)


class Encoder(nn.Module):
    """A packed encoder with its head: ragged sequences in, answers and survivors out."""

    def __init__(self, config: EncoderConfig):
        super().__init__()
        embedding = config.embedding
        head_activation = config.head_activation if embedding is None else embedding.dense
        for kind, name in (("hidden_act", config.activation), ("head", head_activation)):
            if name is not None and name not in ACTIVATIONS:
                raise CheckpointError(
                    f"unsupported {kind} activation {name!r}; supported: {sorted(ACTIVATIONS)}"
                )
        self.config = config
        e, d = config.embedding_size, config.hidden_size
        self.word = nn.Embedding(config.vocab_size, e)
        self.position = nn.Embedding(config.position_rows, e)
        self.token_type = (
            nn.Embedding(config.type_vocab_size, e) if config.type_vocab_size else None
        )
        self.embedding_norm = nn.LayerNorm(e, eps=config.layer_norm_eps)
        self.embedding_project = nn.Linear(e, d) if e != d else None
        self.layers = nn.ModuleList(Layer(config, rule) for rule in config.policy.layers)
        width = d if embedding is None else config.num_labels
        self.head_dense = nn.Linear(d, width) if head_activation else None
        self.head_activation = ACTIVATIONS[head_activation or "identity"]()
        self.head_output = nn.Linear(d, config.num_labels) if embedding is None else None

    def embed(self, input_ids: Tensor, position_ids: Tensor, token_type_ids: Tensor) -> Tensor:
        """Token embeddings [..., d] of integer ids [...]."""
        x = self.word(input_ids) + self.position(position_ids)
        if self.token_type is not None:
            x = x + self.token_type(token_type_ids)
        x = self.embedding_norm(x)
        return x if self.embedding_project is None else self.embedding_project(x)

    def answer(self, pooled: Tensor) -> Tensor:
        """[B, num_labels] of states [B, d]: the first tokens', or the mean over each sequence's
        tokens, see `Embedding.pooling`."""
        x, embedding = pooled, self.config.embedding
        if self.head_dense is not None:
            x = self.head_activation(self.head_dense(x))
        if self.head_output is not None:
            x = self.head_output(x)
        return functional.normalize(x) if embedding is not None and embedding.normalize else x

    def pool(self, x: Tensor, alive: Tensor, left: Tensor | None, lengths: Tensor) -> Tensor:
        """[B, d] what the head reads of padded sequences, out of which pruned tokens may be taken.

        Args:
            x: [B, m, d] last states.
            alive: [B, m] bool, tokens that no layer prunes; or 0 to 1, the share that is left.
            left: [B, d] the sum of the states of pruned tokens, each as it entered the layer that
                pruned it; None where none of them counts.
            lengths: [B] integers, each sequence's original number of tokens.
        """
        if self.config.reads_first:
            return x[:, 0]
        total = (x * alive[..., None]).sum(1)
        if left is None:
            return total / alive.sum(1, keepdim=True)
        return (total + left) / lengths[:, None]

    def nothing_left(self, x: Tensor) -> Tensor | None:
        """What `pool` is given of states [B, n, d] out of which nothing is pruned yet."""
        return torch.zeros_like(x[:, 0]) if self.config.pooling == "frozen" else None

    def forward(
        self, input_ids: Tensor, position_ids: Tensor, token_type_ids: Tensor, offsets: Tensor
    ) -> tuple[Tensor, ...]:
        """Run packed sequences.

        Args:
            input_ids, position_ids, token_type_ids: [T] int32, all sequences one after another.
            offsets: [B+1] int32, where each sequence begins and ends.

        Returns:
            logits [B, num_labels] float32, then for each layer three int32 tensors (kept, offsets,
            alive): its carried rows as indices into the rows that entered it, see the op.
        """
        lengths = offsets[1:] - offsets[:-1]
        alive = torch.ones_like(input_ids)
        x = self.embed(input_ids, position_ids, token_type_ids)
        trail: list[Tensor] = []
        pooling = self.config.pooling
        left: list[Tensor] = []  # [B, d], sums of the states of the tokens that each layer prunes
        for layer in self.layers:
            assert isinstance(layer, Layer)
            entering, before = x, offsets
            x, kept, offsets, alive = layer(x, offsets, alive, lengths)
            trail += [kept, offsets, alive]
            if pooling == "frozen" and layer.rule.prunes:
                stay = torch.index_select(entering, 0, kept)
                left.append(segment_sum(entering, before) - segment_sum(stay, offsets))
        if pooling == "first":
            pooled = torch.index_select(x, 0, offsets[:-1])
        else:
            counted = lengths if pooling == "frozen" else offsets[1:] - offsets[:-1]
            pooled = sum(left, segment_sum(x, offsets)) / counted.unsqueeze(1)
        return (self.answer(pooled), *trail)

    def with_policy(self, policy: PrunePolicy) -> Encoder:
        """The same weights (shared, not copied) under another pruning policy."""
        return self._with(replace(self.config, policy=policy))

    def with_label_thresholds(self, thresholds: tuple[float, ...]) -> Encoder:
        """The same weights with labels that hold above other probabilities, see
        `EncoderConfig.label_thresholds`."""
        return self._with(replace(self.config, label_thresholds=thresholds))

    def unpruned(self) -> Encoder:
        """The same weights under the policy that prunes nothing."""
        return self.with_policy(PrunePolicy.dense(self.config.layers))

    def with_pooling(self, pooling: str | None) -> Encoder:
        """The same weights with another mean over tokens, see `Embedding.pooling`; None changes
        nothing.

        Raises:
            LtpError: the answer is no mean over tokens.
        """
        if pooling is None:
            return self
        if self.config.reads_first:
            raise LtpError(f"--pooling {pooling} is for models whose answer is a mean over tokens")
        assert self.config.embedding
        embedding = replace(self.config.embedding, pooling=pooling)
        return self._with(replace(self.config, embedding=embedding))

    def _with(self, config: EncoderConfig) -> Encoder:
        with torch.device("meta"):
            other = Encoder(config)
        other.load_state_dict(self.state_dict(), assign=True)
        return other.eval()
