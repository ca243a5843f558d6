"""What counts as broken, in every precision, and that something is judged."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from ltp_deploy.parity.compare import (
    Difference,
    LogitComparison,
    SurvivorComparison,
    ValueComparison,
    compare_values,
)
from ltp_deploy.parity.tolerances import TOLERANCES
from ltp_deploy.verification.gates import Gate, Tolerances, gates
from tests.heads.models import a_head

NONE = Tolerances()
TOGETHER = np.zeros(4, int)
SAME = SurvivorComparison()


def broken(precision: str, tolerances: Tolerances = NONE, **found: object) -> list[str]:
    given = {
        "logits": LogitComparison(max=0.0, mean=0.0, max_without_ties=0.0, flips=0),
        "values": None,
        "survivors": SAME,
        "scores": {},
        **found,
    }
    judged = gates(precision, 100, tolerances=tolerances, **given)  # type: ignore[arg-type]
    return [gate.what for gate in judged if not gate.passed]


def logits(**changes: object) -> LogitComparison:
    return dataclasses.replace(LogitComparison(0.0, 0.0, 0.0, 0), **changes)


def values(**changes: float | None) -> dict[str, object]:
    compared = dataclasses.replace(ValueComparison(0.0, 1.0), **changes)
    return {"logits": logits(flips=None), "values": compared}


@pytest.mark.parametrize("precision", TOLERANCES)
def test_values_are_judged_by_their_scale_and_their_order(precision: str) -> None:
    assert broken(precision, **values(error=0.049, spearman=0.991)) == []
    assert broken(precision, **values(error=0.051)) == ["RMS error, of the deviation"]
    assert broken(precision, **values(spearman=0.989)) == ["rank correlation"]


@pytest.mark.parametrize(
    ("precision", "least"),
    [("f32", 99.9), ("fp16", 98), ("bf16", 98), ("int8-dynamic", 95), ("int8", 95)],
)
def test_survivors_must_agree_whatever_ties_excuse(precision: str, least: float) -> None:
    tie = Difference(sequence=0, layer=0, tokens=(1,), margin=0.0, tie=True)
    found = SurvivorComparison([tie], least / 100 + 1e-4)
    assert broken(precision, survivors=found) == []
    found = SurvivorComparison([tie], least / 100 - 1e-4)
    assert broken(precision, survivors=found) == ["agreement of survivors"]


def test_one_disagreement_without_a_tie_breaks_f32() -> None:
    differs = Difference(sequence=0, layer=0, tokens=(1,), margin=0.1, tie=False)
    found = SurvivorComparison([differs], 0.9999)
    assert broken("f32", survivors=found) == ["sequences whose survivors differ without a tie"]
    assert broken("bf16", survivors=found) == []


@pytest.mark.parametrize("precision", TOLERANCES)
def test_logits_that_are_not_finite_always_break(precision: str) -> None:
    found = logits(max=float("nan"), max_without_ties=float("nan"))
    assert "logits that are not finite" in broken(precision, logits=found)


@pytest.mark.parametrize("precision", ["fp16", "bf16", "int8-dynamic", "int8"])
def test_reduced_precisions_may_change_a_few_answers(precision: str) -> None:
    allowed = int(TOLERANCES[precision].max_flips or 0)
    assert broken(precision, logits=logits(max=9.0, max_without_ties=9.0, flips=allowed)) == []
    found = logits(flips=allowed + 1)
    assert broken(precision, logits=found) == ["answers that change"]
    assert broken(precision, Tolerances(max_flips=50.0), logits=found) == []


def test_a_score_may_drop_by_a_point_where_there_is_one() -> None:
    scores = {"f1 %": {"oracle": 90.0, "engine": 88.9, "dense": 90.0}}
    assert broken("bf16", scores=scores) == ["drop of f1 %"]
    assert broken("f32", scores=scores) == []
    assert broken("f32", Tolerances(max_drop=1.0), scores=scores) == ["drop of f1 %"]
    just = {"f1 %": {"oracle": 100 * 0.14, "engine": 100 * 0.13}}
    assert broken("bf16", scores=just) == []


def test_nothing_is_judged_of_logits_where_every_sequence_has_a_tie() -> None:
    found = logits(max=9.0, max_without_ties=None, flips=2)
    judged = gates("f32", 2, found, None, SAME, {}, NONE)
    assert not any(gate.answers for gate in judged)


def test_a_gate_says_what_was_found_and_what_is_allowed() -> None:
    assert str(Gate("drop", 1.23456, 1, " points")) == (
        "drop: 1.235 points, allowed at most 1 points"
    )
    assert str(Gate("order", 0.9, 0.99, least=True)) == "order: 0.9, allowed at least 0.99"
    assert not Gate("drop", float("nan"), 1).passed
    assert not Gate("order", float("nan"), 0, least=True).passed


def test_values_are_compared_in_the_scale_of_the_oracles() -> None:
    oracle = np.array([0.0, 1.0, 2.0, 3.0])
    found = compare_values(oracle, oracle + np.array([0.1, -0.1, 0.1, -0.1]), TOGETHER)
    assert found.error == pytest.approx(0.1 / oracle.std())
    assert found.spearman == pytest.approx(1)
    assert compare_values(oracle, oracle[::-1], TOGETHER).spearman == pytest.approx(-1)
    assert compare_values(np.ones(4), oracle, TOGETHER) == ValueComparison(None, None)


def test_rounding_is_neither_error_nor_scale_nor_order() -> None:
    rounding = np.array([1e-6, -1e-6, 2e-6, 0.0])
    assert compare_values(0.3 + rounding, 0.3 - rounding, TOGETHER) == ValueComparison(None, None)
    oracle = np.array([0.3, 0.3, 0.7, 0.7])
    found = compare_values(oracle + rounding, oracle - rounding, np.array([0, 0, 1, 1]))
    assert found == ValueComparison(0.0, None)
    found = compare_values(oracle + rounding, oracle - rounding, TOGETHER)
    assert found.spearman == pytest.approx(1)


def test_texts_are_ranked_within_their_query() -> None:
    """Both queries' texts keep their order although the queries change places."""
    oracle = np.array([0.0, 1.0, 2.0, 10.0, 11.0])
    engine = np.array([10.0, 11.0, 12.0, 1.0, 0.0])
    found = compare_values(oracle, engine, np.array([0, 0, 0, 1, 1]))
    assert found.spearman == pytest.approx((3 * 1 + 2 * -1) / 5)


