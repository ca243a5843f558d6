"""optimum-intel, and what opens models by it: transformers' pipelines, sentence-transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers

from ltp_deploy.backends.openvino.files import save
from ltp_deploy.bundle.tokenizer import TokenizerRecord
from ltp_deploy.data.json_tokenizer import FILE
from ltp_deploy.data.labels import generic_names, id2label
from ltp_deploy.export.consumer import Bundle, Consumer, copy_plugin, not_openvino
from ltp_deploy.export.graph import ANSWER, behind, with_outputs
from ltp_deploy.export.padded import padded_front
from ltp_deploy.heads import head_of
from ltp_deploy.model.config import ANSWER_ACTIVATIONS, Embedding, EncoderConfig

GRAPH = "openvino_model"
# What transformers has no model type for, and one that is configured alike.
_MODEL_TYPES = {"ltp": "ibert"}
_README = """\
# {name} for optimum-intel

Register the plugin before the model is opened, once in a process:

```python
folder = "."  # where this file is
from optimum.intel.openvino.modeling_base import core
core.add_extension(f"{{folder}}/{plugin}"){precision}
```

```python
{use}
```

It needs optimum-intel with openvino=={openvino}, as the plugin works with no other release. Padding
costs nothing: it is removed inside the graph, so batches need not be sorted by length.

A sequence of more than {length} tokens, or of none, gets no answer: the output of its batch has no
numbers, shape [B, 0]. Truncate: `pipeline(..., truncation=True)`.
"""
_PRECISION = '\ncore.set_property("CPU", {"INFERENCE_PRECISION_HINT": "bf16"})'
_CLASSIFIER = """\
from optimum.intel import OVModelForSequenceClassification
from transformers import AutoTokenizer, pipeline
model = OVModelForSequenceClassification.from_pretrained(folder)
classify = pipeline("text-classification", model, tokenizer=AutoTokenizer.from_pretrained(folder))

