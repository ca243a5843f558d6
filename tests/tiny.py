"""Tiny random checkpoints of the families that transformers knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers  # lazy: its models are imported where they are used
from torch import nn

# Every layout of weights and positions, for tests of what comes after the loader ...
FAMILIES = ("bert", "roberta", "xlm-roberta", "electra", "distilbert")
# ... and those that differ from these by names alone, for tests of the loader.
ALL_FAMILIES = (*FAMILIES, "camembert", "data2vec-text", "ibert")
LAYERS = 3
VOCABULARY = 90
# that `save_tokenizer` knows
WORDS = "the a film is was good bad very not dull great .".split()

_SHAPES: dict[str, dict[str, Any]] = {
    "bert": {"num_attention_heads": 4},
    "roberta": {"num_attention_heads": 2, "type_vocab_size": 1, "pad_token_id": 1},
    "xlm-roberta": {"num_attention_heads": 4, "type_vocab_size": 1, "pad_token_id": 1},
    "camembert": {"num_attention_heads": 4, "type_vocab_size": 1, "pad_token_id": 1},
    "data2vec-text": {"num_attention_heads": 4, "type_vocab_size": 1, "pad_token_id": 1},
    "ibert": {"num_attention_heads": 2, "type_vocab_size": 2, "pad_token_id": 1},
    "electra": {"num_attention_heads": 2, "embedding_size": 40},
    "distilbert": {},
}


def tiny_model(
    family: str, labels: int = 2, seed: int = 0, **changes: Any
) -> transformers.PreTrainedModel:
    """A classifier whose every weight and bias matters, and whose attention is far from uniform."""
    shape: dict[str, Any] = {
        "vocab_size": VOCABULARY,
        "num_hidden_layers": LAYERS,
        "hidden_size": 64,
        "intermediate_size": 96,
        "max_position_embeddings": 40,
    }
    if family == "distilbert":
        shape = {
            "vocab_size": VOCABULARY,
            "n_layers": LAYERS,
            "dim": 64,
            "n_heads": 2,
            "hidden_dim": 96,
            "max_position_embeddings": 40,
        }
    config = transformers.AutoConfig.for_model(
        family, num_labels=labels, **{**shape, **_SHAPES[family], **changes}
    )
    model = transformers.AutoModelForSequenceClassification.from_config(config).eval()
    randomise(model, seed)
    return model


@torch.no_grad()
def randomise(model: nn.Module, seed: int) -> None:
    """Random parameters, large enough for attention to choose; padding rows as well."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if "norm" in name.lower() and name.endswith("weight"):
            parameter.copy_(1 + 0.2 * noise)
        elif parameter.dim() == 1:
            parameter.copy_(0.2 * noise)
        else:
            parameter.copy_((1.0 if "embedding" in name else 0.2) * noise)


def save_tiny(
    directory: Path,
    family: str,
    ltp: dict[str, Any] | None = None,
    labels: int = 2,
    seed: int = 0,
    **changes: Any,
) -> Path:
    """A checkpoint directory, with an `ltp` policy in its config.json or none."""
    tiny_model(family, labels, seed, **changes).save_pretrained(directory)
    if ltp is not None:
        edit_config(directory, ltp=ltp)
    return directory


def edit_config(directory: Path, **changes: Any) -> None:
    """Set entries of config.json."""
    path = directory / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def save_tokenizer(directory: Path) -> None:
    """A word-piece tokenizer of a few words, all of whose ids every tiny model knows."""
    words = "[PAD] [UNK] [CLS] [SEP] [MASK] the a film is was good bad very not ##s dull great ."
    (directory / "vocab.txt").write_text(words.replace(" ", "\n") + "\n")
    (directory / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')


def random_texts(count: int, seed: int) -> list[str]:
    """Sentences of 1 to 20 of these words."""
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(WORDS, random.integers(1, 21))) for _ in range(count)]


def write_texts(path: Path, count: int = 40, seed: int = 0) -> Path:
    """A .tsv of random texts and labels."""
    texts = random_texts(count, seed)
    rows = [f"{text}\t{len(text) % 2}" for text in texts]
    path.write_text("\n".join(["text\tlabel", *rows]) + "\n")
    return path


def policy(
    *layers: tuple[str, float], score_length: int | str = "sequence", first_token: str = "keep"
) -> dict[str, Any]:
    """An `ltp` entry of config.json from (mode, threshold) pairs."""
    return {
        "layers": [{"mode": mode, "threshold": value} for mode, value in layers],
        "score_length": score_length,
        "first_token": first_token,
    }


# One policy for each mode that prunes several of the 5 to 25 tokens of our batches per layer.
POLICIES: dict[str, dict[str, Any]] = {
    "absolute": policy(("absolute", 0.04), ("absolute", 0.06), ("absolute", 0.09), score_length=16),
    "absolute-sequence": policy(("absolute", 0.03), ("absolute", 0.04), ("absolute", 0.05)),
    "relative": policy(("relative", 0.1), ("relative", 0.2), ("relative", 0.3)),
    "topk": policy(("topk", 0.8), ("topk", 0.6), ("topk", 0.35)),
    "mixed": policy(("none", 0.0), ("topk", 0.7), ("relative", 0.3)),
    "reference": policy(
        ("absolute", 0.05),
        ("relative", 0.3),
        ("absolute", 0.05),
        score_length=20,
        first_token="reference",
    ),
}
