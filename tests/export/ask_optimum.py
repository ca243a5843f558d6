"""Models opened by optimum-intel and sentence-transformers, of a Python that has them.

From standard input: {"folder": ..., "texts": [...], "pairs": [[...], ...]}. Prints answers as JSON.
"""

from __future__ import annotations

import json
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


def classifier(folder: str, texts: list[str], pairs: list[list[str]]) -> dict[str, Any]:
    from optimum.intel import OVModelForSequenceClassification
    from sentence_transformers import CrossEncoder
    from transformers import AutoTokenizer, pipeline

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = OVModelForSequenceClassification.from_pretrained(folder)
    padded = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    uncut = tokenizer(texts, padding=True, return_tensors="pt")
    classify = pipeline("text-classification", model, tokenizer=tokenizer)
    encoder = CrossEncoder(folder, backend="openvino")
    return {
        "logits": model(**padded).logits.tolist(),
        "uncut": list(model(**uncut).logits.shape),
        "pipeline": classify(texts, truncation=True, batch_size=4, top_k=None),
        "pipeline, uncut": or_error(lambda: classify(texts, batch_size=4)),
        "pairs": encoder.predict([tuple(pair) for pair in pairs]).tolist(),
    }


def embedding(folder: str, texts: list[str], pairs: list[list[str]]) -> dict[str, Any]:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(folder, backend="openvino")
    return {
        "vectors": model.encode(texts).tolist(),
        "prompted": model.encode(texts, prompt_name="query").tolist(),
    }


def main() -> None:
    request = json.load(sys.stdin)
    folder = Path(request["folder"])
    from optimum.intel.openvino.modeling_base import core

    core.add_extension(str(next(folder.glob("*.so"))))  # the README's line
    ask = embedding if (folder / "modules.json").is_file() else classifier
    print(json.dumps(ask(**request)))


if __name__ == "__main__":
    main()
