"""What a config.json can say that makes the model another one than its weights' names suggest."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from ltp_deploy.checkpoint.family import Family
from ltp_deploy.errors import CheckpointError

# Tasks whose weights may have the same names as a classifier's.
_OTHER_TASKS = ("ForTokenClassification", "ForQuestionAnswering", "ForMultipleChoice")
_SEVERAL = ', and if it gives any number of labels "problem_type": "multi_label_classification"'
# How weights begin that are the head of another task, and what that is.
_OTHER_HEADS = {
    "cls.predictions": "a masked language model",
    "lm_head": "a masked language model",
    "vocab_": "a masked language model",
    "generator_": "a masked language model",
    "discriminator_predictions": "ELECTRA's discriminator",
    "cls.seq_relationship": "a model of next-sentence prediction",
    "qa_outputs": "a model that marks answers in a text",
    "classifier.": "a model of another task (token classification, multiple choice)",
}


_NUMBERED = re.compile(r"classifier\.\d")


def check_config(config: dict[str, Any], family: Family, any_task: bool = False) -> None:
    """Refuse what would be computed in another way than the family's classifier is.

    Args:
        config: config.json as it stands in the file.
        any_task: the head is to be replaced, so that it may be another task's.

    Raises:
        CheckpointError: by the entry's name, with what to do.
    """
    if config.get("position_embedding_type") not in (None, "absolute"):
        raise CheckpointError(
            f"position_embedding_type {config['position_embedding_type']!r} is not supported; "
            "only 'absolute' is"
        )
    if config.get("is_decoder"):
        raise CheckpointError("is_decoder: true is not supported; LTP prunes encoders")
    if config.get("pruned_heads"):
        raise CheckpointError(
            f"pruned_heads {config['pruned_heads']} is not supported: some versions of "
            "transformers remove these attention heads, others ignore the entry; where the weights "
            "hold all heads and all are meant, remove pruned_heads from config.json"
        )
    if config.get("quantization_config"):
        raise CheckpointError(
            "quantization_config: quantized weights are not supported; save the checkpoint with "
            "float weights, and let --precision quantize"
        )
    _check_code(config)
    _check_architectures(config, family, any_task)


def _check_code(config: dict[str, Any]) -> None:
    """A model's code may compute anything; tokenizers are judged where they are read."""
    entry = config.get("auto_map") or {}
    if not isinstance(entry, dict):
        raise CheckpointError(f"config.json: auto_map must be an object, found {entry!r}")
    for key in entry:
        if key.startswith(("AutoModel", "AutoConfig")):
            raise CheckpointError(
                f"auto_map names code of the checkpoint's own for {key} ({entry[key]}), which is "
                "never run, and which may compute something else; where the model is transformers' "
                "own for this model_type, remove auto_map from config.json"
            )


def _check_architectures(config: dict[str, Any], family: Family, any_task: bool) -> None:
    entry = config.get("architectures") or []
    names = [entry] if isinstance(entry, str) else entry
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise CheckpointError(f"config.json: architectures must be a list of names, found {entry}")
    # Types of one family have one layout, so that each may name the other's class.
    known = set(family.architectures)
    if names:
        known.update(*map(_own_classes, family.model_types))
    for name in names:
        if name.endswith(_OTHER_TASKS) and not any_task:
            raise CheckpointError(
                f"{name} is not supported: classification and regression of whole texts are"
            )
        if name.removeprefix("TF").removeprefix("Flax") not in known:
            own = classifier_class(config.get("model_type"), family.architectures)
            raise CheckpointError(
                f"architectures: {name} is not known as an encoder of model_type "
                f"{config.get('model_type')!r}, so the model may compute something else; where it "
                f"does not, write {own} into config.json"
                + (_SEVERAL if "multilabel" in name.lower() else "")
            )


@cache
def _own_classes(model_type: Any) -> frozenset[str]:
    """transformers' models of this type. Earlier versions had them for TensorFlow and Flax as well,
    under names that begin so."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES as classifiers,
    )

    if model_type not in classifiers:
        return frozenset()
    prefix = classifiers[model_type].removesuffix("ForSequenceClassification")
    beginnings = (f"{prefix}For", f"{prefix}Model")
    return frozenset(name for name in _names() if name.startswith(beginnings))


@cache
def _names() -> list[str]:
    """All that transformers has, which takes it a fifth of a second to say."""
    import transformers

    return dir(transformers)


def classifier_class(model_type: Any, architectures: Iterable[str]) -> str:
    """The name of the class that classifies whole texts.

    Args:
        architectures: classes of the family that transformers does not have.
    """
    names = _own_classes(model_type) or set(architectures)
    return min(name for name in names if name.endswith("ForSequenceClassification"))


def without_head(names: Iterable[str]) -> str:
    """What weights without a classification head are, and what to do."""
    names = list(names)
    numbered = [name for name in names if _NUMBERED.match(name)]
    if numbered:
        return f"their classifier has several layers ({numbered[0]}), and its family's has not"
    kind = "a bare encoder"
    for beginning, what in _OTHER_HEADS.items():
        if any(name.startswith(beginning) for name in names):
            kind = what
            break
    return (
        f"they are {kind} and have no classification head: fine-tune it on a task first; an "
        "embedding model has the modules.json of sentence-transformers beside it"
    )
