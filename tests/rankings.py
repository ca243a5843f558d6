"""Queries with passages of random words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tests.tiny import random_texts


def write_groups(
    path: Path, queries: int, passages: int = 6, seed: int = 0, labels: bool = True
) -> Path:
    """A .jsonl of queries with so many passages each, the first of which is relevant: it alone
    holds the word "great"."""
    random = np.random.default_rng(seed)
    found = iter(random_texts(queries * passages, seed))
    rows = []
    for i in range(queries):
        texts = [next(found).replace("great", "dull") for _ in range(passages)]
        texts[0] = f"great {texts[0]}"
        order = random.permutation(passages)
        row: dict[str, object] = {
            "query": f"film {' very' * (i % 7)} {' bad' * (i // 7)}",
            "passages": [texts[j] for j in order],
        }
        rows.append({**row, "labels": [int(j == 0) for j in order]} if labels else row)
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    return path
