"""A small BERT with random weights, for the demo to train."""

from __future__ import annotations

from pathlib import Path

import torch
from reviews import FILLER, NEGATIVE, POSITIVE
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

LAYERS = 6


def new_checkpoint(directory: Path) -> None:
    """Write an untrained BERT and a tokenizer whose tokens are the words of the reviews."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *dict.fromkeys(POSITIVE + NEGATIVE + FILLER)]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", [("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    ).save_pretrained(directory)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=256,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        intermediate_size=1024,
        max_position_embeddings=128,
        id2label={0: "negative", 1: "positive"},
        label2id={"negative": 0, "positive": 1},
    )
    torch.manual_seed(0)
    BertForSequenceClassification(config).save_pretrained(directory)
