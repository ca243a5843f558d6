"""What is done around every request, whichever its address is."""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
import traceback

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ltp_deploy.explain.router import LEFT
from ltp_deploy.serve.errors import refusal
from ltp_deploy.serve.metrics import Metrics
from ltp_deploy.serve.page import FILES

LOG = logging.getLogger("ltp_deploy.serve")
MODEL = "ltp_model"  # where a request's scope has the name of the bundle that answers it
# What can be read without a token: probes send none, and pages must load before one can be typed
# into them.
PROBES = {"/health", "/health/live", "/health/ready", "/v2/health/live", "/v2/health/ready"}
DOCS = {"/docs", "/redoc", "/openapi.json"}
OPEN = PROBES | FILES | DOCS


class Observed:
    """Counts requests, and answers where nothing else did. Errors that nobody foresaw are logged
    without their messages, which may hold what was asked."""

    def __init__(self, app: ASGIApp, metrics: Metrics):
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begin, status = time.perf_counter(), 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self.metrics.in_flight.inc()
        try:
            await self.app(scope, receive, watched)
        except ClientDisconnect:
            status = status or LEFT
        except asyncio.CancelledError:  # the server waits no longer
            if not status:
                await refusal(503, "the server has ended")(scope, receive, watched)
        except Exception as error:
            where = "".join(traceback.format_tb(error.__traceback__))
            LOG.error("%s while answering:\n%s", type(error).__name__, where)
            if not status:
                await refusal(500, "the server failed", "backend")(scope, receive, watched)
        finally:
            self.metrics.in_flight.dec()
            self._count(scope, status, time.perf_counter() - begin)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        # Of addresses that there are, so that nobody makes new series by asking.
        route = getattr(scope.get("route"), "path", "other")
        model = scope.get(MODEL, "")
        self.metrics.requests.labels(route, model, status).inc()
        self.metrics.seconds.labels(route, model).observe(seconds)


class Token:
    """Refuses requests without the bearer token."""

    def __init__(self, app: ASGIApp, token: str):
        self.app = app
        self.expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not (scope["method"] == "GET" and scope["path"] in OPEN):
            found = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(found, self.expected):
                await refusal(401, "a bearer token is needed")(scope, receive, send)
                return
        await self.app(scope, receive, send)


class BodyLimit:
    """Refuses bodies of more than `limit` bytes before they are read whole, and compressed ones,
    whose size is another one."""

    def __init__(self, app: ASGIApp, limit: int):
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if headers.get("content-encoding", "identity") != "identity":
            await refusal(415, "bodies must not be compressed")(scope, receive, send)
            return
        if int(headers.get("content-length", 0)) > self.limit:
            await refusal(413, self._message)(scope, receive, send)
            return
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self.limit:
                raise HTTPException(413, self._message)
            return message

        await self.app(scope, counted, send)

    @property
    def _message(self) -> str:
        return f"the body has more than {self.limit} bytes: split the request"
