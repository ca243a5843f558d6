"""The model of Triton's python backend: it runs the bundle that lies beside this file.

The server collects requests while one execution runs. Their sequences are packed together, and
each request gets its own answer, or its own error.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as triton

import ltp_deploy
from ltp_deploy.data.batch import PackedBatch, check, join, pack
from ltp_deploy.data.texts import Text
from ltp_deploy.errors import InputError, LtpError
from ltp_deploy.runtime.encoding import with_prompt

IDS = ("input_ids", "token_type_ids", "attention_mask")


class TritonPythonModel:
    """What the backend makes once for each instance, and calls."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the bundle.

        Args:
            args: "model_repository" is the folder of this model.
        """
        bundle = Path(args["model_repository"]) / args["model_version"] / "bundle"
        self.engine = ltp_deploy.load(bundle)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answers to requests, in their order."""
        read = [self._read(request) for request in requests]
        answers = iter(self._logits([found for found in read if isinstance(found, PackedBatch)]))
        return [
            _response(next(answers)) if isinstance(found, PackedBatch) else _refusal(found)
            for found in read
        ]

    def finalize(self) -> None:
        """Let the engine go."""
        self.engine.close()

    def _read(self, request: Any) -> PackedBatch | LtpError:
        """A request's sequences, or why it is refused."""
        try:
            texts = _array(request, "text")
            arrays = {name: _array(request, name) for name in IDS}
            if (texts is None) == (arrays["input_ids"] is None):
                raise InputError("give either text or input_ids")
            batch = pack(**arrays) if texts is None else self._tokenized(_texts(texts))
            check(batch, self.engine.config, self.engine.limits)
            return batch
        except LtpError as error:
            return error

    def _tokenized(self, texts: list[Text]) -> PackedBatch:
        embedding = self.engine.config.embedding
        prompted = texts if embedding is None else with_prompt(texts, embedding, None, None)
        return self.engine.tokenize(prompted)

    def _logits(self, batches: list[PackedBatch]) -> list[np.ndarray]:
        """[B, outputs] for each batch; all are computed together, as far as the engine's limits
        allow."""
        if not batches:
            return []
        together = join(batches)
        logits = np.empty((together.sequences, self.engine.config.num_labels), np.float32)
        for rows in self.engine.limits.requests(together.lengths):
            logits[rows] = self.engine.run(together.select(rows)).logits
        return np.split(logits, np.cumsum([batch.sequences for batch in batches])[:-1])


def _array(request: Any, name: str) -> np.ndarray | None:
    tensor = triton.get_input_tensor_by_name(request, name)
    return None if tensor is None else tensor.as_numpy()


def _texts(rows: np.ndarray) -> list[Text]:
    """Texts from [B, 1] bytes, or pairs of texts from [B, 2].

    Raises:
        InputError: other shapes, and what is not UTF-8.
    """
    if rows.ndim != 2 or rows.shape[1] not in (1, 2):
        raise InputError(f"text must be [B, 1], or [B, 2] for pairs, found {list(rows.shape)}")
    try:
        decoded = [[text.decode() for text in row] for row in rows]
    except UnicodeDecodeError as error:
        raise InputError(f"text must be UTF-8: {error}") from None
    return [row[0] if len(row) == 1 else (row[0], row[1]) for row in decoded]


def _response(logits: np.ndarray) -> Any:
    return triton.InferenceResponse([triton.Tensor("logits", logits)])


def _refusal(error: LtpError) -> Any:
    return triton.InferenceResponse(
        [], triton.TritonError(str(error), triton.TritonError.INVALID_ARG)
    )
