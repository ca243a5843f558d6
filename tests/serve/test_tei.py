"""The addresses of text-embeddings-inference answer as its clients expect, and as the library."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from ltp_deploy import load
from tests.serve.serving import serving

TEXTS = ["the film is good .", "a very bad film", "dull"]


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def softmax(x: np.ndarray) -> np.ndarray:
    return np.exp(x) / np.exp(x).sum(-1, keepdims=True)


def test_predict_gives_every_class_the_most_probable_first(
    client: TestClient, classifier: Path
) -> None:
    with load(classifier) as engine:
        logits = engine([*TEXTS[:2], ("a film", "dull")]).logits
    inputs = [[TEXTS[0]], [TEXTS[1]], ["a film", "dull"]]
    found = client.post("/predict", json={"inputs": inputs}).json()
    for row, expected in zip(found, softmax(logits), strict=True):
        assert [entry["label"] for entry in row] == [
            ("bad", "good")[i] for i in np.argsort(-expected)
        ]
        np.testing.assert_allclose([e["score"] for e in row], np.sort(expected)[::-1], rtol=1e-6)
    single = client.post("/predict", json={"inputs": TEXTS[0]}).json()
    assert single == found[0]
    pair = client.post("/predict", json={"inputs": ["a film", "dull"]}).json()
    assert pair == found[2], "a list of two strings is a pair"
    raw = client.post("/predict", json={"inputs": TEXTS[0], "raw_scores": True}).json()
    assert sorted(entry["score"] for entry in raw) == sorted(logits[0].tolist())


def test_rerank_sorts_by_the_first_bundle_that_gives_scores(
    client: TestClient, reranker: Path
) -> None:
    with load(reranker) as engine:
        expected = engine.rank("very good", TEXTS)
        logits = engine([("very good", text) for text in TEXTS]).logits[:, 0]
    body = {"query": "very good", "texts": TEXTS, "return_text": True}
    found = client.post("/rerank", json=body).json()
    assert [entry["index"] for entry in found] == [index for index, _ in expected]
    assert [entry["text"] for entry in found] == [TEXTS[index] for index, _ in expected]
    scores = [entry["score"] for entry in found]
    np.testing.assert_allclose(scores, sigmoid(logits[[i for i, _ in expected]]), rtol=1e-6)
    raw = client.post("/rerank", json={"query": "very good", "texts": TEXTS, "raw_scores": True})
    assert [entry["score"] for entry in raw.json()] == sorted(logits.tolist(), reverse=True)
    assert "text" not in raw.json()[0]


def test_embed_gives_vectors_of_unit_length_unless_told(client: TestClient, embedder: Path) -> None:
    with load(embedder) as engine:
        expected = engine.encode(TEXTS)
        prompted = engine.encode(TEXTS[:1], prompt_name="query")
    raw = client.post("/embed", json={"inputs": TEXTS, "normalize": False}).json()
    np.testing.assert_array_equal(np.array(raw, np.float32), expected)
    unit = np.array(client.post("/embed", json={"inputs": TEXTS}).json())
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(
        (unit * expected).sum(1), np.linalg.norm(expected, axis=1), rtol=1e-5
    )
    body = {"inputs": TEXTS[0], "prompt_name": "query", "normalize": False}
    np.testing.assert_array_equal(np.float32(client.post("/embed", json=body).json()), prompted)


def test_embed_reads_token_ids_as_they_are(client: TestClient, embedder: Path) -> None:
    with load(embedder) as engine:
        sequences = [engine.tokenize([text]).input_ids.tolist() for text in TEXTS]
        expected = engine.encode(TEXTS)
    for inputs, rows in ((sequences, expected), (sequences[0], expected[:1])):
        found = client.post("/embed", json={"inputs": inputs, "normalize": False}).json()
        np.testing.assert_array_equal(np.array(found, np.float32), rows)


@pytest.mark.parametrize(
    ("name", "route", "body"),
    [
        ("films", "predict", {"inputs": TEXTS[0]}),
        ("ranks", "rerank", {"query": "good", "texts": TEXTS}),
        ("vectors", "embed", {"inputs": TEXTS}),
    ],
)
def test_without_a_route_a_bundle_answers_what_it_gives(
    client: TestClient, bundles: dict[str, Path], name: str, route: str, body: object
) -> None:
    expected = client.post(f"/models/{name}/{route}", json=body).json()
    assert client.post(f"/models/{name}", json=body).json() == expected
    with serving({name: bundles[name]}) as alone:
        assert alone.post("/", json=body).json() == expected
        assert alone.get("/").headers["Content-Type"].startswith("text/html")


def test_info_says_what_the_first_bundle_is(client: TestClient, classifier: Path) -> None:
    found = client.get("/info").json()
    assert found["model_id"] == "films"
    assert found["model_dtype"] == "f32"
    classes = {"id2label": {"0": "bad", "1": "good"}, "label2id": {"bad": 0, "good": 1}}
    assert found["model_type"] == {"classifier": classes}
    assert found["max_input_length"] == 40
    assert found["max_client_batch_size"] == 256
    assert found["auto_truncate"] is True
    assert "reranker" in client.get("/models/ranks/info").json()["model_type"]
    kind = client.get("/models/vectors/info").json()["model_type"]
    assert kind == {"embedding": {"pooling": "frozen"}}


def test_a_bundle_can_be_named(client: TestClient) -> None:
    ranked = client.post("/models/ranks/predict", json={"inputs": "dull"}).json()
    assert [entry["label"] for entry in ranked] == ["LABEL_0"]
    missing = client.post("/models/nothing/predict", json={"inputs": "dull"})
    assert missing.status_code == 404
    assert missing.json()["error"] == "no bundle is named nothing; there are films, ranks, vectors"


@pytest.mark.parametrize(
    ("route", "body", "status", "kind", "message"),
    [
        ("predict", {"inputs": []}, 400, "empty", "`inputs` cannot be empty"),
        ("predict", {"inputs": [["a", "b", "c"]]}, 422, "validation", "found 3 strings"),
        ("predict", {"inputs": 7}, 422, "validation", "inputs.str: Input should be a valid string"),
        ("predict", {}, 422, "validation", "inputs: Field required"),
        ("rerank", {"query": "a", "texts": []}, 400, "empty", "`texts` cannot be empty"),
        ("rerank", {"query": "a", "texts": ["b"] * 300}, 413, "validation", "300 > maximum"),
        ("embed", {"inputs": "the " * 60, "truncate": False}, 413, "validation", "text 0 has more"),
        ("embed", {"inputs": "a", "prompt_name": "x"}, 422, "tokenizer", "no prompt 'x'"),
        ("embed", {"inputs": [[2, 3]], "prompt_name": "query"}, 422, "tokenizer", "no prompt but"),
        ("embed", {"inputs": [[2], ["a"]]}, 422, "validation", "inputs"),
        ("embed", {"inputs": [2, 2**31]}, 422, "validation", "inputs"),
        ("embed", {"inputs": [[2, 3], []]}, 422, "tokenizer", "sequence 1"),
        ("embed", {"inputs": [2] * 41}, 422, "tokenizer", "41 tokens"),
        ("embed", {"inputs": "a", "dimensions": 8}, 422, "tokenizer", "dimensions"),
        ("embed", {"inputs": "a", "truncation_direction": "left"}, 422, "tokenizer", "direction"),
        ("models/films/rerank", {"query": "a", "texts": ["b"]}, 424, "backend", "classes"),
        ("models/films/embed", {"inputs": "a"}, 424, "backend", "embeddings are asked for"),
        ("models/vectors/predict", {"inputs": "a"}, 424, "backend", "gives an embedding"),
    ],
)
def test_what_cannot_be_answered_says_why(
    client: TestClient, route: str, body: object, status: int, kind: str, message: str
) -> None:
    found = client.post(f"/{route}", json=body)
    assert (found.status_code, found.json()["error_type"]) == (status, kind), found.text
    assert message in found.json()["error"]


def test_broken_json_is_refused_without_being_repeated(client: TestClient) -> None:
    found = client.post("/predict", content=b'{"inputs": "secret')
    assert found.status_code == 400
    assert "Invalid JSON" in found.json()["error"]
    assert "secret" not in found.text


def test_texts_that_are_long_are_cut_unless_that_is_refused(client: TestClient) -> None:
    long = "the " * 60
    assert client.post("/predict", json={"inputs": long}).status_code == 200
    assert client.post("/predict", json={"inputs": long, "truncate": True}).status_code == 200
    found = client.post("/predict", json={"inputs": [["dull"], [long]], "truncate": False})
    assert found.status_code == 413
    assert found.json()["error"].startswith("text 1 has more than 40 tokens")


def test_one_bundle_that_does_not_fit_is_named(classifier: Path) -> None:
    with serving({"films": classifier}) as client:
        found = client.post("/rerank", json={"query": "a", "texts": ["b"]})
        assert found.status_code == 424
        expected = "no bundle here gives a score: films gives classes"
        assert found.json() == {"error": expected, "error_type": "backend"}


def test_the_api_is_documented(client: TestClient) -> None:
    assert "swagger" in client.get("/docs").text.lower()
    document = client.get("/openapi.json").json()
    paths = document["paths"]
    for reference in re.findall(r'"\$ref": ?"([^"]+)"', json.dumps(document)):
        at = document
        for key in reference.removeprefix("#/").split("/"):
            at = at[key]
    for address, methods in paths.items():
        for method in methods.values():
            named = {one["name"] for one in method.get("parameters", ())}
            assert set(re.findall(r"\{(\w+)\}", address)) == named, address
    for route in ("/predict", "/rerank", "/embed", "/v2/models/{name}/infer"):
        content = paths[route]["post"]["requestBody"]["content"]["application/json"]
        assert content["schema"]["properties"]
        assert {"413", "422", "424", "429", "503"} <= set(paths[route]["post"]["responses"])
    assert "/info" in paths


def test_the_documentation_is_open_and_asks_for_the_token(classifier: Path) -> None:
    with serving({"films": classifier}, token="a secret") as client:
        for address in ("/docs", "/redoc", "/openapi.json"):
            assert client.get(address).status_code == 200
        document = client.get("/openapi.json").json()
        (name,) = document["security"][0]
        scheme = document["components"]["securitySchemes"][name]
        assert scheme == {"type": "http", "scheme": "bearer"}
        assert "films" not in json.dumps(document)
        assert client.post("/predict", json={"inputs": "dull"}).status_code == 401
    with serving({"films": classifier}) as client:
        assert "security" not in client.get("/openapi.json").json()
