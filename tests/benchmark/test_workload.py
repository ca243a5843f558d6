"""What is run: lengths, tokens and the cut into requests."""

from __future__ import annotations

import numpy as np
import pytest

from ltp_deploy.benchmark.workload import (
    MAX_SEQUENCES,
    Case,
    from_data,
    of_distribution,
    of_length,
    request_count,
)
from ltp_deploy.data.batch import pack
from ltp_deploy.errors import LtpError
from ltp_deploy.model.config import EncoderConfig
from ltp_deploy.model.policy import PrunePolicy

CONFIG = EncoderConfig(
    family="roberta",
    head="classification",
    layers=3,
    hidden_size=8,
    heads=1,
    intermediate_size=32,
    vocab_size=11,
    position_rows=42,
    type_vocab_size=1,
    num_labels=2,
    labels=(),
    activation="gelu",
    head_activation="tanh",
    layer_norm_eps=1e-5,
    embedding_size=8,
    pad_token_id=1,
    position_start=2,
    padding_skips=True,
    policy=PrunePolicy.dense(3),
)


def test_padding_is_the_share_of_tokens_that_are_not_there():
    case = Case("", (pack([[5, 5], [5, 5, 5, 5]]), pack([[5]])))
    assert case.padding == pytest.approx(2 / 9)


def test_random_tokens_cover_the_vocabulary_but_padding():
    case = of_length(CONFIG, 40, batch=8)
    assert set(case.lengths) == {40}
    tokens = np.concatenate([request.input_ids for request in case.requests])
    assert set(tokens) == set(range(11)) - {CONFIG.pad_token_id}


def test_random_requests_differ_from_each_other_but_not_from_run_to_run():
    first, second = of_length(CONFIG, 9, 2), of_length(CONFIG, 9, 2)
    assert (first.requests[0].input_ids != first.requests[1].input_ids).any()
    for a, b in zip(first.requests, second.requests, strict=True):
        np.testing.assert_array_equal(a.input_ids, b.input_ids)


def test_distribution_has_the_mean_and_the_limit():
    case = of_distribution(CONFIG, mean=20, longest=40, batch=32)
    assert case.lengths.mean() == pytest.approx(20, rel=0.1)
    assert case.lengths.max() == 40
    assert len(set(case.lengths)) > 10


def test_a_length_that_the_model_does_not_take_is_refused():
    with pytest.raises(LtpError, match="41 is more than the model takes, 40"):
        of_length(CONFIG, CONFIG.max_length + 1, 1)


def test_data_keeps_its_order_and_drops_the_smaller_last_batch():
    data = pack([[i] * (i + 1) for i in range(8)])
    case = from_data(data, 3)
    assert [list(request.lengths) for request in case.requests] == [[1, 2, 3], [4, 5, 6]]
    assert list(case.requests[1].input_ids[:4]) == [3, 3, 3, 3]


def test_much_data_is_cut():
    data = pack([[7]] * 1000)
    assert len(from_data(data, 1).requests) == MAX_SEQUENCES
    assert len(from_data(data, 100).requests) == request_count(100) > 1


def test_too_little_data_is_refused():
    with pytest.raises(LtpError, match="2 rows, too few for a batch of 3"):
        from_data(pack([[1], [2]]), 3)
