"""What is put before texts that a model turns into vectors."""

from __future__ import annotations

from typing import Any

from ltp_deploy.data.texts import Texts, single_texts
from ltp_deploy.errors import InputError
from ltp_deploy.model.config import Embedding


def with_prompt(texts: Texts, embedding: Embedding, name: Any, prompt: Any) -> list[str]:
    """The texts, each after its prompt.

    Args:
        name: of one of the model's prompts; None for its default, if it has one.
        prompt: goes before the texts in place of one of the model's.

    Raises:
        InputError: what is no text, an unknown name, or both a name and a prompt.
    """
    if prompt is not None and name is not None:
        raise InputError("give a prompt or the name of one, not both")
    if prompt is not None and not isinstance(prompt, str):
        raise InputError(f"prompt must be a string, found {prompt!r:.80}")
    name = embedding.default_prompt if name is None else name
    if prompt is None and name is not None:
        if name not in embedding.prompts:
            known = ", ".join(map(repr, embedding.prompts)) or "none"
            raise InputError(f"the model has no prompt {name!r:.80}; it has {known}")
        prompt = embedding.prompts[name]
    before = prompt or ""
    return [before + text for text in single_texts(texts, "a vector is of one text")]
