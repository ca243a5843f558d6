"""The addresses of text-embeddings-inference: /predict, /rerank, /embed, / and /info.

They name no model. Each is answered by the first bundle that gives such answers; the same below
/models/NAME by that bundle.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from ltp_deploy import __version__
from ltp_deploy.data.labels import generic_names, id2label
from ltp_deploy.data.texts import Text
from ltp_deploy.errors import InputError
from ltp_deploy.heads import Head
from ltp_deploy.heads.embedding import EmbeddingHead, unit_length
from ltp_deploy.heads.head import sigmoid
from ltp_deploy.heads.ranking import Ranking
from ltp_deploy.heads.value import Value
from ltp_deploy.runtime.encoding import with_prompt
from ltp_deploy.runtime.ranking import in_order, pairs
from ltp_deploy.serve.errors import Empty, ErrorResponse, Failed, Invalid
from ltp_deploy.serve.requests import (
    ERRORS,
    counted,
    documented,
    json_response,
    named_model,
    parsed,
    service_of,
)
from ltp_deploy.serve.service import Model

router = APIRouter(
    tags=["text-embeddings-inference"],
    responses={**ERRORS, 400: {"model": ErrorResponse, "description": "The body is malformed"}},
)

TokenId = Annotated[int, Field(strict=True, ge=0, lt=2**31)]


class Cut(BaseModel):
    """What becomes of texts that are too long.

    Attributes:
        truncate: false: they are refused. Otherwise they are read as the server was told to.
        truncation_direction: where they are cut; the bundle's tokenizer decides, so that only
            "right", the default, says nothing new.
    """

    truncate: bool | None = None
    truncation_direction: str = "right"

    @property
    def whole(self) -> bool:
        """Whether no text may be cut.

        Raises:
            InputError: another direction.
        """
        if self.truncation_direction.lower() != "right":
            raise InputError("truncation_direction: texts are cut where the bundle cuts them")
        return self.truncate is False


class PredictRequest(Cut):
    """Texts or pairs of texts: one text, one pair of two strings, or a list of such lists."""

    inputs: str | list[str] | list[list[str]]
    raw_scores: bool = False


class Prediction(BaseModel):
    """A class, or the value of a model without classes."""

    score: float
    label: str


class RerankRequest(Cut):
    """A query and the texts that may answer it."""

    query: str
    texts: list[str]
    raw_scores: bool = False
    return_text: bool = False


class Rank(BaseModel):
    """A text's place in the request, and how well it fits."""

    index: int
    score: float
    text: str | None = None


class EmbedRequest(Cut):
    """One text or several, or one sequence of token ids or several."""

    inputs: str | list[str] | list[TokenId] | list[list[TokenId]]
    normalize: bool = True
    prompt_name: str | None = None
    dimensions: int | None = None


class Info(BaseModel):
    """A bundle and the server's limits."""

    model_id: str
    model_sha: str | None
    model_dtype: str
    model_type: dict[str, Any]
    max_concurrent_requests: int
    max_input_length: int
    max_batch_tokens: int
    max_batch_requests: int | None
    max_client_batch_size: int
    auto_truncate: bool
    tokenization_workers: int = Field(description="Threads that read long texts")
    version: str
    sha: str | None = None
    docker_label: str | None = None


@router.post(
    "/predict",
    response_model=list[Prediction] | list[list[Prediction]],
    openapi_extra=documented(PredictRequest),
)
@router.post("/models/{name}/predict", include_in_schema=False)
async def predict(request: Request) -> Response:
    """Every class with its probability, the most probable first; or the value.

    Probabilities of classes are the softmax of the logits, of labels that a text may have together
    their sigmoid; a ranking score is the sigmoid of its logit, a regression's value as it is.
    `raw_scores` gives logits.
    """
    model = _model(request, lambda head: not isinstance(head, EmbeddingHead), "labels or values")
    asked = parsed(PredictRequest, await request.body())
    texts, single = _predicted(asked.inputs)
    result = await model.dispatcher.texts(texts, request.receive, asked.whole)
    rows = [
        _predictions(model.head, row) for row in _scores(model, result.logits, asked.raw_scores)
    ]
    return json_response(rows[0] if single else rows)


@router.post("/rerank", response_model=list[Rank], openapi_extra=documented(RerankRequest))
@router.post("/models/{name}/rerank", include_in_schema=False)
async def rerank(request: Request) -> Response:
    """The texts in the order in which they fit the query, the best first.

    Scores are those of /predict, or with `raw_scores` logits.
    """
    model = _model(request, lambda head: isinstance(head, Value), "a score")
    asked = parsed(RerankRequest, await request.body())
    _check_some(asked.texts, "texts")
    texts = pairs(asked.query, asked.texts)
    result = await model.dispatcher.texts(texts, request.receive, asked.whole)
    scores = _scores(model, result.logits, asked.raw_scores)
    ranks: list[dict[str, Any]] = []
    for index, score in in_order(result.logits[:, 0], scores[:, 0], None):
        text = {"text": asked.texts[index]} if asked.return_text else {}
        ranks.append({"index": index, **text, "score": score})
    return json_response(ranks)


