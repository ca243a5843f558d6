"""What is written down in C++ and in Python gives the same answers in both: when a rule prunes at
all, who survives it, how it is scaled, position ids, digests of files, and which documents may be
manifests."""

from __future__ import annotations

from itertools import chain, product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from ltp_deploy.bundle.document import parse
from ltp_deploy.bundle.files import PIECE, BundleFiles
from ltp_deploy.data.batch import pack
from ltp_deploy.model.policy import LayerRule, Mode
from ltp_deploy.model.reference import survivors_of
from tests.agreement.conftest import Ask

HEADS = 2
SCORES = {  # summed over 2 heads and as many queries as tokens
    "distinct": [0.5, 3.0, 0.25, 1.5, 4.75],
    "tied": [2.0, 2.0, 2.0, 2.0, 2.0],
    "zero": [0.0, 5.0, 0.0, 5.0, 0.0],
    "one token": [2.0],
}
THRESHOLDS = {
    Mode.NONE: [0.0, 0.5],
    Mode.ABSOLUTE: [-1.0, -0.0, 0.0, 1e-45, 1e-9, 0.2, 9.0],
    Mode.RELATIVE: [-1.0, -0.0, 0.0, 1e-45, 1e-9, 0.5, 1.0, 1.5],
    Mode.TOPK: [0.0, 0.3, 0.5, 0.7, float(np.nextafter(np.float32(1), np.float32(0))), 1.0],
}
RULES = [LayerRule(mode, value) for mode, values in THRESHOLDS.items() for value in values]


def words(*values: float | list[float]) -> str:
    """Numbers and lists as answers.cpp reads them, exact to the last bit."""
    parts = []
    for value in values:
        parts += [len(value), *value] if isinstance(value, list) else [value]
    return " ".join(part.hex() if isinstance(part, float) else str(int(part)) for part in parts)


def test_a_rule_prunes_in_both_or_in_neither(ask: Ask) -> None:
    """A mean score is never below 0, so a threshold of 0 or less prunes nothing."""
    found = ask(f"prunes {words(rule.mode, rule.threshold, 0, True)}" for rule in RULES)
    wanted = [str(int(rule.prunes)) for rule in RULES]
    table = [str(rule.mode.name) + f" {rule.threshold}" for rule in RULES]
    assert dict(zip(table, found, strict=True)) == dict(zip(table, wanted, strict=True))
    assert {"0", "1"} == set(found)


def test_the_same_tokens_survive(ask: Ask) -> None:
    cases = [
        (rule, length, scores, denominator, keep_first)
        for rule, scores, denominator, keep_first in product(
            RULES, SCORES.values(), (0, 128), (False, True)
        )
        for length in (len(scores), len(scores) + 3)  # tokens that earlier layers pruned count
    ]
    found = ask(
        f"survivors {words(rule.mode, rule.threshold, denominator, first, HEADS, length, scores)}"
        for rule, length, scores, denominator, first in cases
    )
    pruned = set()
    for case, answer in zip(cases, found, strict=True):
        rule, length, scores, denominator, keep_first = case
        arguments = (length, HEADS, int(rule.mode), rule.threshold, denominator, keep_first)
        kept = survivors_of(torch.tensor(scores), *arguments).tolist()
        assert answer == "".join(str(int(token)) for token in kept), case
        if "0" in answer:
            assert rule.prunes, case
            pruned.add(rule.mode)
    assert pruned == {Mode.ABSOLUTE, Mode.RELATIVE, Mode.TOPK}


def test_scaled_thresholds(ask: Ask) -> None:
    cases = list(product(RULES, (0.0, 0.1, 0.5, 1.0, 1.3, 7.0)))
    found = ask(
        f"scaled {rule.mode.name.lower()} {rule.threshold.hex()} {factor.hex()}"
        for rule, factor in cases
    )
    for (rule, factor), answer in zip(cases, found, strict=True):
        assert float(answer) == rule.scaled(factor).threshold, (rule, factor)


