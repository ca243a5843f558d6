"""Documents in the order in which they fit a query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ltp_deploy.errors import InputError


def pairs(query: Any, documents: Any) -> list[tuple[str, Any]]:
    """The query with each document.

    Raises:
        InputError: no string and no list of documents.
    """
    if not isinstance(query, str):
        raise InputError(f"query must be a string, found {type(query).__name__}")
    if isinstance(documents, str | bytes) or not isinstance(documents, Sequence):
        raise InputError(f"documents must be a list of strings, found {type(documents).__name__}")
    for i, document in enumerate(documents):
        if not isinstance(document, str):
            raise InputError(f"document {i} must be a string, found {document!r:.80}")
    return [(query, document) for document in documents]


def check_top_k(top_k: Any) -> None:
    """Raises InputError where it is no number of documents."""
    if top_k is not None and (
        isinstance(top_k, bool) or not isinstance(top_k, int | np.integer) or top_k < 1
    ):
        raise InputError(f"top_k must be a whole number from 1 on, found {top_k!r}")


def in_order(logits: np.ndarray, scores: np.ndarray, top_k: int | None) -> list[tuple[int, float]]:
    """The `top_k` documents with the largest of these logits [N], or all; equal ones as they were
    given.

    Args:
        scores: [N] what is reported of them.
    """
    order = np.argsort(-logits, kind="stable")[:top_k]
    return [(int(i), float(scores[i])) for i in order]
