"""A checkpoint, for `inspect`."""

from __future__ import annotations

from ltp_deploy.model.config import EncoderConfig
from ltp_deploy.report.plan import conventions
from ltp_deploy.report.table import pairs, table


def describe(config: EncoderConfig) -> str:
    """Shape, conventions and the rule of every layer."""
    shape = pairs(
        [
            ("family", config.family),
            ("layers", config.layers),
            ("hidden size", config.hidden_size),
            ("heads", f"{config.heads} of {config.head_size}"),
            ("FFN size", config.intermediate_size),
            ("vocabulary", config.vocab_size),
            ("longest sequence", config.max_length),
            _answer(config),
        ]
    )
    rules = [(i, rule) for i, rule in enumerate(config.policy.layers)]
    return "\n\n".join([shape, conventions(config), table(["layer", "rule"], rules)])


def _answer(config: EncoderConfig) -> tuple[str, object]:
    embedding = config.embedding
    if embedding is None:
        return "labels", ", ".join(config.labels) or config.num_labels
    parts = [f"vectors of {config.num_labels} from {_POOLINGS[embedding.pooling]}"]
    if embedding.dense is not None:
        parts.append(f"a linear layer and {embedding.dense}")
    if embedding.normalize:
        parts.append("unit length")
    if embedding.prompts:
        parts.append(f"prompts {', '.join(embedding.prompts)}")
    return "answers", ", ".join(parts)


_POOLINGS = {
    "first": "the first token",
    "frozen": "the mean over all tokens, pruned ones frozen",
    "survivors": "the mean over the tokens that survive",
}
