"""The dense model in OpenVINO behind FastAPI: padded, in buckets of similar length, batched by
tokens: what serve.py compares with.

Usage: python benchmarks/serve_dense.py CHECKPOINT BUNDLE PORT

BUNDLE gives the tokenizer and the precision.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI, Request

from ltp_deploy.backends.table import read_bundle
from ltp_deploy.benchmark.baselines.dense import dense_model
from ltp_deploy.benchmark.baselines.openvino import convert, open_dense
from ltp_deploy.benchmark.runner import Runnable, padded_feeds
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.data.batch import PackedBatch, join
from ltp_deploy.data.tokenizer import open_tokenizer
from ltp_deploy.model.config import EncoderConfig

BUCKETS = (32, 64, 128, 256, 512)  # tokens of the longest sequence
BATCH_TOKENS = 1024  # padding included; a longer sequence is a batch of its own


@dataclass
class Waiting:
    """A text, as token ids."""

    batch: PackedBatch
    since: float = field(default_factory=time.monotonic)
    future: Future[np.ndarray] = field(default_factory=Future)


class Buckets:
    """Requests that wait, and the thread that answers those of the bucket whose first one has
    waited longest."""

    def __init__(self, session: Runnable, config: EncoderConfig):
        self.session = session
        self.config = config
        self.waiting: dict[int, deque[Waiting]] = {bucket: deque() for bucket in BUCKETS}
        self.some = threading.Condition()
        threading.Thread(target=self.work, daemon=True).start()

    def submit(self, batch: PackedBatch) -> Future[np.ndarray]:
        """[1, outputs] in a future."""
        one = Waiting(batch)
        bucket = next(b for b in BUCKETS if len(batch.input_ids) <= b)
        with self.some:
            self.waiting[bucket].append(one)
            self.some.notify()
        return one.future

    def take(self) -> list[Waiting]:
        """What is computed next."""
        with self.some:
            self.some.wait_for(lambda: any(self.waiting.values()))
            bucket = min(
                (b for b in BUCKETS if self.waiting[b]), key=lambda b: self.waiting[b][0].since
            )
            queue = self.waiting[bucket]
            count = min(len(queue), max(1, BATCH_TOKENS // bucket))
            return [queue.popleft() for _ in range(count)]

    def work(self) -> None:
        while True:
            taken = self.take()
            feeds = padded_feeds(join([one.batch for one in taken]), self.config)
            logits = self.session.run(feeds)["logits"]
            for i, one in enumerate(taken):
                one.future.set_result(logits[i : i + 1])


app = FastAPI()


@app.get("/health/ready")
async def ready() -> dict[str, bool]:
    return {"ready": True}


@app.post("/predict")
async def predict(request: Request) -> dict[str, Any]:
    text = (await request.json())["inputs"]
    future = app.state.buckets.submit(app.state.tokenizer(text))
    return {"logits": (await asyncio.wrap_future(future)).tolist()}


def main() -> None:
    checkpoint, bundle, port = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    manifest, encoder = read_bundle(bundle), load_encoder(checkpoint)
    assert manifest.tokenizer is not None
    length = min(manifest.limits.max_length, BUCKETS[-1])
    app.state.tokenizer = open_tokenizer(bundle, manifest.tokenizer, manifest.model, length)
    session = open_dense(convert(dense_model(checkpoint, encoder)), manifest.activations)
    app.state.buckets = Buckets(session, encoder.config)
    uvicorn.run(app, port=port, log_level="warning")


if __name__ == "__main__":
    main()
