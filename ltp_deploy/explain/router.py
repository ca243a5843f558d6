"""The page and what it asks for, as routes that a FastAPI application includes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any

from ltp_deploy.errors import EngineClosed, LtpError, needs
from ltp_deploy.explain.html import INDEX, PARTS, read_part
from ltp_deploy.runtime.engine import Engine

with needs("the page that explains answers", "serve"):
    from fastapi import APIRouter, FastAPI, Request, Response
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import JSONResponse
    from fastapi.routing import APIRoute
    from pydantic import BaseModel, Field

    from ltp_deploy.explain.desk import Desk

MOST_CHARACTERS = 100_000  # of one text
MOST_PASSAGES = 64
MOST_WAITING = 8  # explanations for one bundle
RETRY_AFTER = 1  # seconds
LEFT = 499  # a client that has gone before it was answered; nginx counts so

_TYPES = {404: "validation", 422: "validation", 429: "overloaded", 503: "unhealthy"}

HEADERS = {
    # Everything comes from where the page does, and no other site may frame it.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class Question(BaseModel):
    """What to explain: a text, a pair, or a query with passages."""

    text: str = Field(max_length=MOST_CHARACTERS)
    pair: str | None = Field(None, max_length=MOST_CHARACTERS, description="the second text")
    passages: list[Annotated[str, Field(max_length=MOST_CHARACTERS)]] | None = Field(
        None, max_length=MOST_PASSAGES
    )
    bundle: str | None = Field(None, description="its name; the first one by default")


class _Route(APIRoute):
    """Says in its own words what is no `Question`. FastAPI would repeat the input in its answer,
    and fails where that is no Unicode."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handler(request)
            except RequestValidationError as error:
                first = error.errors()[0]
                place = ".".join(map(str, first["loc"]))
                return _refused(422, f"{place}: {first['msg']}")

        return handled


def router(
    engines: Mapping[str, Engine], most_texts: int = MOST_PASSAGES, most_tokens: int = 0
) -> APIRouter:
    """Routes for the page (`/` and the files beside it), `GET /bundles` and `POST /explain`.

    Explanations run in a thread, one at a time for each bundle. Refusals are
    `{"error": ..., "error_type": ...}`, as text-embeddings-inference says them: 404
    for an unknown bundle, 422 for what is no `Question` or the engine does not take, 429 where too
    many wait, 503 for a closed engine.

    Args:
        engines: by the name of their bundle. It is read at each request, so bundles may come later.
        most_texts, most_tokens: passages of a request, and tokens of all its texts, 0 for any
            number.
    """
    desks: dict[str, Desk] = {}

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        for desk in desks.values():
            await desk.close()

    routes = APIRouter(tags=["explain"], lifespan=lifespan, route_class=_Route)
    files = {
        "/": (INDEX, "text/html"),
        **{f"/{name}": (name, kind) for name, kind in PARTS.items()},
    }
    for path, (name, kind) in files.items():
        routes.add_api_route(path, _part(name, kind), methods=["GET"], include_in_schema=False)

    @routes.get("/bundles", summary="The bundles that can be explained")
    async def bundles() -> dict[str, list[dict[str, object]]]:
        found: list[dict[str, object]] = [
            {"name": name, "head": engine.config.head, "modes": modes_of(engine)}
            for name, engine in engines.items()
        ]
        return {"bundles": found}

    @routes.post("/explain", summary="A text's tokens with the layer that pruned each")
    async def explain(question: Question, request: Request) -> Response:
        name = next(iter(engines), "") if question.bundle is None else question.bundle
        if name not in engines:
            return _refused(404, f"no bundle {name!r:.80} is here, but: {', '.join(engines)}")
        if len(question.passages or ()) > most_texts:
            return _refused(422, f"at most {most_texts} passages are explained together")
        if (old := desks.get(name)) is None or old.engine is not engines[name]:
            desks[name] = Desk(engines[name], most_tokens)
            if old is not None:
                await old.close()
        return await _answered(desks[name], question, request)

    return routes


def modes_of(engine: Engine) -> list[str]:
    """What may be asked of an engine: "text", "pair", and "passages" of a query."""
    if engine.config.embedding is not None:
        return ["text"]
    return ["text", "pair", "passages"] if engine.config.num_labels == 1 else ["text", "pair"]


async def _answered(desk: Desk, question: Question, request: Request) -> Response:
    if question.pair is not None and question.passages is not None:
        return _refused(422, "give a second text or passages, not both")
    if desk.waiting >= MOST_WAITING:
        later = {"Retry-After": str(RETRY_AFTER)}
        return _refused(429, "too many texts wait to be explained; try again later", later)
    text = question.text if question.pair is None else (question.text, question.pair)
    try:
        found = await desk.explain(text, question.passages, gone=request.is_disconnected)
        return Response(status_code=LEFT) if found is None else JSONResponse(found)
    except EngineClosed as error:
        return _refused(503, str(error))
    except LtpError as error:
        return _refused(422, str(error))


def _part(name: str, kind: str) -> Callable[[], Awaitable[Response]]:
    """An endpoint that answers with a file of the page."""
    content = read_part(name)

    async def part() -> Response:
        return Response(content, media_type=kind, headers=HEADERS)

    return part


def _refused(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": message, "error_type": _TYPES[status]}, status, headers)