def test_the_groups_of_a_reranker_are_queries_that_repeat() -> None:
    def groups(texts: list) -> list[int]:
        values = np.arange(len(texts), dtype=np.float32)[:, None]
        found, numbers = a_head("ranking", 1).values(values, texts)
        assert found.tolist() == values[:, 0].tolist()
        return numbers.tolist()

    pairs = [("who", "a"), ("what", "b"), ("who", "c")]
    assert groups(pairs) == [0, 1, 0]
    by_chance = [*pairs, ("a", "b"), ("b", "c")]
    assert groups(by_chance) == [0] * 5
    assert groups([("a", "b"), ("c", "d")]) == [0, 0]
    assert groups(["a", "b"]) == [0, 0]
    assert groups([("a", "b"), ("a", "c"), "d"]) == [0, 0, 1]
    _, numbers = a_head("regression", 1).values(np.zeros((3, 1)), pairs)
    assert numbers.tolist() == [0, 0, 0]


PAGE = Path(__file__).parents[2] / "docs" / "verification.md"
ROWS = {
    "max_logit_difference": "--max-logit-difference",
    "max_flips": "--max-flips",
    "max_error": "--max-error",
    "max_cosine_error": "--max-error`, too |",
    "min_spearman": "--min-spearman",
    "min_agreement": "--min-agreement",
    "max_drop": "--max-drop",
}
COLUMNS = (("f32",), ("fp16", "bf16"), ("int8", "int8-dynamic"))


@pytest.mark.parametrize("name", ROWS)
def test_the_page_has_the_limits_that_hold(name: str) -> None:
    (row,) = [
        line
        for line in PAGE.read_text().splitlines()
        if f"| `{ROWS[name]}` |" in line or line.endswith(ROWS[name])
    ]
    cells = [cell.strip().removesuffix(" %") for cell in row.strip("|").split("|")][1:-1]
    for cell, precisions in zip(cells, COLUMNS, strict=True):
        for precision in precisions:
            limit = getattr(TOLERANCES[precision], name)
            assert (float(cell) if cell else None) == limit


def test_every_limit_can_be_stated() -> None:
    stated = {field.name for field in dataclasses.fields(Tolerances)}
    assert ROWS.keys() == {*stated, "max_cosine_error"}


def test_cosines_between_texts_have_a_limit_of_their_own() -> None:
    for precision, limit in TOLERANCES.items():
        of_values, of_cosines = (Tolerances().or_defaults(precision, c) for c in (False, True))
        assert of_values.max_error == limit.max_error
        assert of_cosines.max_error == limit.max_cosine_error
        assert Tolerances(max_error=2.0).or_defaults(precision, True).max_error == 2.0
    assert TOLERANCES["int8"].max_cosine_error > TOLERANCES["f32"].max_cosine_error
