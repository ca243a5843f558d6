"""Writes the checkpoints in this folder, and what they answer: `python -m tests.ltp.make`.

Random weights in the released format, once, and a folder per prune mode with its config.json and
expected.json. The answers come from `tests.naive`, which knows the method's definition alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.naive import released_model

HERE = Path(__file__).parent
MODES: dict[str, dict[str, Any]] = {
    "absolute": {"prune_mode": "absolute_threshold", "final_token_threshold": 0.01},
    "threshold": {"prune_mode": "threshold", "token_threshold": 0.12},
    "topk": {"prune_mode": "topk", "token_keep_rate": 0.3},
}
LEARNED = (0.0, 0.001, 0.0005, 0.001, -0.001)  # no gradient reaches the first layer's threshold
LAYERS, HIDDEN, INTERMEDIATE, POSITIONS = len(LEARNED), 32, 48, 50
SPECIAL = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
WORDS = """a an the this that film movie story plot cast scene actor is was feels seems not never
very too so really quite good bad great dull warm cold funny slow sharp clever empty bright dark
of in with and but or for from most all no one two at its it ##s ##ly ##er . , ! ?""".split()
VOCABULARY = [*SPECIAL.values(), *WORDS]
TEXTS = 60
SCORE_LENGTH = 128
CLEAR = 1e-4  # relative: a score closer than this to its threshold could go either way in float32
APART = 0.02  # logits closer than this could change places in float16


def config(mode: str) -> dict[str, Any]:
    return {
        "model_type": "ltp",
        "architectures": ["LTPForSequenceClassification"],
        "hidden_act": "gelu",
        "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE,
        "layer_norm_eps": 1e-5,
        "max_position_embeddings": POSITIONS,
        "num_attention_heads": 4,
        "num_hidden_layers": LAYERS,
        "pad_token_id": VOCABULARY.index(SPECIAL["pad_token"]),
        "position_embedding_type": "absolute",
        "quant_mode": False,
        "type_vocab_size": 2,
        "vocab_size": len(VOCABULARY),
        **MODES[mode],
    }


def weights(random: np.random.Generator) -> dict[str, np.ndarray]:
    """By the released code's names, in float16."""
    state: dict[str, np.ndarray] = {}

    def normal(name: str, *shape: int, scale: float = 0.3, mean: float = 0.0) -> None:
        state[name] = (mean + scale * random.standard_normal(shape)).astype(np.float16)

    def linear(name: str, out: int, into: int) -> None:
        normal(f"{name}.weight", out, into)
        normal(f"{name}.bias", out)

    def norm(name: str) -> None:
        normal(f"{name}.weight", HIDDEN, mean=1.0)
        normal(f"{name}.bias", HIDDEN)

    for table, rows in {"word": len(VOCABULARY), "position": POSITIONS, "token_type": 2}.items():
        normal(f"ibert.embeddings.{table}_embeddings.weight", rows, HIDDEN, scale=1.0)
    norm("ibert.embeddings.LayerNorm")
    for i, learned in enumerate(LEARNED):
        layer = f"ibert.encoder.layer.{i}"
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            linear(f"{layer}.attention.{part}", HIDDEN, HIDDEN)
        norm(f"{layer}.attention.output.LayerNorm")
        linear(f"{layer}.intermediate.dense", INTERMEDIATE, HIDDEN)
        linear(f"{layer}.output.dense", HIDDEN, INTERMEDIATE)
        norm(f"{layer}.output.LayerNorm")
        state[f"{layer}.attention.self.pruner.keep_threshold"] = np.array(learned, np.float16)
    linear("classifier.dense", HIDDEN, HIDDEN)
    linear("classifier.out_proj", 2, HIDDEN)
    return state


def answer(mode: str, state: dict[str, np.ndarray], ids: list[int]) -> tuple[dict[str, Any], float]:
    """What expected.json says of one sequence, and how close its closest call was."""
    logits, survivors, margin = released_model(
        config(mode), state, ids, [0] * len(ids), SCORE_LENGTH
    )
    return {"ids": ids, "logits": logits.round(7).tolist(), "survivors": survivors}, margin


def choose_texts(state: dict[str, np.ndarray], random: np.random.Generator) -> list[list[str]]:
    """Texts of 1 to 44 words whose answers are clear in every mode."""
    whole_words = [word for word in WORDS if "##" not in word]
    texts: list[list[str]] = []
    while len(texts) < TEXTS:
        words = random.choice(whole_words, random.integers(1, POSITIONS - 5)).tolist()
        answers = [answer(mode, state, token_ids(words)) for mode in MODES]
        apart = min(abs(np.subtract(*found["logits"])) for found, _ in answers)
        if apart > APART and min(margin for _, margin in answers) > CLEAR:
            texts.append(words)
    return texts


def token_ids(words: list[str]) -> list[int]:
    ends = SPECIAL["bos_token"], SPECIAL["eos_token"]
    return [VOCABULARY.index(token) for token in (ends[0], *words, ends[1])]


def main() -> None:
    random = np.random.default_rng(212)
    state = weights(random)
    torch.save({n: torch.from_numpy(a) for n, a in state.items()}, HERE / "pytorch_model.bin")
    (HERE / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    tokens = {**SPECIAL, "cls_token": SPECIAL["bos_token"], "sep_token": SPECIAL["eos_token"]}
    tokenizer = {"tokenizer_class": "BertTokenizer", **tokens}
    (HERE / "tokenizer_config.json").write_text(json.dumps(tokenizer, indent=2) + "\n")
    texts = choose_texts(state, random)
    rows = [f"{' '.join(words)}\t{random.integers(2)}\n" for words in texts]
    (HERE / "texts.tsv").write_text("text\tlabel\n" + "".join(rows))
    for mode in MODES:
        folder = HERE / mode
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(json.dumps(config(mode), indent=2) + "\n")
        answers = [json.dumps(answer(mode, state, token_ids(words))[0]) for words in texts]
        (folder / "expected.json").write_text("[\n" + ",\n".join(answers) + "\n]\n")


if __name__ == "__main__":
    main()
