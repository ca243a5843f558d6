"""What nobody waits for any more is not computed. Over sockets, since only those can be closed."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from ltp_deploy.explain.explainer import Explainer
from ltp_deploy.explain.explanation import Explanation
from ltp_deploy.serve.app import create_app
from ltp_deploy.serve.service import Model, Service
from ltp_deploy.serve.settings import Loading, Settings
from tests.explain.browser import served
from tests.serve.serving import SECONDS, held, is_ready, until
from tests.tiny import random_texts


@contextmanager
def listening(bundle: Path, **settings: Any) -> Iterator[tuple[str, Model]]:
    """(address, bundle) of a server that is ready."""
    app = create_app(Settings({"films": bundle}, **settings))
    with served(lambda: app) as url:
        service: Service = app.state.service
        until(lambda: is_ready(url.rstrip("/")))
        yield url, service.models["films"]


def sent(url: str, route: str, body: object) -> socket.socket:
    """A connection on which a request was sent."""
    found = socket.create_connection((urlsplit(url).hostname, urlsplit(url).port))
    content = json.dumps(body).encode()
    lines = (
        f"POST /{route} HTTP/1.1",
        "Host: here",
        "Content-Type: application/json",
        f"Content-Length: {len(content)}",
    )
    found.sendall("\r\n".join([*lines, "", ""]).encode() + content)
    return found


def left(url: str, route: str, model: str = "films") -> bool:
    """Whether one client is counted that has gone."""
    line = f'ltp_requests_total{{model="{model}",route="/{route}",status="499"}} 1.0'
    return line in httpx.get(f"{url}metrics").text


def test_a_text_whose_client_has_gone_is_never_computed(classifier: Path) -> None:
    with listening(classifier) as (url, model), held(model) as session:
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(httpx.post, f"{url}predict", json={"inputs": "dull"})
            until(lambda: session.sequences == [1])
            client = sent(url, "predict", {"inputs": [["good"], ["bad"], ["great"]]})
            until(lambda: model.engine.waiting == 1)
            client.close()
            until(lambda: left(url, "predict"))
            session.open.set()
            assert first.result(SECONDS).status_code == 200
        assert httpx.post(f"{url}predict", json={"inputs": "a film"}).status_code == 200
        assert session.sequences == [1, 1]


def test_of_a_large_request_the_rest_is_not_computed(classifier: Path) -> None:
    body = {"inputs": [[text] for text in random_texts(40, 3)]}
    with listening(classifier, loading=Loading(batch_tokens=32)) as (url, model):
        with held(model) as session:
            client = sent(url, "predict", body)
            until(lambda: len(session.sequences) == 1 and model.engine.waiting == 1)
            client.close()
            until(lambda: left(url, "predict"))
            session.open.set()
            assert httpx.post(f"{url}predict", json={"inputs": "dull"}).status_code == 200
        assert len(session.sequences) == 2


def test_a_text_whose_client_has_gone_is_never_explained(
    classifier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []
    go_on, own = threading.Event(), Explainer.__call__

    def watched(explainer: Explainer, text: str, *more: Any) -> Explanation:
        begun.append(text)
        go_on.wait(SECONDS)
        return own(explainer, text, *more)

    monkeypatch.setattr(Explainer, "__call__", watched)
    with listening(classifier) as (url, _), ThreadPoolExecutor(1) as pool:
        first = pool.submit(httpx.post, f"{url}explain", json={"text": "dull"}, timeout=SECONDS)
        until(lambda: begun == ["dull"])
        client = sent(url, "explain", {"text": "a good film"})
        assert httpx.get(f"{url}health/ready").status_code == 200  # so that it was read
        client.close()
        go_on.set()
        assert first.result(SECONDS).status_code == 200
        until(lambda: left(url, "explain", ""))
        assert httpx.post(f"{url}explain", json={"text": "great"}).status_code == 200
    assert begun == ["dull", "great"]
