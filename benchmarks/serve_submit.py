"""FastAPI over `engine.submit` and nothing else: what serve.py compares with.

It runs with any version of this package that has `submit`: PYTHONPATH says which.
Usage: python benchmarks/serve_submit.py BUNDLE PORT
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import uvicorn
from fastapi import FastAPI, Request

from ltp_deploy.runtime.engine import load

app = FastAPI()
engine = load(sys.argv[1])


@app.get("/health/ready")
async def ready() -> dict[str, bool]:
    return {"ready": True}


@app.post("/predict")
async def predict(request: Request) -> dict[str, Any]:
    text = (await request.json())["inputs"]
    result = await asyncio.wrap_future(engine.submit(text))
    return {"logits": result.logits.tolist()}


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[2]), log_level="warning")
