"""What is counted is what happened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from ltp_deploy import load
from ltp_deploy.builder.build import build
from ltp_deploy.builder.draft import Measured
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.data.examples import DataOptions
from ltp_deploy.parity.profile import ProfileData
from ltp_deploy.serve.settings import Loading
from tests.once import Once
from tests.serve.serving import serving

TEXTS = ["the film is good .", "a very bad film was not great", "dull"]


def samples(page: str) -> dict[tuple[str, ...], float]:
    """Values by the metric's name and the values of its labels in the order of their names."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def counted(client: TestClient) -> dict[tuple[str, ...], float]:
    response = client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    return samples(response.text)


def test_requests_tokens_batches_and_what_is_alive_are_counted(classifier: Path) -> None:
    with load(classifier, alive=True) as engine:
        result, lengths = engine(TEXTS), engine.tokenize(TEXTS).lengths
    with serving({"films": classifier}) as client:
        assert client.post("/predict", json={"inputs": [[t] for t in TEXTS]}).status_code == 200
        assert client.post("/predict", json={"inputs": 3}).status_code == 422
        assert client.get("/nowhere/at/all").status_code == 404
        found = counted(client)
    assert found["ltp_requests_total", "films", "/predict", "200"] == 1
    assert found["ltp_requests_total", "films", "/predict", "422"] == 1
    assert found["ltp_requests_total", "", "other", "404"] == 1
    assert found["ltp_request_seconds_count", "films", "/predict"] == 2
    assert found["ltp_request_seconds_sum", "films", "/predict"] > 0
    assert found["ltp_sequences_total", "films"] == 3
    assert found["ltp_tokens_total", "films"] == lengths.sum()
    assert found["ltp_batch_sequences_bucket", "2.0", "films"] == 0
    assert found["ltp_batch_sequences_bucket", "4.0", "films"] == 1
    assert found["ltp_batch_tokens_sum", "films"] == lengths.sum()
    assert found["ltp_batch_seconds_count", "films"] == 1
    assert found["ltp_queue", "films"] == 0
    assert found["ltp_in_flight",] == 1, "the one that asks"
    assert result.alive is not None
    for layer, alive in enumerate(result.alive.T):
        assert found["ltp_tokens_alive_total", str(layer), "films"] == alive.sum()
        share = found["ltp_kept_share_total", str(layer), "films"]
        np.testing.assert_allclose(share, (alive / lengths).sum())
    assert not any(name[0].startswith("ltp_drift") for name in found), "there is no profile"


def test_drift_is_that_of_the_engine(bert_checkpoint: Path, texts: Path, once: Once) -> None:
    def make(directory: Path) -> None:
        measured = Measured(ProfileData(str(texts), DataOptions()))
        build(bert_checkpoint, directory / "bundle", BuildOptions(), measured)

    bundle = once(make, "served-profiled") / "bundle"
    with load(bundle, alive=True) as engine:
        engine(TEXTS)
        expected = engine.drift().layers
    with serving({"films": bundle}) as client:
        assert not any(name[0].startswith("ltp_drift") for name in counted(client))
        for text in TEXTS:
            client.post("/predict", json={"inputs": text})
        found = counted(client)
    assert expected
    for layer in expected:
        place = (str(layer.layer), "films")
        np.testing.assert_allclose(found["ltp_drift_difference", *place], layer.difference)
        np.testing.assert_allclose(found["ltp_drift_z", *place], layer.z)
    assert ("ltp_drift_z", str(len(expected)), "films") not in found


def test_engines_that_cannot_count_what_is_alive_serve_without(
    bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    with serving({"films": bundle_of(bert_checkpoint, "torchscript", survivors=False)}) as client:
        assert client.post("/predict", json={"inputs": "dull"}).status_code == 200
        found = counted(client)
    assert found["ltp_sequences_total", "films"] == 1
    assert found["ltp_tokens_alive_total", "0", "films"] == 0


def test_nothing_is_counted_layer_by_layer_where_that_is_not_wanted(classifier: Path) -> None:
    with serving({"films": classifier}, loading=Loading(alive=False)) as client:
        assert client.post("/predict", json={"inputs": "dull"}).status_code == 200
        found = counted(client)
    assert found["ltp_sequences_total", "films"] == 1
    assert found["ltp_tokens_alive_total", "0", "films"] == 0
