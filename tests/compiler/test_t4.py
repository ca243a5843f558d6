"""The T4's cost model meets what NVIDIA published."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ltp_deploy.compiler.cost import dense_time
from ltp_deploy.compiler.plan import PlanRequest, make_plan
from ltp_deploy.compiler.t4 import T4, T4_INT8
from ltp_deploy.targets import find_target
from tests.compiler.test_placement import BASE

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import t4_published

    yield t4_published
    for module in ("t4_published", "t4_fit", "random_model"):
        sys.modules.pop(module, None)


def test_it_meets_all_published_points(published: ModuleType) -> None:
    assert sum(len(table.points) for table in published.TABLES) == 76
    for table in published.TABLES:
        errors = table.errors(published.modelled)
        if table.library == "TensorRT":
            assert published.rms(errors) <= 0.05, table.name
            assert np.abs(errors).max() <= 0.1, table.name
        else:
            assert published.rms(errors) <= 0.1, table.name


def test_its_constants_are_those_of_the_fit(published: ModuleType) -> None:
    import t4_fit

    fitted = asdict(t4_fit.fit(list(published.TABLES)))
    assert asdict(t4_fit.Constants()) == pytest.approx(fitted, rel=0.02)


def test_points_that_the_fit_has_not_seen_are_met_little_worse(published: ModuleType) -> None:
    import t4_fit

    unseen = t4_fit.held_out()
    for table, errors in zip(published.TABLES, unseen, strict=True):
        assert len(errors) == len(table.points)
        limit = 0.06 if table.library == "TensorRT" else 0.11
        assert published.rms(np.array(errors)) <= limit, table.name


def test_a_table_without_padding_has_half_the_tokens(published: ModuleType) -> None:
    padded, unpadded = published.TABLES[2:4]
    assert [n.sum() for n, _ in unpadded.points] == [n.sum() / 2 for n, _ in padded.points]
    fast = replace(T4, launch=0.0, dense_attention=1e30, bandwidth=1e30)
    errors = padded.errors(lambda library, precision: fast)
    lengths, seconds = padded.points[-1]
    products = 2 * 32 * 384 * 12 * 12 * 768**2 / fast.flops  # 12 d^2 multiply-adds a row and layer
    assert errors[-1] == pytest.approx(products / seconds - 1)
    assert seconds == pytest.approx(0.09972)
    assert lengths.tolist() == [384] * 32


def test_int8_is_planned_with_constants_of_its_own() -> None:
    target = find_target("t4")
    assert target.backend.cost(target, "fp16") is T4
    assert target.backend.cost(target, "int8") is T4_INT8
    assert dense_time(T4_INT8, BASE, np.full(32, 128)) < 0.6 * dense_time(
        T4, BASE, np.full(32, 128)
    )


def test_a_change_of_shapes_is_part_of_the_prediction() -> None:
    def seconds(request: float) -> float:
        gpu = replace(T4, request=request)
        prediction = make_plan(PlanRequest(BASE, "fp16", gpu=gpu)).prediction
        assert prediction is not None
        return prediction.seconds

    assert seconds(1.0) - seconds(0.0) == pytest.approx(1.0)
