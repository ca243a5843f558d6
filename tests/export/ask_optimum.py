"""Models opened by optimum-intel and sentence-transformers, of a Python that has them, as the
README beside them says.

From standard input: {"folder": ..., "texts": [...], "pairs": [[...], ...]}. Prints answers as JSON.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def or_error(function: Callable[[], Any]) -> Any:
    """What a call gives, or the name of its error."""
    try:
        return function()
    except Exception as error:
        return type(error).__name__


def classifier(opened: dict[str, Any], texts: list[str], pairs: list[list[str]]) -> dict[str, Any]:
    model, classify = opened["model"], opened["classify"]
    tokenizer = classify.tokenizer
    padded = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    uncut = tokenizer(texts, padding=True, return_tensors="pt")
    return {
        "logits": model(**padded).logits.tolist(),
        "uncut": list(model(**uncut).logits.shape),
        "pipeline": classify(texts, truncation=True, batch_size=4, top_k=None),
        "pipeline, uncut": or_error(lambda: classify(texts, batch_size=4)),
        "pairs": opened["reranker"].predict([tuple(pair) for pair in pairs]).tolist(),
    }


def embedding(opened: dict[str, Any], texts: list[str], pairs: list[list[str]]) -> dict[str, Any]:
    model = opened["model"]
    return {
        "vectors": model.encode(texts).tolist(),
        "prompted": model.encode(texts, prompt_name="query").tolist(),
    }


def main() -> None:
    request = json.load(sys.stdin)
    os.chdir(request.pop("folder"))
    opened: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", Path("README.md").read_text(), re.DOTALL):
        exec(block, opened)
    ask = embedding if Path("modules.json").is_file() else classifier
    print(json.dumps(ask(opened, **request)))


if __name__ == "__main__":
    main()