@pytest.mark.parametrize("padding_skips", [False, True])
@pytest.mark.parametrize("start", [0, 2])
def test_position_ids(ask: Ask, start: int, padding_skips: bool) -> None:
    pad = 1
    config: Any = SimpleNamespace(
        pad_token_id=pad, position_start=start, padding_skips=padding_skips
    )
    requests = [
        [[5]],
        [[pad]],
        [[5, pad, 6, pad], [pad, 7]],
        [[pad, pad, 3], [4, 5, 6, 7], [8, pad]],
        np.random.default_rng(0).integers(0, 4, (3, 9)).tolist(),
    ]
    questions = (
        f"positions {words(start, padding_skips, pad, [len(r) for r in rows], list(chain(*rows)))}"
        for rows in requests
    )
    for rows, answer in zip(requests, ask(questions), strict=True):
        assert answer.split() == [str(i) for i in pack(rows).position_ids(config)], rows


def test_digests(ask: Ask, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for size in (0, 1, 64, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE + 1000):
        (tmp_path / str(size)).write_bytes(random.bytes(size))
    wanted = {name: entry.digest for name, entry in BundleFiles(tmp_path).listing(()).items()}
    found = ask(f"digest {tmp_path / name}" for name in wanted)
    assert dict(zip(wanted, found, strict=True)) == wanted


GOOD, BAD = True, False
DOCUMENTS = [
    (b"{}", GOOD),
    (b' {"a": [1, -2.5e-3, true, null, "\xc3\xa9\\u00e9\\ud83d\\ude00"]}\r\n', GOOD),
    (b'{"a": {"x": 1}, "b": {"x": 1}}', GOOD),
    (b"[" * 100 + b"]" * 100, GOOD),
    (b"123456789012345678901234567890", GOOD),
    (b"", BAD),
    (b"[1,]", BAD),
    (b"[1] 2", BAD),
    (b"{} // all", BAD),
    (b"01", BAD),
    (b'{"a": 1, "a": 1}', BAD),
    (b'{"a": 1, "\\u0061": 2}', BAD),
    (b'[{"b": {"a": 1, "a": 2}}]', BAD),
    (b"NaN", BAD),
    (b"[Infinity]", BAD),
    (b"[-Infinity]", BAD),
    (b"1e999", BAD),
    (b"-1e999", BAD),
    (b"1" * 400, BAD),
    (b"1" * 5000, BAD),
    (b'"\\ud800"', BAD),
    (b'"\\udc00"', BAD),
    (b'{"\\ud800": 1}', BAD),
    (b'"\\ude00\\ud83d"', BAD),
    (b'"\xed\xa0\x80"', BAD),
    (b'"\xff"', BAD),
    (b'"\xc0\x80"', BAD),
    (b'"\n"', BAD),
    (b"\xef\xbb\xbf{}", BAD),
    ("{}".encode("utf-16"), BAD),
    ("{}".encode("utf-16-le"), BAD),
    (b"{}\0", BAD),
    (b"{}\0{}", BAD),
    (b"[" * 101 + b"]" * 101, BAD),
    (b'{"a":' * 101 + b"1" + b"}" * 101, BAD),
    (b"[" * 100000, BAD),
]


def is_accepted(document: bytes) -> bool:
    try:
        parse(document)
    except ValueError:
        return False
    return True


def test_documents(ask: Ask, tmp_path: Path) -> None:
    for number, (document, _) in enumerate(DOCUMENTS):
        (tmp_path / str(number)).write_bytes(document)
    found = ask(f"json {tmp_path / str(number)}" for number in range(len(DOCUMENTS)))
    for (document, wanted), answer in zip(DOCUMENTS, found, strict=True):
        assert (is_accepted(document), answer) == (wanted, str(int(wanted))), document[:40]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"9223372036854775807", 2**63 - 1),
        (b"-9223372036854775808", -(2**63)),
        (b"9223372036854775808", 2.0**63),
        (b"-9223372036854775809", -(2.0**63)),
        (b"1" * 30, float("1" * 30)),
    ],
)
def test_integers_of_more_than_64_bits_are_none(text: bytes, value: float) -> None:
    """As in C++, where `Value::integer` refuses them."""
    found = parse(text)
    assert (found, type(found)) == (value, type(value))
