"""The Open Inference Protocol, version 2, over HTTP, as KServe and Triton speak it."""

from __future__ import annotations

from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response
from starlette.types import Receive

from ltp_deploy import __version__
from ltp_deploy.heads.embedding import EmbeddingHead
from ltp_deploy.runtime.result import Result
from ltp_deploy.serve.errors import ErrorResponse, Malformed, Unknown
from ltp_deploy.serve.requests import (
    ERRORS,
    NAMED,
    documented,
    json_response,
    named_model,
    parsed,
)
from ltp_deploy.serve.service import Model
from ltp_deploy.serve.tensors import (
    HEADER_LENGTH,
    InferRequest,
    read_tensors,
    split_body,
    write_tensors,
)

VERSION = "1"  # a bundle has one
TEXT, IDS, OFFSETS, MASK, TYPES = "text input_ids offsets attention_mask token_type_ids".split()
MICROSECONDS = 1e6
LONGEST = 2**63  # microseconds

router = APIRouter(
    tags=["Open Inference Protocol V2"],
    responses={
        **ERRORS,
        400: {"model": ErrorResponse, "description": "The request is malformed"},
        404: {"model": ErrorResponse, "description": "There is no such bundle or version"},
    },
)


class Tensor(BaseModel):
    """An input or output: -1 in its shape is any number."""

    name: str
    datatype: str
    shape: list[int]


class ServerMetadata(BaseModel):
    """The server."""

    name: str
    version: str
    extensions: list[str]


class ModelMetadata(BaseModel):
    """A bundle. Its inputs are given as texts, or as token ids."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[Tensor]
    outputs: list[Tensor]


@router.post("/v2/models/{name}/infer", openapi_extra={**NAMED, **documented(InferRequest)})
@router.post("/v2/models/{name}/versions/{version}/infer", include_in_schema=False)
async def infer(request: Request) -> Response:
    """Answer texts or token ids.

    Texts are the input `text` of datatype BYTES: `[N]` or `[N, 1]`, or `[N, 2]` for pairs. Token
    ids are `input_ids` and `offsets`, all sequences one after another without padding, `[T]` and
    `[N + 1]`; or `input_ids` with `attention_mask`, `[N, n]` each. `token_type_ids` go with ids and
    have their shape.

    Outputs are `logits` and `scores`, probabilities or values, or of an embedding model
    `embedding`; `[N, outputs]` each, FP32. The parameter `truncated` of the response counts texts
    that were cut, where some were. The parameter `timeout` of a request is the time in microseconds
    within which the engine must have begun with it.
    """
    model = _model(request)
    header = request.headers.get(HEADER_LENGTH)
    text, after = split_body(await request.body(), header)
    asked = parsed(InferRequest, text)
    wanted, binary = _wanted(model, asked)
    inputs = read_tensors(asked, after)
    result = await _answer(model, inputs, request.receive, _deadline(asked))
    head: dict[str, Any] = {"model_name": model.name, "model_version": VERSION}
    if asked.id is not None:
        head["id"] = asked.id
    if result.truncated is not None and result.truncated.any():
        head["parameters"] = {"truncated": int(result.truncated.sum())}
    body, length = write_tensors(head, _arrays(model, result, wanted), binary)
    if length is None:
        return Response(body, media_type="application/json")
    return Response(
        body, headers={HEADER_LENGTH: str(length)}, media_type="application/octet-stream"
    )


@router.get("/v2", response_model=ServerMetadata)
@router.get("/v2/", include_in_schema=False)
async def server() -> Response:
    """What the server is."""
    return json_response(
        ServerMetadata(name="ltp-deploy", version=__version__, extensions=["binary_tensor_data"])
    )


@router.get("/v2/models/{name}", response_model=ModelMetadata, openapi_extra=NAMED)
@router.get("/v2/models/{name}/versions/{version}", include_in_schema=False)
async def metadata(request: Request) -> Response:
    """A bundle's inputs and outputs."""
    model = _model(request)
    engine = model.engine
    ids = [Tensor(name=name, datatype="INT64", shape=[-1]) for name in (IDS, OFFSETS, TYPES)]
    texts = [Tensor(name=TEXT, datatype="BYTES", shape=[-1])]
    width = engine.config.num_labels
    found = ModelMetadata(
        name=model.name,
        versions=[VERSION],
        platform=f"ltp-deploy_{engine.manifest.backend}",
        inputs=[*(texts if engine.manifest.tokenizer else []), *ids],
        outputs=[Tensor(name=n, datatype="FP32", shape=[-1, width]) for n in _outputs(model)],
    )
    return json_response(found)


