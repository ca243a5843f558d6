"""Sizes are rounded up a little, to few different ones."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ltp_deploy.cuda.buckets import row_bucket, sequence_bucket


@given(st.integers(1, 200_000))
def test_a_bucket_holds_its_rows_and_little_more(rows: int) -> None:
    bucket = row_bucket(rows)
    assert rows <= bucket <= max(rows + 7, rows * (1.125 if rows <= 1024 else 1.0625))
    assert row_bucket(bucket) == bucket
    assert row_bucket(rows + 1) >= bucket


def test_there_are_few_buckets() -> None:
    assert len({row_bucket(n) for n in range(1, 16_385)}) <= 104
    assert {sequence_bucket(n, 24) for n in range(1, 25)} == {1, 2, 4, 8, 16, 24}


def test_short_requests_are_not_all_run_as_one_size() -> None:
    assert [row_bucket(n) for n in (1, 70, 82, 93, 105, 116, 128, 129)] == [
        *(8, 72, 88, 96, 112, 120, 128, 144)
    ]
    assert row_bucket(992.5) == 1024  # of expected rows