from sentence_transformers import CrossEncoder
reranker = CrossEncoder(folder, backend="openvino")"""
_EMBEDDING = """\
from sentence_transformers import SentenceTransformer
model = SentenceTransformer(folder, backend="openvino")"""


class Optimum(Consumer):
    """A folder that `from_pretrained` of optimum-intel opens."""

    name = "optimum"
    summary = "a folder from which Hugging Face's libraries open models of OpenVINO"

    def refusal(self, bundle: Bundle) -> str | None:
        """Engines of other backends, and bundles whose tokenizer is no tokenizer.json."""
        if reason := not_openvino(bundle):
            return reason
        record = bundle.manifest.tokenizer
        if record is None:
            return "it carries no tokenizer; build it without --no-tokenizer"
        if record.library != "tokenizers":
            return "its tokenizer exists in Python alone, and is no tokenizer.json"
        return None

    def write(self, bundle: Bundle, folder: Path) -> None:
        """The graph that packs, the plugin, the tokenizer, and what says how to read the answer."""
        manifest, record = bundle.manifest, bundle.manifest.tokenizer
        assert record is not None
        front = padded_front("token_type_ids" in manifest.inputs)
        graph = behind(front, bundle.files, manifest)
        length = _write_tokenizer(bundle, record, folder)
        if manifest.model.embedding is not None:
            graph = _as_tokens(graph)
            _write_modules(manifest.model.embedding, manifest.model.num_labels, length, folder)
        save(graph, folder / f"{GRAPH}.xml", folder / f"{GRAPH}.bin")
        _write(folder / "config.json", _config(manifest.model))
        _write_readme(bundle, folder)


def _as_tokens(graph: Any) -> Any:
    """An embedding model whose output is the state of the first of its tokens, of which there is
    one, for sentence-transformers to pool."""
    from openvino import opset13 as ops

    logits = graph.output(ANSWER).get_node().input_value(0)
    states = ops.unsqueeze(logits, np.array([1], np.int64))
    return with_outputs({"last_hidden_state": states}, graph.get_parameters())


def _config(config: EncoderConfig) -> dict[str, Any]:
    """config.json, as transformers reads it."""
    found: dict[str, Any] = {
        "model_type": _MODEL_TYPES.get(config.family, config.family),
        "hidden_size": config.hidden_size,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "intermediate_size": config.intermediate_size,
        "vocab_size": config.vocab_size,
        "max_position_embeddings": config.position_rows,
        "type_vocab_size": config.type_vocab_size,
        "pad_token_id": config.pad_token_id,
    }
    if config.embedding is not None:
        return {**found, "architectures": ["AutoModel"], "hidden_size": config.num_labels}
    return {**found, "architectures": ["AutoModelForSequenceClassification"], **_answer(config)}


def _answer(config: EncoderConfig) -> dict[str, Any]:
    """How pipelines and cross-encoders read the logits."""
    head = head_of(config)
    found: dict[str, Any] = id2label(config.labels or generic_names(config.num_labels))
    if head.problem_type:
        found["problem_type"] = head.problem_type
    if config.num_labels == 1:
        kind = ANSWER_ACTIVATIONS[config.answer_activation]
        found["sentence_transformers"] = {"activation_fn": f"torch.nn.{kind}"}
    if head.gives_values:
        # Pipelines apply a sigmoid to one output unless it is a regression's. They know no tanh;
        # without it the order is the same.
        found.pop("problem_type", None)
        if config.answer_activation != "sigmoid":
            found["problem_type"] = "regression"
    return found


def _write_tokenizer(bundle: Bundle, record: TokenizerRecord, folder: Path) -> int:
    """tokenizer.json, and what transformers must know beside it; returns the tokens at which texts
    are cut."""
    data = bytes(bundle.files.file(type(record.folder)(f"{record.folder}/{FILE}")).data)
    (folder / FILE).write_bytes(data)
    tokenizer = tokenizers.Tokenizer.from_buffer(data)
    cut = tokenizer.truncation
    assert cut, f"{FILE} says how long texts may be"
    length: int = min(bundle.manifest.limits.max_length, cut["max_length"])
    names = ["input_ids", "token_type_ids", "attention_mask"]
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": length,
        "model_input_names": names if record.token_types else [names[0], names[2]],
        "pad_token": tokenizer.id_to_token(bundle.manifest.model.pad_token_id),
        "padding_side": "right",
        "truncation_side": cut["direction"],
        "split_special_tokens": record.split_special_tokens,
    }
    _write(folder / "tokenizer_config.json", settings)
    return length


def _write_modules(embedding: Embedding, size: int, length: int, folder: Path) -> None:
    """What sentence-transformers does with the graph's output: take it. The graph has pooled."""
    kinds = {"": "Transformer", "1_Pooling": "Pooling"}
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(kinds.items())
    ]
    _write(folder / "modules.json", modules)
    reading = {"max_seq_length": length, "do_lower_case": False}
    _write(folder / "sentence_bert_config.json", reading)
    pooling = {"word_embedding_dimension": size}
    modes = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    (folder / "1_Pooling").mkdir()
    _write(folder / "1_Pooling" / "config.json", {**pooling, **modes})
    prompts = {"prompts": dict(embedding.prompts), "default_prompt_name": embedding.default_prompt}
    _write(folder / "config_sentence_transformers.json", prompts)


def _write_readme(bundle: Bundle, folder: Path) -> None:
    manifest = bundle.manifest
    use = _CLASSIFIER if manifest.model.embedding is None else _EMBEDDING
    readme = _README.format(
        name=bundle.name,
        plugin=copy_plugin(bundle, folder),
        precision=_PRECISION if manifest.activations == "bf16" else "",
        use=use,
        openvino=manifest.version("openvino"),
        length=manifest.limits.max_length,
    )
    (folder / "README.md").write_text(readme)


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n")
