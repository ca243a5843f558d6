"""What follows the logit of a model with one output, from config.json."""

from __future__ import annotations

from typing import Any

from ltp_deploy.errors import CheckpointError
from ltp_deploy.model.config import ANSWER_ACTIVATIONS

# Where versions of sentence-transformers write what their CrossEncoder applies, the newest first.
KEYS = ("sentence_transformers", "sbert_ce_default_activation_function")
_KNOWN = {kind: name for name, kind in ANSWER_ACTIVATIONS.items()}


def activation_entry(name: str) -> dict[str, Any]:
    """What config.json says of an activation, by its name in `EncoderConfig`."""
    return {KEYS[0]: {"activation_fn": f"torch.nn.{ANSWER_ACTIVATIONS[name]}"}}


def read_activation(config: dict[str, Any], outputs: int) -> str:
    """A name for `EncoderConfig.answer_activation`.

    Without an entry it is "none": that a CrossEncoder would take a sigmoid then does not mean that
    the model was trained with one.

    Args:
        config: config.json.
        outputs: of the classifier. The answers of several are probabilities, whatever is written.

    Raises:
        CheckpointError: an activation that is not known.
    """
    if outputs != 1:
        return "none"
    newest = config.get(KEYS[0])
    name = newest.get("activation_fn") if isinstance(newest, dict) else None
    name = name or config.get(KEYS[1])
    if name is None:
        return "none"
    module, _, kind = str(name).rpartition(".")
    if not module.startswith("torch.nn") or kind not in _KNOWN:
        raise CheckpointError(
            f"config.json: the activation {name!r} of sentence-transformers is not known; known "
            f"are torch's {', '.join(_KNOWN)}. Without the entry the model answers with its logit"
        )
    return _KNOWN[kind]
