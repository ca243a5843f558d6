"""A cross-encoder for timing: MiniLM's weights, a random head, thresholds that halve the work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from learning import pretrained

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.checkpoint.save import save_encoder
from ltp_deploy.data.texts import Text
from ltp_deploy.data.transformers_tokenizer import TransformersTokenizer
from ltp_deploy.model.policy import LayerRule, Mode, PrunePolicy
from ltp_deploy.tune.data import TaskData
from ltp_deploy.tune.scale import scaled_to

FLOPS_RATIO = 2.0
STEP = 0.03  # by which relative thresholds grow from layer to layer, before they are scaled


def write_stand_in(directory: Path, texts: Sequence[Text], flops_ratio: float) -> None:
    """Write a checkpoint with one output whose scores mean nothing.

    Args:
        texts: pairs on which the FLOPs ratio is counted, by the authors' count.
    """
    import torch
    from transformers import AutoTokenizer, BertForSequenceClassification
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    torch.manual_seed(0)
    model = BertForSequenceClassification.from_pretrained(pretrained(), num_labels=1)
    model.config.problem_type = "regression"
    model.save_pretrained(directory)
    AutoTokenizer.from_pretrained(pretrained(), model_max_length=512).save_pretrained(directory)
    encoder = load_encoder(directory)
    last = encoder.config.layers - 1
    rules = [LayerRule(Mode.RELATIVE, STEP * (layer + 1)) for layer in range(last)]
    encoder = encoder.with_policy(PrunePolicy((*rules, LayerRule(Mode.NONE))))
    batch = TransformersTokenizer(directory, encoder.config)(list(texts))
    data = TaskData(batch, np.arange(batch.sequences, dtype=float))  # labels do not matter
    policy = scaled_to(encoder, data, flops_ratio)
    save_encoder(encoder.with_policy(policy), directory, directory)
