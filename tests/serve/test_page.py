"""The page of a server: at /, for its bundles, with its token."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from ltp_deploy.serve.app import create_app
from ltp_deploy.serve.service import Service
from ltp_deploy.serve.settings import Limits, Settings
from tests.explain.browser import Browser, chromium, served
from tests.serve.serving import serving

TOKEN = {"Authorization": "Bearer a secret"}


@pytest.fixture(scope="module")
def guarded(bundles: dict[str, Path]) -> Iterator[TestClient]:
    with serving(bundles, token="a secret") as client:
        yield client


def test_it_is_at_the_root_and_knows_the_bundles(client: TestClient) -> None:
    assert "<title>Tokens, layer by layer</title>" in client.get("/").text
    found = client.get("/bundles").json()["bundles"]
    assert [(one["name"], one["modes"]) for one in found] == [
        ("films", ["text", "pair"]),
        ("ranks", ["text", "pair", "passages"]),
        ("vectors", ["text"]),
    ]


def test_it_explains_what_the_bundle_of_that_name_answers(client: TestClient) -> None:
    text = "a very bad film"
    explained = client.post("/explain", json={"text": text, "bundle": "films"}).json()
    (row,) = client.post("/predict", json={"inputs": [[text]]}).json()
    answer = explained["texts"][0]["answer"]
    assert answer["labels"] == [max(row, key=lambda one: one["score"])["label"]]


def test_what_it_computes_is_not_counted_as_asked_for(client: TestClient) -> None:
    def sequences() -> str:
        page = client.get("/metrics").text
        return "".join(line for line in page.splitlines() if line.startswith("ltp_sequences_total"))

    before = sequences()
    assert client.post("/explain", json={"text": "a very good film"}).status_code == 200
    assert sequences() == before


def test_it_keeps_to_the_limits_of_the_server(bundles: dict[str, Path]) -> None:
    with serving(bundles, limits=Limits(texts=1, tokens=20)) as client:
        ranked = {"text": "a film", "bundle": "ranks"}
        for question, message in (
            ({**ranked, "passages": ["dull", "good"]}, "at most 1 passages"),
            ({"text": "a very bad film . " * 6}, "tokens, and 20 are allowed"),
        ):
            refused = client.post("/explain", json=question)
            assert refused.status_code == 422
            assert message in refused.json()["error"]
        assert client.post("/explain", json={**ranked, "passages": ["dull"]}).status_code == 200


def test_refusals_are_as_all_others_of_the_server(client: TestClient) -> None:
    refused = client.post("/explain", json={"text": "a film", "bundle": "none"})
    assert refused.status_code == 404
    assert refused.json()["error_type"] == "validation"


def test_only_what_it_loads_needs_no_token(guarded: TestClient) -> None:
    for address in ("/", "/page.css", "/page.js", "/picture.js"):
        assert guarded.get(address).status_code == 200
    assert guarded.get("/bundles").status_code == 401
    assert guarded.post("/", json={"inputs": "a film"}).status_code == 401
    assert guarded.post("/", json={"inputs": "a film"}, headers=TOKEN).status_code == 200
    assert guarded.post("/explain", json={"text": "a film"}).status_code == 401
    assert guarded.post("/explain", json={"text": "a film"}, headers=TOKEN).status_code == 200


def test_nothing_is_explained_before_bundles_are_loaded(
    bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Service, "load", lambda service: None)
    with TestClient(create_app(Settings(bundles))) as client:
        assert client.get("/").status_code == 200
        refused = client.post("/explain", json={"text": "a film"})
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert "loading" in client.get("/bundles").json()["error"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.mark.slow
def test_it_asks_for_the_token_that_the_server_wants(
    bundles: dict[str, Path], browser: Browser
) -> None:
    with served(lambda: create_app(Settings(bundles, token="a secret"))) as url:
        browser.look(url)
        browser.wait("return !$('token-choice').hidden")
        assert "a bearer token is needed" in browser.run("return $('message').textContent")
        browser.run("$('token').focus()")
        browser.press("a secret", "\ue007")  # the enter key
        browser.wait("return bundles.length == 3")
        browser.run("$('text').value = 'a film'; $('send').click()")
        assert browser.wait("return $('answer').textContent")
        assert not browser.run("return $('message').textContent")
