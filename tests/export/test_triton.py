"""Triton's model repository: served by a real tritonserver, and asked over HTTP and gRPC."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ltp_deploy
from ltp_deploy.export.table import export
from tests.export.environments import HERE, answer_of, python_with
from tests.export.triton_server import running
from tests.tiny import random_texts

TEXTS = [*random_texts(24, 3), "good " * 60, "", "a ☃ film"]  # one is cut, one is empty
PAIRS = [["good film", text] for text in random_texts(8, 4)]
LENGTHS = (3, 20, 1, 11, 40, 7)
TOO_LONG, UNKNOWN = [5] * 41, [5, 90, 6]  # of 40 tokens, and of a vocabulary of 90

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def triton() -> str:
    return python_with(("pytriton", "tritonclient", "openvino", "tokenizers"), "LTP_TRITON_PYTHON")


@pytest.fixture(scope="module")
def ids() -> list[list[int]]:
    random = np.random.default_rng(5)
    good = [random.integers(5, 18, n).tolist() for n in LENGTHS]
    return [good[0], TOO_LONG, *good[1:4], UNKNOWN, *good[4:]]


@pytest.fixture(scope="module")
def answers(
    triton: str, bert_bundle: Path, ids: list[list[int]], tmp_path_factory: pytest.TempPathFactory
) -> Any:
    folder = tmp_path_factory.mktemp("triton")
    export(bert_bundle, "triton", folder / "out", "tiny")
    work = tmp_path_factory.mktemp("server")
    with running(triton, folder / "out" / "models", work) as ports:
        request = {"model": "tiny", "texts": TEXTS, "pairs": PAIRS, "ids": ids}
        return answer_of(
            triton, "ask_triton.py", {**request, "http": ports.http, "grpc": ports.grpc}
        )


@pytest.fixture(params=["http", "grpc"])
def answer(request: pytest.FixtureRequest, answers: Any) -> Any:
    return answers[request.param]


def test_texts_are_answered_as_by_the_engine(answer: Any, engine: ltp_deploy.Engine) -> None:
    expected = engine(TEXTS).logits
    assert np.array_equal(np.array(answer["together"][0], np.float32), expected)
    assert np.array_equal(np.concatenate(answer["texts"]).astype(np.float32), expected)


def test_pairs_are_answered_as_by_the_engine(answer: Any, engine: ltp_deploy.Engine) -> None:
    expected = engine([tuple(pair) for pair in PAIRS]).logits
    assert np.array_equal(np.concatenate(answer["pairs"]).astype(np.float32), expected)


def test_refused_ids_fail_alone(
    answer: Any, engine: ltp_deploy.Engine, ids: list[list[int]]
) -> None:
    for row, found in zip(ids, answer["ids"], strict=True):
        if row == TOO_LONG:
            assert "41 tokens, the engine takes at most 40" in found
        elif row == UNKNOWN:
            assert "holds 90, allowed are 0..89" in found
        else:
            expected = engine(input_ids=[row]).logits
            assert np.array_equal(np.array(found, np.float32), expected)


def test_what_is_no_request_is_an_error_of_its_own(answer: Any) -> None:
    three, both, latin = answer["wrong"]
    assert "text must be [B, 1], or [B, 2] for pairs, found [1, 3]" in three
    assert "give either text or input_ids" in both
    assert "text must be UTF-8" in latin


def test_requests_of_different_lengths_are_executed_together(answers: Any) -> None:
    assert answers["executions"] < answers["requests"]


def test_a_repository_for_a_gpu_differs_in_its_configuration_alone(
    triton: str, bert_checkpoint: Path, bundle_of: Callable[..., Path], tmp_path: Path
) -> None:
    """No GPU here: the server has not run it."""
    bundle = bundle_of(bert_checkpoint, "torch-cuda")
    export(bundle, "triton", tmp_path / "out", "tiny")
    model = tmp_path / "out" / "models" / "tiny"
    own = HERE.parents[1] / "ltp_deploy" / "export" / "triton_model.py"
    assert (model / "1" / "model.py").read_bytes() == own.read_bytes()
    assert ltp_deploy.load(model / "1" / "bundle", portable=True)(["good film"]).logits.shape
    code = (
        "import sys; from google.protobuf import text_format as t;"
        "from tritonclient.grpc.model_config_pb2 import ModelConfig as M;"
        "m = t.Parse(open(sys.argv[1]).read(), M());"
        "print(m.max_batch_size, m.instance_group[0].KIND_GPU == m.instance_group[0].kind,"
        "all(i.allow_ragged_batch for i in m.input), m.HasField('dynamic_batching'))"
    )
    command = [triton, "-c", code, str(model / "config.pbtxt")]
    parsed = subprocess.check_output(command, text=True).split()
    limits = ltp_deploy.load(bundle, portable=True).limits
    assert parsed == [str(limits.max_batch), "True", "True", "True"]
