"""What is refused, as HTTP says it: a status, and JSON with `error` and `error_type`.

The types and their statuses are those of text-embeddings-inference; clients of the Open Inference
Protocol read `error` alone.
"""

from __future__ import annotations

from fastapi import FastAPI, Request
from pydantic import BaseModel
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.responses import Response

from ltp_deploy.errors import (
    DeadlineExceeded,
    EngineClosed,
    InputError,
    LtpError,
    Overloaded,
)

RETRY_AFTER = "1"  # seconds: queues that are full empty within less
RETRIED = (429, 503)


class Malformed(InputError):
    """A body that is not what the protocol says."""


class Empty(InputError):
    """A list without anything in it."""


class Invalid(InputError):
    """A body whose JSON has other entries than it must have."""


class TooLarge(InputError):
    """A request beyond the server's limits."""


class Unknown(LtpError):
    """A name that nothing here has."""


class NotReady(LtpError):
    """The server is loading its bundles, or about to end."""


class Failed(LtpError):
    """The bundle cannot answer such a request, or failed to."""


class ErrorResponse(BaseModel):
    """Why a request was refused."""

    error: str
    error_type: str


# The first kind that an error is of decides.
_STATUSES: tuple[tuple[type[LtpError], int, str], ...] = (
    (Malformed, 400, "validation"),
    (Empty, 400, "empty"),
    (Invalid, 422, "validation"),
    (TooLarge, 413, "validation"),
    (Unknown, 404, "validation"),
    (NotReady, 503, "unhealthy"),
    (EngineClosed, 503, "unhealthy"),
    (Overloaded, 429, "overloaded"),
    (DeadlineExceeded, 504, "overloaded"),
    (InputError, 422, "tokenizer"),
    (LtpError, 424, "backend"),
)
_TYPES = {status: kind for _, status, kind in reversed(_STATUSES)}


def refusal(status: int, message: str, kind: str | None = None) -> Response:
    """The response that says why."""
    body = {"error": message, "error_type": kind or _TYPES.get(status, "validation")}
    headers = {"Retry-After": RETRY_AFTER} if status in RETRIED else {}
    if status == 401:
        headers = {"WWW-Authenticate": "Bearer"}
    return Response(to_json(body), status, headers, "application/json")


def handle_errors(app: FastAPI) -> None:
    """Have the application answer so wherever it refuses."""
    app.add_exception_handler(LtpError, _of_ours)
    app.add_exception_handler(HTTPException, _of_starlette)


async def _of_ours(request: Request, error: Exception) -> Response:
    status, kind = next((s, k) for cls, s, k in _STATUSES if isinstance(error, cls))
    return refusal(status, str(error), kind)


async def _of_starlette(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return refusal(error.status_code, str(error.detail))