@router.get("/v2/models/{name}/ready", openapi_extra=NAMED)
@router.get("/v2/models/{name}/versions/{version}/ready", include_in_schema=False)
async def model_ready(request: Request) -> Response:
    """The bundle takes requests; otherwise 503."""
    return json_response({"name": _model(request).name, "ready": True})


def _model(request: Request) -> Model:
    """The bundle that the address names.

    Raises:
        Unknown: there is none of that name, or of that version.
    """
    version = request.path_params.get("version", VERSION)
    if version != VERSION:
        raise Unknown(f"bundles have the version {VERSION}, and {version!r:.40} is asked for")
    return named_model(request)


def _outputs(model: Model) -> tuple[str, ...]:
    return ("embedding",) if isinstance(model.head, EmbeddingHead) else ("logits", "scores")


def _wanted(model: Model, asked: InferRequest) -> tuple[list[str], set[str]]:
    """(outputs that are wanted, those of them that are wanted as bytes).

    Raises:
        Malformed: there is no such output.
    """
    known = _outputs(model)
    all_binary = bool(asked.parameters.get("binary_data_output", False))
    if not asked.outputs:
        return list(known), set(known) if all_binary else set()
    for output in asked.outputs:
        if output.name not in known:
            raise Malformed(
                f"{model.name} has no output {output.name!r:.40}; it has {', '.join(known)}"
            )
        if "classification" in output.parameters:
            raise Malformed("outputs are given whole, not as their largest classes")
    names = [output.name for output in asked.outputs]
    binary = {o.name for o in asked.outputs if o.parameters.get("binary_data", all_binary)}
    return names, binary


def _deadline(asked: InferRequest) -> float | None:
    """Seconds.

    Raises:
        Malformed: it is no number.
    """
    timeout = asked.parameters.get("timeout")
    if timeout is None or timeout == 0:  # Triton's word for no limit
        return None
    if isinstance(timeout, str | bool) or not 0 < timeout < LONGEST:
        raise Malformed(f"timeout must be a number of microseconds, found {timeout!r:.40}")
    return timeout / MICROSECONDS


async def _answer(
    model: Model, inputs: dict[str, np.ndarray], client: Receive, deadline: float | None
) -> Result:
    """What the bundle says to inputs.

    Raises:
        Malformed: they are none that it knows together.
    """
    names = set(inputs)
    if names == {TEXT}:
        return await model.dispatcher.texts(_texts(inputs[TEXT]), client, deadline=deadline)
    ways = ({IDS, OFFSETS}, {IDS, MASK})
    if names - {TYPES} not in ways:
        raise Malformed(
            f"inputs are {TEXT}, or {IDS} with {OFFSETS} or {MASK}, and {TYPES} if need be; found "
            f"{', '.join(sorted(names)) or 'none'}"
        )
    given = {("ids" if OFFSETS in names and n == IDS else n): a for n, a in inputs.items()}
    return await model.dispatcher.ids(given, client, deadline)


def _texts(array: np.ndarray) -> list[Any]:
    """Texts from [N] or [N, 1] strings, pairs from [N, 2].

    Raises:
        Malformed: another shape, or another datatype.
    """
    if array.dtype != object:
        raise Malformed(f"{TEXT} is of datatype BYTES")
    if array.ndim == 2 and array.shape[1] == 2:
        return [(first, second) for first, second in array.tolist()]
    if array.ndim != 1 and array.shape[1:] != (1,):
        raise Malformed(
            f"{TEXT} has the shape [N] or [N, 1], or [N, 2] for pairs, found {list(array.shape)}"
        )
    texts: list[Any] = array.ravel().tolist()
    return texts


def _arrays(model: Model, result: Result, wanted: list[str]) -> dict[str, np.ndarray]:
    """The outputs by name, [N, outputs] float32."""
    scores = model.head.activation(result.logits) if "scores" in wanted else result.logits
    return {
        name: np.asarray(scores if name == "scores" else result.logits, np.float32)
        for name in wanted
    }
