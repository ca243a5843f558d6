"""Living is one thing, being ready another."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from ltp_deploy.errors import BundleError
from ltp_deploy.runtime import engine
from ltp_deploy.serve import service as module
from ltp_deploy.serve.app import create_app
from ltp_deploy.serve.settings import Settings
from tests.serve.serving import SECONDS, service_of, serving, until

READY = ("/health", "/health/ready", "/v2/health/ready", "/v2/models/films/ready")


def statuses(client: TestClient) -> set[int]:
    """Of all that depends on being ready."""
    asked = client.post("/predict", json={"inputs": "dull"})
    return {asked.status_code, *(client.get(path).status_code for path in READY)}


def test_a_server_is_not_ready_while_it_loads(
    classifier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_load = threading.Event()

    def load(*given: object, **options: object) -> engine.Engine:
        assert may_load.wait(SECONDS)
        return engine.load(*given, **options)

    monkeypatch.setattr(module, "load", load)
    with TestClient(create_app(Settings({"films": classifier}))) as client:
        try:
            assert statuses(client) == {503}
            for path in ("/health/live", "/v2/health/live", "/metrics", "/v2", "/docs"):
                assert client.get(path).status_code == 200
            found = client.post("/predict", json={"inputs": "dull"})
            assert found.headers["Retry-After"]
            expected = {"error": "the server is loading its bundles", "error_type": "unhealthy"}
            assert found.json() == expected
        finally:
            may_load.set()
        until(lambda: client.get("/health/ready").status_code == 200)
        assert statuses(client) == {200}


def test_a_server_that_is_about_to_end_is_not_ready(classifier: Path) -> None:
    with serving({"films": classifier}) as client:
        assert statuses(client) == {200}
        service_of(client).drain()
        assert statuses(client) == {503}
        assert client.get("/health/live").status_code == 200
        assert "about to end" in client.get("/health/ready").json()["error"]


def test_a_bundle_that_cannot_be_loaded_leaves_none_loaded(
    classifier: Path, tmp_path: Path
) -> None:
    with serving({"films": classifier, "none": tmp_path}) as client:
        service = service_of(client)
        assert isinstance(service.failure, BundleError)
        assert service.models == {}
        assert statuses(client) == {503}


def test_what_there_is_not_is_not_found(classifier: Path) -> None:
    with serving({"films": classifier}) as client:
        assert client.get("/nowhere").status_code == 404
        assert client.get("/nowhere").json() == {"error": "Not Found", "error_type": "validation"}
        assert client.get("/predict").status_code == 405
