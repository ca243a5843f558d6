"""The application: routes, what is around them, and loading in the background."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI

from ltp_deploy import __version__
from ltp_deploy.serve import health, tei, v2
from ltp_deploy.serve.errors import handle_errors
from ltp_deploy.serve.middleware import BodyLimit, Observed, Token
from ltp_deploy.serve.page import page
from ltp_deploy.serve.service import Service
from ltp_deploy.serve.settings import Settings

# In the order in which they are asked whether an address is theirs, the busiest first.
ROUTERS = (tei.router, v2.router, health.router)


def create_app(settings: Settings) -> FastAPI:
    """An ASGI application that begins to load its bundles when it is started, and answers with 503
    until they are."""
    service = Service(settings)
    app = FastAPI(
        title="ltp-deploy",
        version=__version__,
        # Who has no token may read the documentation, and nothing of the bundles.
        description="" if settings.token else "Bundles: " + ", ".join(settings.bundles),
        lifespan=partial(_lifespan, service=service),
    )
    app.state.service = service
    for router in ROUTERS:
        app.include_router(router)
    app.include_router(page(service))
    handle_errors(app)
    # The last one is the first to see a request.
    app.add_middleware(BodyLimit, limit=settings.limits.body)
    if settings.token is not None:
        app.add_middleware(Token, token=settings.token)
        _document_token(app)
    app.add_middleware(Observed, metrics=service.metrics)
    return app


def _document_token(app: FastAPI) -> None:
    """Have /docs ask for the token, and send it."""
    document = app.openapi()
    document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"token": []}]


@asynccontextmanager
async def _lifespan(app: FastAPI, service: Service) -> AsyncIterator[None]:
    loading = asyncio.create_task(asyncio.to_thread(service.load))
    yield
    await loading
    await asyncio.to_thread(service.close)
