"""The Open Inference Protocol: the answers are the library's, in JSON and in bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from ltp_deploy import __version__, load
from tests.serve.serving import serving

TEXTS = ["the film is good .", "a very bad film", "dull"]
INFER = "/v2/models/films/infer"


def tensor(name: str, datatype: str, data: Any, shape: list[int] | None = None) -> dict[str, Any]:
    return {
        "name": name,
        "datatype": datatype,
        "shape": shape or list(np.shape(data)),
        "data": data,
    }


def texts(*given: Any) -> dict[str, Any]:
    return tensor("text", "BYTES", list(given))


def outputs(body: dict[str, Any]) -> dict[str, np.ndarray]:
    """The arrays of a response in JSON."""
    assert all(output["datatype"] == "FP32" for output in body["outputs"])
    return {o["name"]: np.float32(o["data"]).reshape(o["shape"]) for o in body["outputs"]}


def ask(client: TestClient, *inputs: dict[str, Any], **more: Any) -> dict[str, Any]:
    response = client.post(INFER, json={"inputs": inputs, **more})
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def test_the_server_and_its_bundles_describe_themselves(client: TestClient) -> None:
    expected = {"name": "ltp-deploy", "version": __version__, "extensions": ["binary_tensor_data"]}
    assert client.get("/v2").json() == expected
    found = client.get("/v2/models/films").json()
    assert found["name"] == "films"
    assert found["versions"] == ["1"]
    assert {"name": "text", "datatype": "BYTES", "shape": [-1]} in found["inputs"]
    assert {"name": "input_ids", "datatype": "INT64", "shape": [-1]} in found["inputs"]
    assert found["outputs"] == [
        {"name": name, "datatype": "FP32", "shape": [-1, 2]} for name in ("logits", "scores")
    ]
    assert client.get("/v2/models/films/versions/1").json() == found
    vectors = client.get("/v2/models/vectors").json()["outputs"]
    assert vectors == [{"name": "embedding", "datatype": "FP32", "shape": [-1, 64]}]
    for path in ("/v2/models/films/ready", "/v2/models/films/versions/1/ready"):
        assert client.get(path).json() == {"name": "films", "ready": True}
    assert client.get("/v2/models/films/versions/2").status_code == 404
    assert client.get("/v2/models/nothing/ready").status_code == 404


def test_texts_and_pairs_are_answered(client: TestClient, classifier: Path) -> None:
    with load(classifier) as engine:
        expected, pairs = engine(TEXTS).logits, engine([("a film", "dull"), ("good", "bad")]).logits
        scores = np.array([p.scores for p in engine.predict(TEXTS)])
    body = ask(client, texts(*TEXTS), id="7")
    assert (body["model_name"], body["model_version"], body["id"]) == ("films", "1", "7")
    found = outputs(body)
    np.testing.assert_array_equal(found["logits"], expected)
    np.testing.assert_array_equal(found["scores"], scores)
    column = outputs(ask(client, texts(*([text] for text in TEXTS))))
    np.testing.assert_array_equal(column["logits"], expected)
    both = outputs(ask(client, texts(["a film", "dull"], ["good", "bad"])))
    np.testing.assert_array_equal(both["logits"], pairs)
    flat = tensor("text", "BYTES", ["a film", "dull", "good", "bad"], [2, 2])
    np.testing.assert_array_equal(outputs(ask(client, flat))["logits"], pairs)


def test_token_ids_are_answered_packed_and_padded(client: TestClient, classifier: Path) -> None:
    with load(classifier) as engine:
        batch = engine.tokenize([*TEXTS, ("a film", "dull")])
        expected = engine.run(batch).logits
    packed = outputs(
        ask(
            client,
            tensor("input_ids", "INT64", batch.input_ids.tolist()),
            tensor("offsets", "INT32", batch.offsets.tolist()),
            tensor("token_type_ids", "INT64", batch.token_type_ids.tolist()),
        )
    )
    np.testing.assert_array_equal(packed["logits"], expected)
    ids, types, mask = batch.padded(0)
    padded = outputs(
        ask(
            client,
            tensor("input_ids", "INT64", ids.tolist()),
            tensor("token_type_ids", "INT64", types.tolist()),
            tensor("attention_mask", "BOOL", mask.tolist()),
        )
    )
    np.testing.assert_array_equal(padded["logits"], expected)


def test_only_what_is_wanted_comes_back(client: TestClient) -> None:
    body = ask(client, texts("dull"), outputs=[{"name": "scores"}])
    assert [output["name"] for output in body["outputs"]] == ["scores"]
    vectors = client.post("/v2/models/vectors/infer", json={"inputs": [texts("dull")]}).json()
    assert [output["name"] for output in vectors["outputs"]] == ["embedding"]


def test_texts_that_were_cut_are_counted(client: TestClient) -> None:
    assert "parameters" not in ask(client, texts("dull"))
    assert ask(client, texts("the " * 60, "dull", "a " * 60))["parameters"] == {"truncated": 2}


def test_bytes_come_back_where_they_are_asked_for(client: TestClient) -> None:
    plain = outputs(ask(client, texts(*TEXTS)))
    parts = [b"".join(len(t).to_bytes(4, "little") + t.encode() for t in TEXTS)]
    one = {"name": "text", "datatype": "BYTES", "shape": [3]}
    head = {
        "inputs": [{**one, "parameters": {"binary_data_size": len(parts[0])}}],
        "outputs": [{"name": "scores", "parameters": {"binary_data": True}}, {"name": "logits"}],
    }
    text = json.dumps(head).encode()
    headers = {"Inference-Header-Content-Length": str(len(text))}
    response = client.post(INFER, content=text + parts[0], headers=headers)
    length = int(response.headers["Inference-Header-Content-Length"])
    scores, logits = json.loads(response.content[:length])["outputs"]
    assert scores["parameters"] == {"binary_data_size": 24}
    found = np.frombuffer(response.content[length:], "<f4").reshape(scores["shape"])
    np.testing.assert_array_equal(found, plain["scores"])
    np.testing.assert_array_equal(np.float32(logits["data"]).reshape(3, 2), plain["logits"])


@pytest.mark.parametrize(
    ("inputs", "status", "message"),
    [
        ([], 400, "found none"),
        ([texts("a"), tensor("input_ids", "INT64", [[2, 3]])], 400, "found input_ids, text"),
        ([tensor("input_ids", "INT64", [[2, 3]])], 400, "with offsets or attention_mask"),
        ([tensor("text", "INT64", [2])], 400, "text is of datatype BYTES"),
        (
            [tensor("text", "BYTES", [[["a"]]])],
            400,
            "at most 2 dimensions, each from 0 to 2147483647, found [1, 1, 1]",
        ),
        ([tensor("text", "BYTES", [["a", "b", "c"]])], 400, "found [1, 3]"),
        ([texts()], 422, "the batch is empty"),
        ([tensor("text", "BYTES", ["a"] * 300)], 413, "batch size 300"),
        (
            [tensor("input_ids", "INT64", [2, 90]), tensor("offsets", "INT64", [0, 2])],
            422,
            "input_ids of sequence 0 holds 90, allowed are 0..89",
        ),
        (
            [tensor("input_ids", "FP32", [2.5, 3]), tensor("offsets", "INT64", [0, 2])],
            422,
            "ids must hold integers",
        ),
        (
            [tensor("input_ids", "INT64", [2] * 41), tensor("offsets", "INT64", [0, 41])],
            422,
            "at most 40",
        ),
    ],
)
def test_what_cannot_be_answered_says_why(
    client: TestClient, inputs: list[Any], status: int, message: str
) -> None:
    response = client.post(INFER, json={"inputs": inputs})
    assert response.status_code == status, response.text
    assert message in response.json()["error"]


def test_other_outputs_versions_and_times_are_refused(client: TestClient) -> None:
    for more, message in (
        ({"outputs": [{"name": "label"}]}, "no output 'label'; it has logits, scores"),
        ({"outputs": [{"name": "logits", "parameters": {"classification": 2}}]}, "given whole"),
        ({"parameters": {"timeout": -1}}, "timeout must be a number of microseconds"),
    ):
        response = client.post(INFER, json={"inputs": [texts("a")], **more})
        assert response.status_code == 400
        assert message in response.json()["error"]
    response = client.post("/v2/models/films/versions/2/infer", json={"inputs": [texts("a")]})
    assert response.status_code == 404
    assert "bundles have the version 1" in response.json()["error"]


def test_bundles_without_a_tokenizer_take_token_ids(bert_checkpoint: Path, bundle_of: Any) -> None:
    bundle = bundle_of(bert_checkpoint, survivors=False, tokenizer=False)
    with serving({"films": bundle}) as client:
        names = [i["name"] for i in client.get("/v2/models/films").json()["inputs"]]
        assert names == ["input_ids", "offsets", "token_type_ids"]
        found = client.post(INFER, json={"inputs": [texts("a")]})
        assert (found.status_code, found.json()["error_type"]) == (422, "tokenizer")
        assert "carries no tokenizer" in found.json()["error"]
        ids = [tensor("input_ids", "INT64", [2, 9, 3]), tensor("offsets", "INT64", [0, 3])]
        assert ask(client, *ids)["outputs"]
