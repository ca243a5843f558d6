"""Requests to tritonserver by tritonclient, of a Python that has it.

From standard input: {"http": port, "grpc": port, "model": name, "texts": [...], "pairs": [...],
"ids": [[...], ...]}. Prints the answers, or the errors, as JSON, and the server's counts.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any

import numpy as np
import tritonclient.grpc as over_grpc
import tritonclient.http as over_http
from tritonclient.utils import InferenceServerException

CONCURRENCY = 8


class Http:
    """Requests at the same time, by the client's own pool."""

    library = over_http

    def __init__(self, port: int):
        self.client = over_http.InferenceServerClient(f"127.0.0.1:{port}", concurrency=CONCURRENCY)

    def begin(self, model: str, inputs: list[Any]) -> Any:
        return self.client.async_infer(model, inputs).get_result


class Grpc:
    """The same; answers come in a callback."""

    library = over_grpc

    def __init__(self, port: int):
        self.client = over_grpc.InferenceServerClient(f"127.0.0.1:{port}")

    def begin(self, model: str, inputs: list[Any]) -> Any:
        future: Future[Any] = Future()

        def done(result: Any, error: Any) -> None:
            future.set_result(result) if error is None else future.set_exception(error)

        self.client.async_infer(model, inputs, done)
        return future.result


def answers(way: Any, model: str, requests: Iterable[list[Any]]) -> list[Any]:
    """Logits or an error's message, of requests that are sent at the same time."""
    found = []
    for result in [way.begin(model, inputs) for inputs in requests]:
        try:
            found.append(result().as_numpy("logits").tolist())
        except InferenceServerException as error:
            found.append(str(error))
    return found


def main() -> None:
    request = json.load(sys.stdin)
    model, found = request["model"], {}
    for name, way in (("http", Http(request["http"])), ("grpc", Grpc(request["grpc"]))):

        def feed(name: str, values: np.ndarray, kind: str, way: Any = way) -> Any:
            tensor = way.library.InferInput(name, values.shape, kind)
            tensor.set_data_from_numpy(values)
            return tensor

        def strings(rows: list[list[str]], feed: Any = feed) -> list[Any]:
            encoded = [[text.encode() for text in row] for row in rows]
            return [feed("text", np.array(encoded, np.object_), "BYTES")]

        def ids(row: list[int], feed: Any = feed) -> list[Any]:
            return [feed("input_ids", np.array([row], np.int64), "INT64")]

        latin = [feed("text", np.array([[b"\xff"]], np.object_), "BYTES")]
        batches = {
            "together": [strings([[text] for text in request["texts"]])],
            "texts": [strings([[text]]) for text in request["texts"]],
            "pairs": [strings([pair]) for pair in request["pairs"]],
            "ids": [ids(row) for row in request["ids"]],
            "wrong": [strings([["a", "b", "c"]]), [*strings([["a"]]), *ids([1])], latin],
        }
        found[name] = {kind: answers(way, model, sent) for kind, sent in batches.items()}
    (counts,) = Http(request["http"]).client.get_inference_statistics(model)["model_stats"]
    found["requests"] = int(counts["inference_stats"]["success"]["count"])
    found["executions"] = int(counts["execution_count"])
    print(json.dumps(found))


if __name__ == "__main__":
    main()
