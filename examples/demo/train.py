"""Train a small BERT with Learned Token Pruning: dense, then soft thresholds, then hard ones.

A plain loop for a model of 6 layers; the loss and the soft mask are those of the LTP paper
(arXiv 2107.00910, section 3).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch
from reviews import FILLER, NEGATIVE, POSITIVE
from torch import Tensor, nn
from tqdm import tqdm
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.checkpoint.save import save_encoder
from ltp_deploy.encoder import Encoder
from ltp_deploy.pruning.oracle import attend, attention_probabilities, padded_position_ids
from ltp_deploy.pruning.policy import LayerRule, Mode, PrunePolicy
from ltp_deploy.runtime.batch import PackedBatch

LAYERS = 6
TEMPERATURE = 1e-3
REGULARISER = 0.02

# (layer, scores [B, n], alive mask [B, n]) -> the weight of each token from here on, [B, n]
Mask = Callable[[int, Tensor, Tensor], Tensor]


def new_checkpoint(directory: Path) -> None:
    """An untrained BERT with a word-level tokenizer, as transformers saves it."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *dict.fromkeys(POSITIVE + NEGATIVE + FILLER)]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]"
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


def forward(encoder: Encoder, batch: PackedBatch, mask: Mask) -> tuple[Tensor, Tensor]:
    """(logits [B, 2], mean of the token weights summed over layers)."""
    ids, types, alive = map(torch.from_numpy, batch.padded(encoder.config.pad_token_id))
    x = encoder.embed(ids, padded_position_ids(encoder, ids, alive), types)
    kept = torch.zeros(())
    for i, layer in enumerate(encoder.layers):
        probability = attention_probabilities(layer, x, alive)
        score = probability.sum((1, 2)) / (layer.heads * alive.sum(1, keepdim=True))
        x = layer.finish(attend(layer, probability, x), x)
        weight = mask(i, score, alive)
        kept = kept + weight[alive].mean()
        x = x * weight[:, :, None]
        alive = alive & (weight > 0)
    return encoder.classify(x[:, 0]), kept


def dense(layer: int, score: Tensor, alive: Tensor) -> Tensor:
    return alive.float()


def soft(thresholds: Tensor) -> Mask:
    """sigmoid((score - threshold) / T), with the first token always kept."""

    def mask(layer: int, score: Tensor, alive: Tensor) -> Tensor:
        weight = torch.sigmoid((score - thresholds[layer]) / TEMPERATURE) * alive
        return torch.cat([torch.ones_like(weight[:, :1]), weight[:, 1:]], 1)

    return mask


def fit(
    title: str, encoder: Encoder, batches: list[PackedBatch], labels: list[Tensor], mask: Mask,
    groups: list[dict], regulariser: float = 0.0,
) -> None:  # fmt: skip
    """One pass over the batches."""
    optimizer = torch.optim.AdamW(groups, weight_decay=0.0)
    bar = tqdm(zip(batches, labels, strict=True), total=len(batches), desc=title, disable=None)
    for batch, target in bar:
        logits, kept = forward(encoder, batch, mask)
        loss = nn.functional.cross_entropy(logits, target) + regulariser * kept
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
        optimizer.step()
        bar.set_postfix(loss=f"{loss.item():.3f}", kept=f"{kept.item() / LAYERS:.2f}")


def hard(thresholds: Tensor) -> Mask:
    """What runs at inference: tokens that score less than the threshold are gone."""

    def mask(layer: int, score: Tensor, alive: Tensor) -> Tensor:
        weight = (alive & ~(score < thresholds[layer])).float()
        return torch.cat([torch.ones_like(weight[:, :1]), weight[:, 1:]], 1)

    return mask


def train(directory: Path, batches: list[PackedBatch], labels: list[Tensor]) -> Encoder:
    """Train the checkpoint in `directory` in three stages and save it with its policy."""
    started = time.perf_counter()
    encoder = load_encoder(directory).requires_grad_(True)
    weights = {"params": list(encoder.parameters()), "lr": 5e-4}
    first, second = len(batches) * 5 // 10, len(batches) * 8 // 10
    fit("dense", encoder, batches[:first], labels[:first], dense, [weights])

    # The paper's start: thresholds that rise linearly with depth. Layer 0 has none.
    thresholds = nn.Parameter(torch.arange(LAYERS) / LAYERS * 0.01)
    learned = {"params": [thresholds], "lr": 2e-4}
    gentle = {**weights, "lr": 1e-4}
    fit("soft", encoder, batches[first:second], labels[first:second], soft(thresholds),
        [gentle, learned], REGULARISER)  # fmt: skip
    fixed = thresholds.detach().clamp(min=0.0)
    fit("hard", encoder, batches[second:], labels[second:], hard(fixed), [gentle])

    rules = [LayerRule(Mode.ABSOLUTE, theta) for theta in fixed.tolist()]
    rules[0] = LayerRule(Mode.NONE)
    trained = encoder.requires_grad_(False).with_policy(PrunePolicy(tuple(rules)))
    save_encoder(trained, directory, directory)
    print(f"trained in {time.perf_counter() - started:.0f} s on {len(batches)} batches")
    return trained
