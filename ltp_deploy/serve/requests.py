"""What the routes of both protocols share."""

from __future__ import annotations

from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json
from starlette.responses import Response

from ltp_deploy.serve.errors import ErrorResponse, Invalid, Malformed
from ltp_deploy.serve.middleware import MODEL
from ltp_deploy.serve.service import Model, Service

Body = TypeVar("Body", bound=BaseModel)

# The parameter of addresses with a bundle's name.
NAMED = {
    "parameters": [{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}]
}
ERRORS: dict[int | str, dict[str, Any]] = {
    413: {"model": ErrorResponse, "description": "More than the server's limits"},
    422: {"model": ErrorResponse, "description": "The texts or token ids cannot be read"},
    424: {"model": ErrorResponse, "description": "The bundle gives other answers, or failed"},
    429: {"model": ErrorResponse, "description": "Too many requests are waiting"},
    503: {"model": ErrorResponse, "description": "The server is loading or about to end"},
}


def service_of(request: Request) -> Service:
    """The service that a request asks."""
    found: Service = request.app.state.service
    return found


def named_model(request: Request) -> Model:
    """The bundle that the address names; see `Service.model` for errors."""
    return counted(request, service_of(request).model(request.path_params["name"]))


def counted(request: Request, model: Model) -> Model:
    """The bundle, which the request is counted for."""
    request.scope[MODEL] = model.name
    return model


def documented(body: type[BaseModel]) -> dict[str, Any]:
    """The body of a route that reads it itself, for the API's documentation."""
    schema = body.model_json_schema()
    schema = _inlined(schema, schema.pop("$defs", {}))
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    """A schema with its definitions where they are referred to."""
    if isinstance(schema, list):
        return [_inlined(one, definitions) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    return {key: _inlined(value, definitions) for key, value in schema.items()}


def parsed(kind: type[Body], body: bytes) -> Body:
    """A body, which must be JSON of this kind.

    Raises:
        Malformed: it is no JSON.
        Invalid: with the first fault and its place, without what was found there.
    """
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        refused = Malformed if first["type"] == "json_invalid" else Invalid
        raise refused(f"{place}: {first['msg']}" if place else first["msg"]) from None


def json_response(value: Any) -> Response:
    """The value as JSON."""
    return Response(to_json(value), media_type="application/json")
