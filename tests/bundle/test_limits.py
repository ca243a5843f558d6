"""Requests beyond what an engine was built for."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ltp_deploy.builder.build import build
from ltp_deploy.bundle.limits import Limits, common, length_batches, shared_batches
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.errors import InputError, LtpError
from ltp_deploy.runtime.engine import load
from tests.model.test_flops import CONFIG

LIMITS = Limits(max_tokens=20, max_batch=3, max_length=10)


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([1, 1, 1, 1], "has 4 sequences, the engine takes 3; split the request, or build with"),
        ([9, 9, 3], "has 21 tokens, the engine takes 20; .* --max-tokens"),
        ([2, 11], "sequence 1 has 11 tokens, the engine takes at most 10; truncate it"),
    ],
)
def test_a_request_beyond_them_is_refused(lengths: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        LIMITS.check(np.array(lengths))


def test_a_request_that_just_fits_passes() -> None:
    LIMITS.check(np.array([10, 9, 1]))
    Limits(0, 0, 10).check(np.full(10_000, 10))


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
def test_shared_batches_are_as_even_as_sequences_allow(workers: int) -> None:
    lengths = np.random.default_rng(0).integers(20, 250, 100)
    batches = shared_batches(lengths, 100, 1024, workers)
    assert sorted(np.concatenate(batches)) == list(range(100))
    assert len(batches) % workers == 0
    tokens = [lengths[rows].sum() for rows in batches]
    assert max(tokens) <= 1024
    assert max(tokens) - min(tokens) <= lengths.max()


@pytest.mark.parametrize(("lengths", "batch", "tokens"), [([9, 9, 9], 8, 10), ([3, 3, 3], 1, 99)])
def test_what_cannot_be_shared_evenly_keeps_to_the_limits(
    lengths: list[int], batch: int, tokens: int
) -> None:
    found = shared_batches(np.array(lengths), batch, tokens, workers=2)
    assert found == length_batches(np.array(lengths), batch, tokens) == [[0], [1], [2]]


@pytest.mark.parametrize(
    ("options", "bounded", "limits"),
    [
        ({}, False, (0, 0, CONFIG.max_length)),
        ({}, True, (32 * CONFIG.max_length, 32, CONFIG.max_length)),
        ({"max_batch": 2}, True, (2 * CONFIG.max_length, 2, CONFIG.max_length)),
        ({"max_batch": 2, "max_length": 5}, True, (10, 2, 5)),
        ({"max_tokens": 7}, True, (7, 32, 7)),
        ({"max_tokens": 7}, False, (7, 0, 7)),
    ],
)
def test_what_is_not_said_follows_from_the_model(
    options: dict[str, Any], bounded: bool, limits: tuple[int, int, int]
) -> None:
    assert Limits.choose(BuildOptions(**options), CONFIG, bounded) == Limits(*limits)


def test_engines_for_a_cpu_keep_to_them_too(bert_checkpoint: Path, tmp_path: Path) -> None:
    build(bert_checkpoint, tmp_path / "out", BuildOptions("torchscript", max_batch=1))
    engine = load(tmp_path / "out")
    assert len(engine(input_ids=[[2, 3]]).logits) == 1
    with pytest.raises(InputError, match="2 sequences, the engine takes 1"):
        engine(input_ids=[[2, 3], [2, 3]])


@pytest.mark.parametrize(
    "options", [{"max_batch": -3}, {"max_length": 0}, {"usual_batch": 0}, {"not_int8": (-1,)}]
)
def test_options_that_no_engine_can_have_are_refused(options: dict) -> None:
    with pytest.raises(LtpError, match=r"must be at least 1|from 0 on"):
        BuildOptions(**options)


@pytest.mark.parametrize(
    ("limits", "batch", "expected"),
    [
        (Limits(0, 0, 9), None, [[1, 3, 0, 4, 2]]),
        (Limits(0, 0, 9), 2, [[1, 3], [0, 4], [2]]),
        (Limits(0, 2, 9), 3, [[1, 3], [0, 4], [2]]),
        (Limits(8, 0, 9), None, [[1, 3, 0], [4], [2]]),
        (Limits(12, 2, 9), 4, [[1, 3], [0, 4], [2]]),
    ],
)
def test_many_sequences_become_requests_that_fit(
    limits: Limits, batch: int | None, expected: list[list[int]]
) -> None:
    lengths = np.array([5, 1, 9, 1, 7])
    lengths = np.minimum(lengths, limits.max_tokens or 9)
    found = limits.requests(lengths, batch)
    assert found == expected
    assert all(limits.allow(lengths[rows]) for rows in found)


@pytest.mark.parametrize(
    ("limits", "sequences"),
    [
        (Limits(0, 8, 40), 8),
        (Limits(100, 8, 40), 2),
        (Limits(100, 0, 40), 2),
        (Limits(40, 8, 40), 1),
    ],
)
def test_so_many_sequences_of_any_length_fit(limits: Limits, sequences: int) -> None:
    assert limits.sequences == sequences
    assert Limits(0, 0, 40).sequences > 10**9


def test_several_engines_take_what_each_of_them_takes() -> None:
    assert common([Limits(0, 8, 40), Limits(100, 0, 30)]) == Limits(100, 8, 30)
    assert common([Limits(0, 0, 40)]) == Limits(0, 0, 40)
