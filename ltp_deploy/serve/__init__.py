"""Bundles behind HTTP: requests of many clients, answered together by tokens."""

from ltp_deploy.errors import needs

with needs("serving bundles takes FastAPI, uvicorn and prometheus-client", "serve"):
    import fastapi  # noqa: F401
    import prometheus_client  # noqa: F401
    import uvicorn  # noqa: F401
