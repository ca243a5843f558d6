"""Whether the server lives, whether it takes requests, and what it counts."""

from __future__ import annotations

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from ltp_deploy.serve.requests import json_response, service_of

router = APIRouter(tags=["Health"])


@router.get("/health/live")
@router.get("/v2/health/live")
async def live() -> Response:
    """The process answers; a supervisor restarts it where it does not."""
    return json_response({"live": True})


@router.get("/health/ready")
@router.get("/v2/health/ready")
@router.get("/health", include_in_schema=False)
async def ready(request: Request) -> Response:
    """All bundles are loaded, and the server is not about to end; otherwise 503."""
    service_of(request).check_ready()
    return json_response({"ready": True})


@router.get("/metrics")
def metrics(request: Request) -> Response:
    """The counts of all workers, as Prometheus reads them."""
    service = service_of(request)
    engines = {name: model.engine for name, model in service.models.items()}
    return Response(service.metrics.page(engines), media_type=CONTENT_TYPE_LATEST)
