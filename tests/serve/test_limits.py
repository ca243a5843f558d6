"""What is too much is refused at once, and nobody's request fails for another's."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from ltp_deploy import load
from ltp_deploy.serve.service import Model
from ltp_deploy.serve.settings import Limits, Loading
from tests.serve.serving import SECONDS, held, service_of, serving, until
from tests.tiny import random_texts


def predict(client: TestClient, *texts: str, **more: object) -> Any:
    return client.post("/predict", json={"inputs": [[text] for text in texts], **more})


def test_more_bytes_texts_or_tokens_than_allowed_are_refused(classifier: Path) -> None:
    limits = Limits(body=500, texts=3, tokens=30)
    with serving({"films": classifier}, limits=limits) as client:
        assert client.post("/predict", json={"inputs": "dull"}).status_code == 200
        for body, message in (
            ({"inputs": "x" * 500}, "more than 500 bytes"),
            ({"inputs": [["dull"]] * 4}, "batch size 4 > maximum allowed batch size 3"),
            ({"inputs": [["the film is not very good . " * 2]] * 2}, "tokens, and 30 are allowed"),
        ):
            found = client.post("/predict", json=body)
            assert (found.status_code, found.json()["error_type"]) == (413, "validation")
            assert message in found.json()["error"]

        def chunks() -> object:
            yield b'{"inputs": "'
            yield from [b"x" * 100] * 6

        found = client.post("/predict", content=chunks())
        assert found.status_code == 413, "a body whose length nobody has announced"
        found = client.post("/predict", content=b"", headers={"Content-Encoding": "gzip"})
        assert found.status_code == 415


def test_token_ids_are_counted_before_they_are_read(classifier: Path) -> None:
    with serving({"films": classifier}, limits=Limits(texts=3, tokens=30)) as client:
        for inputs, message in (
            ({"ids": [5] * 31, "offsets": [0, 31]}, "31 tokens, and 30 are allowed"),
            ({"ids": [5] * 4, "offsets": [0, 1, 2, 3, 4]}, "batch size 4 > maximum"),
            ({"ids": [[5]] * 4, "mask": [[1]] * 4}, "batch size 4 > maximum"),
            ({"ids": [[5] * 16] * 2, "mask": [[1] * 16] * 2}, "32 tokens, and 30 are allowed"),
        ):
            names = {"ids": "input_ids", "mask": "attention_mask"}
            tensors = [
                {
                    "name": names.get(name, name),
                    "datatype": "INT32",
                    "shape": list(np.shape(data)),
                    "data": data,
                }
                for name, data in inputs.items()
            ]
            found = client.post("/v2/models/films/infer", json={"inputs": tensors})
            assert found.status_code == 413, found.text
            assert message in found.json()["error"]


def test_a_full_queue_says_when_to_come_again(classifier: Path) -> None:
    with serving({"films": classifier}, limits=Limits(waiting=2)) as client:
        model = service_of(client).models["films"]
        with held(model) as session, ThreadPoolExecutor(2) as pool:
            waiting = [pool.submit(predict, client, "dull") for _ in range(2)]
            until(lambda: model.dispatcher.taken == 2)
            found = client.post("/predict", json={"inputs": "good"})
            assert (found.status_code, found.json()["error_type"]) == (429, "overloaded")
            assert int(found.headers["Retry-After"]) > 0
            session.open.set()
            assert [f.result(SECONDS).status_code for f in waiting] == [200, 200]
        assert client.post("/predict", json={"inputs": "good"}).status_code == 200


def test_a_bad_text_fails_its_own_request_alone(classifier: Path) -> None:
    bad = json.dumps({"inputs": [["dull"], ["x"]]}).replace("x", "\\ud800").encode()
    with serving({"films": classifier}) as client:
        model = service_of(client).models["films"]
        alone = predict(client, "a film").json()
        with held(model) as session, ThreadPoolExecutor(6) as pool:
            first = pool.submit(predict, client, "dull")
            until(lambda: len(session.sequences) == 1)
            good = [pool.submit(predict, client, "a film") for _ in range(3)]
            until(lambda: model.dispatcher.taken == 4)
            refused = client.post("/predict", content=bad)
            long = predict(client, "the " * 60, truncate=False)
            session.open.set()
            assert first.result(SECONDS).status_code == 200
            for future in good:
                assert future.result(SECONDS).json() == alone
            assert session.sequences == [1, 3], "the others were computed together"
        assert refused.status_code in (400, 422)
        assert long.status_code == 413


def test_an_engine_that_fails_on_one_request_answers_the_others(classifier: Path) -> None:
    """As when memory is short for one of them."""
    with serving({"films": classifier}) as client:
        model = service_of(client).models["films"]
        inner = model.engine.session
        poison = model.engine.tokenize("great").input_ids[1]

        class Failing:
            concurrency = inner.concurrency

            def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
                if poison in feeds["input_ids"]:
                    raise RuntimeError("great secret")
                return inner.run(feeds)

        with held(model) as session, ThreadPoolExecutor(6) as pool:
            session.inner = Failing()
            futures = [pool.submit(predict, client, t) for t in ("dull", "great", "good", "bad")]
            until(lambda: model.dispatcher.taken == 4)
            session.open.set()
            found = [future.result(SECONDS) for future in futures]
            session.inner = inner
        assert [response.status_code for response in found] == [200, 424, 200, 200]
        expected = {"error": "the engine failed: RuntimeError", "error_type": "backend"}
        assert found[1].json() == expected


class Stepped:
    """A session that runs as many batches as it is told to."""

    def __init__(self, model: Model):
        self.inner = model.engine.session
        self.concurrency = self.inner.concurrency
        self.steps = threading.Semaphore(0)
        self.entered = 0

    def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.entered += 1
        assert self.steps.acquire(timeout=SECONDS)
        return self.inner.run(feeds)


def test_a_large_request_lets_others_come_in_between(classifier: Path) -> None:
    texts = random_texts(40, 3)
    with load(classifier) as engine:
        expected = engine(texts).logits
    with serving({"films": classifier}, loading=Loading(batch_tokens=32)) as client:
        model = service_of(client).models["films"]
        session = model.engine._session = Stepped(model)
        with ThreadPoolExecutor(2) as pool:
            large = pool.submit(predict, client, *texts, raw_scores=True)
            until(lambda: session.entered == 1 and model.engine.waiting == 1)
            small = pool.submit(predict, client, "dull", raw_scores=True)
            until(lambda: model.engine.waiting == 2)
            # The piece that runs, the one that follows it, and the small request at the latest.
            session.steps.release(3)
            assert small.result(SECONDS).status_code == 200
            assert not large.done()
            session.steps.release(100)
            rows = large.result(SECONDS).json()
        assert session.entered > 10
        found = [{entry["label"]: entry["score"] for entry in row} for row in rows]
        assert [[row["bad"], row["good"]] for row in found] == expected.tolist()


def test_long_texts_are_read_in_threads_of_their_own(
    classifier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving({"films": classifier}) as client:
        engine = service_of(client).models["films"].engine
        readers: list[str] = []

        def split(**given: Any) -> Any:
            readers.append(threading.current_thread().name)
            return type(engine).split(engine, **given)

        monkeypatch.setattr(engine, "split", split)
        assert predict(client, "dull").status_code == 200
        assert predict(client, "the film " * 300).status_code == 200
    assert not readers[0].startswith("ltp-read")
    assert readers[1].startswith("ltp-read")


def test_a_request_that_has_waited_too_long_is_told(classifier: Path) -> None:
    one = {"name": "text", "datatype": "BYTES", "shape": [1], "data": ["dull"]}
    body = {"inputs": [one], "parameters": {"timeout": 100_000}}
    with serving({"films": classifier}) as client:
        model = service_of(client).models["films"]
        with held(model) as session, ThreadPoolExecutor(2) as pool:
            first = pool.submit(predict, client, "a film")
            until(lambda: len(session.sequences) == session.concurrency)
            late = pool.submit(client.post, "/v2/models/films/infer", json=body)
            until(lambda: model.engine.waiting == 1)
            time.sleep(0.2)  # longer than its tenth of a second
            session.open.set()
            assert first.result(SECONDS).status_code == 200
            found = late.result(SECONDS)
            assert session.sequences == [1], "it is not computed"
        assert found.status_code == 504
        assert "deadline passed" in found.json()["error"]


def test_texts_are_read_in_windows_where_the_server_is_told_to(classifier: Path) -> None:
    long = "the film is not good . " * 20
    with load(classifier, long_texts="window", stride=4) as engine:
        expected = engine(long)
    assert expected.windows is not None
    assert expected.windows[0] > 1
    loading = Loading(long_texts="window", stride=4)
    with serving({"films": classifier}, loading=loading) as client:
        found = predict(client, long, raw_scores=True, truncate=False).json()
        scores = sorted(entry["score"] for entry in found[0])
        assert scores == sorted(expected.logits[0].tolist())
    with serving({"films": classifier}, loading=Loading(long_texts="refuse")) as client:
        assert predict(client, long).status_code == 422


@pytest.mark.parametrize("path", ["/predict", "/v2/models/films/infer", "/metrics", "/v2"])
def test_a_token_is_needed_where_there_is_one(classifier: Path, path: str) -> None:
    with serving({"films": classifier}, token="open sesame") as client:
        method = "POST" if path in ("/predict", "/v2/models/films/infer") else "GET"
        for headers in ({}, {"Authorization": "Bearer other"}, {"Authorization": "open sesame"}):
            found = client.request(method, path, headers=headers, content=b"{}")
            assert found.status_code == 401
            assert found.headers["WWW-Authenticate"] == "Bearer"
        right = {"Authorization": "Bearer open sesame"}
        assert client.request(method, path, headers=right, content=b"{}").status_code != 401
        for probe in ("/health/live", "/health/ready", "/v2/health/live", "/v2/health/ready"):
            assert client.get(probe).status_code == 200
