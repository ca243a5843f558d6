"""The columns of answers, by the kind of the model's head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ltp_deploy.data.texts import Text
from ltp_deploy.errors import InputError
from ltp_deploy.heads import head_of
from ltp_deploy.heads.multi_label import MultiLabel
from ltp_deploy.model.config import EncoderConfig
from ltp_deploy.runtime.encoding import with_prompt
from ltp_deploy.runtime.result import part

if TYPE_CHECKING:
    import pyarrow as pa

    from ltp_deploy.data.tokenizer import Tokenized
    from ltp_deploy.runtime.engine import Engine

LABEL, LABELS = "predicted_label", "predicted_labels"
SCORE, SCORES = "predicted_score", "predicted_scores"
LOGITS, EMBEDDING = "logits", "embedding"
TRUNCATED, WINDOWS = "truncated", "windows"

Answers = dict[str, list[Any]]


def answer_schema(config: EncoderConfig, in_windows: bool) -> pa.Schema:
    """The columns of a model's answers; all are null where a row failed.

    A class has its label, the label's probability and the logits; labels of which a text may have
    several, lists of both; a value or a ranking score, the score and the logit; an embedding model,
    its vector. Then whether the text was cut, or the number of windows in which it was read.
    """
    import pyarrow as pa

    head = head_of(config)
    numbers = pa.list_(pa.float32(), config.num_labels)
    name = pa.string() if config.labels else pa.int64()
    found: list[tuple[str, pa.DataType]]
    if config.embedding is not None:
        found = [(EMBEDDING, numbers)]
    elif head.gives_values:
        found = [(SCORE, pa.float32()), (LOGITS, numbers)]
    elif isinstance(head, MultiLabel):
        found = [(LABELS, pa.list_(name)), (SCORES, pa.list_(pa.float32())), (LOGITS, numbers)]
    else:
        found = [(LABEL, name), (SCORE, pa.float32()), (LOGITS, numbers)]
    found.append((WINDOWS, pa.int32()) if in_windows else (TRUNCATED, pa.bool_()))
    return pa.schema(found)


def answer(
    engine: Engine, texts: Sequence[Text | None], failures: dict[int, str], prompt: str | None
) -> tuple[Answers, int]:
    """(the columns of the answers, how many tokens were read).

    Args:
        texts: None of rows that have failed.
        failures: reasons by row, to which those are added that the engine refuses.
        prompt: the name of an embedding model's prompt.
    """
    schema = answer_schema(engine.config, engine.long.windows)
    columns: Answers = {name: [None] * len(texts) for name in schema.names}
    rows, read = _tokenize(engine, texts, failures, prompt)
    if not rows:
        return columns, 0
    request = engine.request(read)
    count = request.batch.sequences
    result = part(engine.run_in_pieces(request.batch), 0, count, request, engine.config)
    found = _answers(engine.config, result.logits)
    if result.windows is not None:
        found[WINDOWS] = result.windows.tolist()
    else:
        assert result.truncated is not None
        found[TRUNCATED] = result.truncated.tolist()
    for name, values in found.items():
        for row, value in zip(rows, values, strict=True):
            columns[name][row] = value
    return columns, len(request.batch.input_ids)


def _answers(config: EncoderConfig, logits: np.ndarray) -> Answers:
    """The columns of [N, outputs] logits."""
    head = head_of(config)
    if config.embedding is not None:
        return {EMBEDDING: logits.tolist()}
    read = head.read(logits)
    scores, labels = [each.score for each in read], [each.label for each in read]
    found: Answers = {LOGITS: logits.tolist()}
    if head.gives_values:
        return {SCORE: scores, **found}
    if isinstance(head, MultiLabel):
        return {LABELS: labels, SCORES: scores, **found}
    return {LABEL: labels, SCORE: scores, **found}


def _tokenize(
    engine: Engine, texts: Sequence[Text | None], failures: dict[int, str], prompt: str | None
) -> tuple[list[int], Tokenized]:
    """(the rows whose texts the engine takes, those texts read)."""
    embedding = engine.config.embedding

    def read(some: Sequence[Text]) -> Tokenized:
        given = some if embedding is None else with_prompt(list(some), embedding, prompt, None)
        return engine.tokenizer.tokenize(given)

    good = {i: text for i, text in enumerate(texts) if text is not None and i not in failures}
    try:
        return list(good), read(list(good.values()))
    except InputError:  # of some text among them
        for i, text in list(good.items()):
            try:
                read([text])
            except InputError as error:
                failures[i] = str(error).replace("text 0", "the text", 1)
                del good[i]
    return list(good), read(list(good.values()))