@router.post("/embed", response_model=list[list[float]], openapi_extra=documented(EmbedRequest))
@router.post("/models/{name}/embed", include_in_schema=False)
async def embed(request: Request) -> Response:
    """A vector for each text, of unit length unless `normalize` is false.

    Token ids are read as they are: no special tokens or prompt are added, and none is cut.
    """
    model = _model(request, lambda head: isinstance(head, EmbeddingHead), "embeddings")
    embedding = model.engine.config.embedding
    assert embedding is not None
    asked = parsed(EmbedRequest, await request.body())
    if asked.dimensions not in (None, model.engine.config.num_labels):
        raise InputError(f"dimensions: vectors have {model.engine.config.num_labels}, whole")
    if embedding.normalize and not asked.normalize:
        raise InputError(f"normalize: the vectors of {model.name} are of unit length as they come")
    inputs: Any = asked.inputs
    if isinstance(inputs, str) or (inputs and isinstance(inputs[0], int)):
        inputs = [inputs]
    _check_some(inputs, "inputs")
    if isinstance(inputs[0], str):
        texts = with_prompt(inputs, embedding, asked.prompt_name, None)
        result = await model.dispatcher.texts(texts, request.receive, asked.whole)
    elif asked.prompt_name is not None:
        raise InputError("prompt_name: token ids have no prompt but what is among them")
    else:
        result = await model.dispatcher.ids(_packed(inputs), request.receive)
    vectors = result.logits
    return json_response((unit_length(vectors) if asked.normalize else vectors).tolist())


@router.post("/", include_in_schema=False)
@router.post("/models/{name}", include_in_schema=False)
async def usual(request: Request) -> Response:
    """What the first bundle answers, or the one named, whichever of the above that is."""
    head = _model(request, lambda head: True, "anything").head
    if isinstance(head, EmbeddingHead):
        return await embed(request)
    return await (rerank if isinstance(head, Value) else predict)(request)


@router.get("/info", response_model=Info)
@router.get("/models/{name}/info", include_in_schema=False)
async def info(request: Request) -> Response:
    """The first bundle, or the one named, and the server's limits."""
    model = _model(request, lambda head: True, "anything")
    engine, service = model.engine, service_of(request)
    settings = service.settings
    found = Info(
        model_id=model.name,
        model_sha=engine.manifest.source.sha256,
        model_dtype=engine.manifest.precision,
        model_type=_kind(model),
        max_concurrent_requests=settings.limits.waiting,
        max_input_length=engine.limits.max_length,
        max_batch_tokens=settings.loading.batch_tokens,
        max_batch_requests=engine.limits.max_batch or None,
        max_client_batch_size=settings.limits.texts,
        auto_truncate=settings.loading.long_texts == "truncate",
        tokenization_workers=service.readers,
        version=__version__,
    )
    return json_response(found)


def _model(request: Request, fits: Any, wanted: str) -> Model:
    """The bundle that the address names, or the first that fits.

    Raises:
        Failed: its answers are others.
    """
    if "name" not in request.path_params:
        return counted(request, service_of(request).first(fits, wanted))
    model = named_model(request)
    if not fits(model.head):
        raise Failed(f"{model.name} gives {model.head.noun}, and {wanted} are asked for")
    return model


def _predicted(inputs: str | list[str] | list[list[str]]) -> tuple[list[Text], bool]:
    """(texts, whether it is one outside a list)."""
    if isinstance(inputs, str):
        return [inputs], True
    _check_some(inputs, "inputs")
    if isinstance(inputs[0], str):
        return [_text(inputs)], True
    return [_text(one) for one in inputs], False


def _text(strings: Sequence[Any]) -> Text:
    """A text from one string in a list, or a pair from two."""
    if len(strings) == 1:
        return str(strings[0])
    if len(strings) == 2:
        return strings[0], strings[1]
    raise Invalid(f"inputs: a list is one text or a pair of two, found {len(strings)} strings")


def _packed(sequences: list[list[int]]) -> dict[str, np.ndarray]:
    """Token ids as an engine takes them."""
    ids = [number for sequence in sequences for number in sequence]
    return {"ids": np.array(ids, np.int64), "offsets": np.cumsum([0, *map(len, sequences)])}


def _check_some(given: Sequence[Any], name: str) -> None:
    if not given:
        raise Empty(f"`{name}` cannot be empty")


def _scores(model: Model, logits: np.ndarray, raw: bool) -> np.ndarray:
    """[N, outputs] on the scale that is asked for."""
    if raw:
        return logits
    head = model.head
    return sigmoid(logits) if isinstance(head, Ranking) else head.activation(logits)


def _predictions(head: Head, scores: np.ndarray) -> list[dict[str, Any]]:
    found = [
        {"score": score, "label": label}
        for score, label in zip(scores.tolist(), _labels(head), strict=True)
    ]
    return sorted(found, key=itemgetter("score"), reverse=True)


def _labels(head: Head) -> tuple[str, ...]:
    """The classes' names, or where the model knows none those that transformers gives them."""
    return head.config.labels or generic_names(head.config.num_labels)


def _kind(model: Model) -> dict[str, Any]:
    """What the model is, as text-embeddings-inference says it."""
    head, embedding = model.head, model.engine.config.embedding
    if embedding is not None:
        return {"embedding": {"pooling": embedding.pooling}}
    return {"reranker" if isinstance(head, Value) else "classifier": id2label(_labels(head))}
