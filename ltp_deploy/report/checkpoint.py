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
            ("labels", ", ".join(config.labels) or config.num_labels),
        ]
    )
    rules = [(i, rule) for i, rule in enumerate(config.policy.layers)]
    return "\n\n".join([shape, conventions(config), table(["layer", "rule"], rules)])
