"""The routes, in an application of their own."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ltp_deploy.codec import to_json
from ltp_deploy.errors import EngineClosed
from ltp_deploy.explain.explainer import Explainer, explain
from ltp_deploy.explain.explanation import Explanation
from ltp_deploy.explain.html import INDEX, PARTS, read_part
from ltp_deploy.runtime.engine import Engine, load

fastapi = pytest.importorskip("fastapi", reason="FastAPI is not installed")
httpx = pytest.importorskip("httpx", reason="httpx is not installed")

from ltp_deploy.explain import router as routes  # noqa: E402

KIND = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def engines(
    checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]
) -> Iterator[dict[str, Engine]]:
    ranking = checkpoint_of("bert", "relative", labels=1, id2label=None)
    classifier = checkpoint_of("bert", "absolute")
    with (
        load(bundle_of(classifier, survivors=False)) as first,
        load(bundle_of(ranking, survivors=False)) as second,
    ):
        yield {"reviews": first, "ranking": second}


def requests(engines: Any, *asked: tuple[str, str, Any]) -> list[Any]:
    """The answers to (method, path, JSON), sent at once."""
    app = fastapi.FastAPI()
    app.include_router(routes.router(engines))

    async def send() -> list[Any]:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
            calls = [
                client.request(method, path, content=json.dumps(body), headers=KIND)
                for method, path, body in asked
            ]
            async with app.router.lifespan_context(app):
                return await asyncio.gather(*calls)

    return asyncio.run(send())


def ask(engines: Any, **question: Any) -> Any:
    return requests(engines, ("POST", "/explain", question))[0]


def test_the_page_and_its_files_are_served(engines: dict[str, Engine]) -> None:
    paths = {"/": INDEX, **{f"/{name}": name for name in PARTS}}
    answers = requests(engines, *(("GET", path, None) for path in paths))
    for answer, name in zip(answers, paths.values(), strict=True):
        assert answer.status_code == 200
        assert answer.text == read_part(name)
        assert answer.headers["content-type"].startswith(PARTS.get(name, "text/html"))
        assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_bundles_are_listed_with_what_may_be_asked(engines: dict[str, Engine]) -> None:
    (answer,) = requests(engines, ("GET", "/bundles", None))
    assert answer.json()["bundles"] == [
        {"name": "reviews", "head": "classification", "modes": ["text", "pair"]},
        {"name": "ranking", "head": "ranking", "modes": ["text", "pair", "passages"]},
    ]


def test_explanations_are_those_of_the_function(engines: dict[str, Engine]) -> None:
    questions: list[tuple[dict[str, Any], str, tuple[Any, ...]]] = [
        ({"text": "a very bad film"}, "reviews", ("a very bad film",)),
        ({"text": "a", "pair": "film", "bundle": "reviews"}, "reviews", (("a", "film"),)),
        (
            {"text": "a film", "passages": ["dull", "good"], "bundle": "ranking"},
            "ranking",
            ("a film", ["dull", "good"]),
        ),
    ]
    answers = requests(engines, *(("POST", "/explain", question) for question, _, _ in questions))
    for answer, (_, name, arguments) in zip(answers, questions, strict=True):
        assert answer.status_code == 200
        expected = to_json(explain(engines[name], *arguments))
        found = answer.json()
        for one in (expected, found):
            one.pop("milliseconds"), one.pop("dense_milliseconds")
        assert found == expected


@pytest.mark.parametrize(
    ("question", "status", "reason"),
    [
        ({"text": "a", "bundle": "other"}, 404, "but: reviews, ranking"),
        ({"text": "a", "pair": "b", "passages": ["c"]}, 422, "not both"),
        ({"text": "a", "passages": ["b"]}, 422, "a ranking needs one"),
        ({"text": "a", "passages": [], "bundle": "ranking"}, 422, "without passages"),
        ({}, 422, "body.text: Field required"),
        ({"text": 7}, 422, "body.text: Input should be a valid string"),
        ({"text": "a\ud800"}, 422, "body.text: Input should be a valid string"),
        ({"text": "a" * (routes.MOST_CHARACTERS + 1)}, 422, "at most 100000 characters"),
        ({"text": "a", "passages": ["b"] * (routes.MOST_PASSAGES + 1)}, 422, "at most 64 items"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_refusals_say_why(
    question: dict[str, Any], status: int, reason: str, engines: dict[str, Engine]
) -> None:
    answer = ask(engines, **question)
    assert answer.status_code == status
    assert reason in answer.json()["error"]


def test_a_closed_engine_and_no_bundle_are_said(
    bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    engine = load(bundle_of(bert_checkpoint, survivors=False))
    engine.close()
    answer = ask({"gone": engine}, text="a")
    assert (answer.status_code, "was closed" in answer.json()["error"]) == (503, True)
    assert ask({}, text="a").status_code == 404


def test_one_at_a_time_and_too_many_are_told_to_come_later(
    engines: dict[str, Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, most = 0, 0
    own = Explainer.__call__
    guard = threading.Lock()

    def watched(explainer: Explainer, *question: Any) -> Explanation:
        nonlocal inside, most
        with guard:
            inside += 1
            most = max(most, inside)
        try:
            return own(explainer, *question)
        finally:
            with guard:
                inside -= 1

    monkeypatch.setattr(Explainer, "__call__", watched)
    asked = [("POST", "/explain", {"text": "a good film"})] * (routes.MOST_WAITING + 3)
    answers = requests(engines, *asked)
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) == 3
    assert all(answer.headers["retry-after"] == "1" for answer in refused)
    assert sum(answer.status_code == 200 for answer in answers) == routes.MOST_WAITING
    assert most == 1


def test_what_was_opened_is_closed_with_the_application(
    engines: dict[str, Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Engine] = []
    own = Engine.variant

    def watched(engine: Engine, *asked: Any) -> Engine:
        opened.append(own(engine, *asked))
        return opened[-1]

    monkeypatch.setattr(Engine, "variant", watched)
    assert ask(engines, text="a film").status_code == 200
    assert len(opened) == 3, "its own, one that reports survivors, one that prunes nothing"
    for engine in opened:
        with pytest.raises(EngineClosed):
            engine("a film")
    assert engines["reviews"]("a film").labels


def test_a_bundle_that_was_loaded_anew_is_explained_by_the_new_engine(
    bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    bundle = bundle_of(bert_checkpoint, survivors=False)
    app = fastapi.FastAPI()
    engines = {"one": load(bundle)}
    app.include_router(routes.router(engines))

    async def factors() -> list[float]:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
            found = []
            for factor in (1.0, 1.5):
                engines["one"] = load(bundle, pruning=factor)
                answer = await client.post("/explain", json={"text": "a"})
                found.append(answer.json()["pruning"])
            return found

    assert asyncio.run(factors()) == [1.0, 1.5]
