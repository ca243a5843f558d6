"""A bundle in Ray Serve.

Usage: serve run --app-dir examples/ray_serve classifier:app bundle=/path/to/bundle threads=1

A request is `{"texts": ["a gripping and witty film"]}`. `engine.submit` answers requests that wait
together in one batch by itself, so no `@serve.batch` is needed. Every node needs ltp-deploy and the
bundle under the same path.
"""

from __future__ import annotations

import asyncio
from typing import Any

from ray import serve
from starlette.requests import Request
from starlette.responses import JSONResponse

import ltp_deploy


# Less than a whole CPU: replicas that hold all of them would leave none to the proxy.
@serve.deployment(ray_actor_options={"num_cpus": 0.9}, max_ongoing_requests=256)
class Classifier:
    """One copy of the bundle."""

    def __init__(self, bundle: str, threads: int) -> None:
        self.engine = ltp_deploy.load(bundle, threads=threads)

    async def __call__(self, request: Request) -> Any:
        try:
            texts = (await request.json())["texts"]
            result = await asyncio.wrap_future(self.engine.submit(texts))
        except (ValueError, LookupError, TypeError) as error:  # an InputError is a ValueError
            return JSONResponse({"error": str(error)}, 400)
        except ltp_deploy.Overloaded as error:
            return JSONResponse({"error": str(error)}, 429)
        return {"labels": result.labels, "logits": result.logits.tolist()}


def app(arguments: dict[str, str]) -> serve.Application:
    """The application, by what stands behind its name on the command line."""
    return Classifier.bind(arguments["bundle"], int(arguments.get("threads", "1")))
