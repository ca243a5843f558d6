"""Axes and marks of plots."""

from __future__ import annotations

import pytest

from ltp_deploy.report.page.svg import HEIGHT, WIDTH, Axis, Plot, round_ticks


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (84.3, 90.1, [85, 86, 87, 88, 89, 90]),
        (-1.02, 1.3, [-1.0, -0.5, 0.0, 0.5, 1.0]),
        (1, 9_500, [2_000, 4_000, 6_000, 8_000]),
        (1e-7, 3.1e-7, [1e-7, 1.5e-7, 2e-7, 2.5e-7, 3e-7]),
    ],
)
def test_ticks_are_round_and_inside(low: float, high: float, ticks: list[float]) -> None:
    assert round_ticks(low, high) == pytest.approx(ticks)


@pytest.mark.parametrize("values", [[0.0], [5.0, 5.0], [-3.0], [1e-9, 2e-9], [1e12]])
def test_an_axis_holds_values_that_do_not_differ(values: list[float]) -> None:
    axis = Axis.around(values, "score")
    assert axis.low < min(values) <= max(values) < axis.high
    assert axis.ticks
    assert all(0 <= axis.place(tick) <= 1 for tick, _ in axis.ticks)


def test_marks_lie_where_their_values_are() -> None:
    plot = Plot("title", Axis(0, 10, "x", ()), Axis(0, 1, "y", ()))
    plot.line([(0, 0), (10, 1), (5, 0.5)], "a")
    plot.box((2, 0), (4, 1), "box")
    svg = plot.svg()
    assert svg.get("viewBox") == f"0 0 {WIDTH} {HEIGHT}"
    assert svg[0].text == "title"
    line = next(mark for mark in svg if mark.get("class") == "line a")
    points = [tuple(map(float, point.split(","))) for point in str(line.get("points")).split()]
    (x0, y0), (x1, y1), (xm, ym) = points
    assert x0 < x1
    assert y0 > y1, "small values lie at the bottom"
    assert (xm, ym) == (
        pytest.approx((x0 + x1) / 2, abs=0.1),
        pytest.approx((y0 + y1) / 2, abs=0.1),
    )
    box = next(mark for mark in svg if mark.get("class") == "box")
    assert float(str(box.get("x"))) == pytest.approx(x0 + 0.2 * (x1 - x0), abs=0.1)
    assert float(str(box.get("height"))) == pytest.approx(y0 - y1, abs=0.1)
