"""Tokenised examples as transformers' `Trainer` takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from ltp_deploy.data.batch import PackedBatch
from ltp_deploy.data.examples import Examples, required_labels
from ltp_deploy.data.tokenizer import Tokenizer
from ltp_deploy.errors import LtpError
from ltp_deploy.heads import head_of
from ltp_deploy.model.config import EncoderConfig


class TaskData(Dataset[dict[str, Any]]):
    """The N tokenised examples of a task.

    Attributes:
        batch: their tokens, as packed sequences.
        labels: what the model's head makes of labels, see `Head.targets`: [N] numbers,
            [N, labels] bool, or [N, 2].
        metric: the name of the score that judges answers, see `Head.score`; None for the usual one.
        units: [N] integers, the same for texts that are judged together, which no random part of
            the data separates; all different where each text is judged alone.
        teacher: [N, labels] float32 logits of the model that training learns from, or None.
    """

    def __init__(
        self,
        batch: PackedBatch,
        labels: np.ndarray,
        metric: str | None = None,
        *,
        units: np.ndarray | None = None,
    ):
        self.batch = batch
        self.labels = labels
        self.metric = metric
        self.units = np.arange(batch.sequences) if units is None else units
        self.teacher: np.ndarray | None = None

    @classmethod
    def read(
        cls, parts: Sequence[Examples], tokenizer: Tokenizer, config: EncoderConfig
    ) -> list[TaskData]:
        """Tokenise the parts of a task's data, and give labels their numbers.

        What labels mean is decided for all parts together.

        Raises:
            LtpError: there are no labels, or some that the model does not know; rows are counted
                through all parts.
        """
        labels = [label for part in parts for label in required_labels(part, "training")]
        texts = [text for part in parts for text in part.texts]
        try:
            targets = head_of(config).targets(labels, texts)
        except LtpError as error:
            counted = "; rows of --dev or --test are counted after those of --data"
            raise LtpError(f"{error}{counted if len(parts) > 1 else ''}") from None
        return cls.of([tokenizer(part.texts) for part in parts], targets, parts, config)

    @classmethod
    def of(
        cls,
        batches: Sequence[PackedBatch],
        targets: np.ndarray,
        parts: Sequence[Examples],
        config: EncoderConfig,
    ) -> list[TaskData]:
        """The data of several parts.

        Args:
            batches: the tokens of each.
            targets: of all parts together.
            parts: say what scores each.
        """
        ends = np.cumsum([batch.sequences for batch in batches])
        units = head_of(config).units(targets)
        return [
            cls(batch, targets[start:end], part.metric, units=units[start:end])
            for batch, part, start, end in zip(batches, parts, [0, *ends[:-1]], ends, strict=True)
        ]

    def sample(self, tokens: int, seed: int, at_least: int = 1) -> TaskData:
        """Random units of about so many tokens in total and at least so many texts, or all."""
        order, ends = self._shuffled(seed)
        enough = int(np.searchsorted(np.cumsum(self.batch.lengths[order]), tokens)) + 1
        whole = int(np.searchsorted(ends, max(enough, at_least)))
        return self.select(order[: ends[min(whole, len(ends) - 1)]])

    def divided(self, first: int, seed: int) -> tuple[TaskData, TaskData]:
        """Two random parts, of which the first has so many examples, or as near to that as units
        allow."""
        order, ends = self._shuffled(seed)
        first = int(ends[np.abs(ends - first).argmin()])
        return self.select(np.sort(order[:first])), self.select(np.sort(order[first:]))

    def _shuffled(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """[N] the examples, those of a unit one after another, the units in random order; and
        [units + 1] where the first unit begins and each ends."""
        _, unit, sizes = np.unique(self.units, return_inverse=True, return_counts=True)
        shuffled = np.random.default_rng(seed).permutation(len(sizes))
        order = np.argsort(np.argsort(shuffled)[unit], kind="stable")
        return order, np.concatenate(([0], np.cumsum(sizes[shuffled])))

    def select(self, rows: np.ndarray) -> TaskData:
        """The examples of these numbers [M], in this order."""
        chosen = rows.tolist()
        batch, labels, units = self.batch.select(chosen), self.labels[chosen], self.units[chosen]
        return TaskData(batch, labels, self.metric, units=units)

    def __len__(self) -> int:
        return self.batch.sequences

    def __getitem__(self, index: int) -> dict[str, Any]:
        rows = slice(self.batch.offsets[index], self.batch.offsets[index + 1])
        item = {
            "input_ids": self.batch.input_ids[rows],
            "token_type_ids": self.batch.token_type_ids[rows],
            "labels": self.labels[index],
        }
        if self.teacher is not None:
            item["teacher"] = self.teacher[index]
        return item
