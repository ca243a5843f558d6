"""Labels as text and as numbers, before a head says what they mean."""

import math

import pytest

from ltp_deploy.data.labels import as_number, label_text


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("1", 1), (" -2.50 ", -2.5), ("+.5", 0.5), ("1.", 1), ("1e1", 10), ("2E-1", 0.2)),
        *((3, 3), (0.5, 0.5), ("True", 1), ("false", 0), ("-inf", -math.inf)),
    ],
)
def test_numbers_are_read_as_data_files_write_them(text: str | float, number: float) -> None:
    assert as_number(text) == number


@pytest.mark.parametrize(
    "text", ["1_0", "infinity", "0x10", "1e", ".", "", "-", "\u0661", "1 0", "one"]
)
def test_what_only_a_program_takes_for_a_number_is_text(text: str) -> None:
    assert as_number(text) is None
    assert label_text(text) == text


def test_whole_numbers_are_compared_without_a_point() -> None:
    assert [label_text(label) for label in (1.0, "1.0", " 1", "1.5", "TRUE", "A")] == [
        *("1", "1", "1", "1.5", "true", "A"),
    ]
    assert label_text("nan") == "nan"
