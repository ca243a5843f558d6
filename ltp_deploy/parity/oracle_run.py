"""Running the oracle over a data set, in batches of similar length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ltp_deploy.bundle.limits import length_batches
from ltp_deploy.data.batch import PackedBatch
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.oracle import masked_forward
from ltp_deploy.model.survivors import SurvivorProfile
from ltp_deploy.progress import track


@dataclass(frozen=True)
class OracleRun:
    """The oracle's answers for N sequences; arrays as in `OracleOutput`, in the batch's order."""

    logits: np.ndarray
    survivors: np.ndarray
    margins: np.ndarray
    lengths: np.ndarray

    @property
    def profile(self) -> SurvivorProfile:
        return SurvivorProfile.from_survivors(self.lengths, self.survivors)


def run_oracle(
    encoder: Encoder, data: PackedBatch, batch: int = 32, title: str = "oracle"
) -> OracleRun:
    """Run the masked oracle on every sequence of `data`, `batch` at a time."""
    config, lengths, device = encoder.config, data.lengths, encoder.word.weight.device
    count, longest = len(lengths), int(lengths.max())
    logits = np.zeros((count, config.num_labels), np.float32)
    survivors = np.zeros((count, config.layers, longest), bool)
    margins = np.full((count, config.layers, longest), np.inf, np.float32)
    for chosen in track(length_batches(lengths, batch), title, "batch"):
        ids, types, mask = (
            torch.from_numpy(a).to(device) for a in data.select(chosen).padded(config.pad_token_id)
        )
        output = masked_forward(encoder, ids, types, mask)
        logits[chosen] = output.logits.cpu().numpy()
        survivors[chosen, :, : mask.shape[1]] = output.survivors.cpu().numpy()
        margins[chosen, :, : mask.shape[1]] = output.margins.cpu().numpy()
    return OracleRun(logits, survivors, margins, lengths)
