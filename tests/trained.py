"""Checkpoints trained by the method's authors' own code, and what that code says about them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ltp_deploy.data.batch import PackedBatch, pack


class TrainedCheckpoint:
    """A checkpoint directory and the expected answers that lie in it.

    lengths [N]; logits [N, labels]; survivors [N, L, padded length] bool, after each layer.
    """

    def __init__(self, directory: Path):
        self.directory = directory
        expected = np.load(directory / "expected.npz")
        self.lengths = expected["lengths"]
        self.logits = expected["logits"]
        self.survivors = np.unpackbits(expected["survivors"], axis=-1).astype(bool)
        self._ids, self._types = expected["input_ids"], expected["token_type_ids"]

    @property
    def batch(self) -> PackedBatch:
        """The whole development set."""
        real = np.arange(self._ids.shape[1]) < self.lengths[:, None]
        return pack(self._ids, self._types, real)


def combined(donor: Path, source: Path, directory: Path) -> TrainedCheckpoint:
    """`source` in `directory`, with the weights and tokenizer of `donor` where it has none."""
    for folder in (donor, source):
        for file in folder.iterdir():
            (directory / file.name).unlink(missing_ok=True)
            (directory / file.name).symlink_to(file)
    return TrainedCheckpoint(directory)
