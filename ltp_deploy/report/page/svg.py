"""Plots as SVG, in the colours of the page's style sheet, so that they follow light and dark."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from ltp_deploy.report.page.markup import Child, element, folded

WIDTH, HEIGHT = 440, 260  # of a plot, in units of which a letter is about 13 high
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 10, 44  # around its area

Point = tuple[float, float]


@dataclass(frozen=True)
class Axis:
    """One axis of a plot.

    Attributes:
        low, high: its ends.
        label: what it shows.
        ticks: numbers that are marked, with their names.
    """

    low: float
    high: float
    label: str
    ticks: tuple[tuple[float, str], ...]

    @classmethod
    def around(
        cls, values: Iterable[float], label: str, name: Callable[[float], str] = "{:g}".format
    ) -> Axis:
        """An axis that holds all values, with round numbers at its ticks."""
        known = list(values)
        low, high = min(known), max(known)
        room = 0.06 * (high - low) or max(0.01, 0.05 * abs(high))
        low, high = low - room, high + room
        return cls(low, high, label, tuple((tick, name(tick)) for tick in round_ticks(low, high)))

    def place(self, value: float) -> float:
        """0 at the low end, 1 at the high one."""
        return (value - self.low) / (self.high - self.low)


def round_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten within an interval."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough)
    first = math.ceil(low / step)
    return [round(i * step, 12) for i in range(first, math.floor(high / step) + 1)]


class Plot:
    """Marks on two axes. What is drawn later covers what was drawn before."""

    def __init__(self, title: str, x: Axis, y: Axis):
        self._title, self._x, self._y = title, x, y
        self._marks: list[Element] = []
        self._frame()

    def line(self, points: Sequence[Point], name: str) -> None:
        """Points joined by lines, in the style of a class."""
        self._marks.append(element("polyline", points=self._path(points), class_=f"line {name}"))

    def band(self, lower: Sequence[Point], upper: Sequence[Point], name: str) -> None:
        """The area between two lines."""
        path = self._path([*lower, *reversed(upper)])
        self._marks.append(element("polygon", points=path, class_=f"band {name}"))

    def dots(self, points: Sequence[Point], name: str, titles: Sequence[str] = ()) -> None:
        """A dot at each point; titles are shown under a pointer."""
        for i, (x, y) in enumerate(self._placed(points)):
            title = [element("title", titles[i])] if titles else []
            place = {"cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": "3.5"}
            self._marks.append(element("circle", *title, **place, class_=f"dot {name}"))

    def box(self, low: Point, high: Point, name: str) -> None:
        """A rectangle between two corners."""
        (x0, y0), (x1, y1) = self._placed([low, high])
        self._marks.append(rectangle(x0, min(y0, y1), x1 - x0, abs(y1 - y0), name))

    def level(self, y: float, name: str) -> None:
        """A line from side to side."""
        self.line([(self._x.low, y), (self._x.high, y)], name)

    def label(self, at: Point, text: str, name: str = "", anchor: str = "start") -> None:
        """Words in the plot."""
        ((x, y),) = self._placed([at])
        self._marks.append(words(x, y, text, name, anchor))

    def svg(self) -> Element:
        """The plot."""
        return picture(self._title, WIDTH, HEIGHT, self._marks)

    def _frame(self) -> None:
        for tick, text in self._y.ticks:
            ((x, y),) = self._placed([(self._x.low, tick)])
            grid = [(self._x.low, tick), (self._x.high, tick)]
            self.line(grid, "grid")
            self._marks.append(words(x - 6, y + 4, text, "tick", "end"))
        for tick, text in self._x.ticks:
            ((x, y),) = self._placed([(tick, self._y.low)])
            self._marks.append(words(x, y + 17, text, "tick", "middle"))
        self._marks.append(words(LEFT, TOP + 1, self._y.label, "axis"))
        middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
        self._marks.append(words(middle, HEIGHT - 6, self._x.label, "axis", "middle"))

    def _placed(self, points: Sequence[Point]) -> list[Point]:
        wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - 12 - BOTTOM
        return [
            (LEFT + wide * self._x.place(x), TOP + 12 + high * (1 - self._y.place(y)))
            for x, y in points
        ]

    def _path(self, points: Sequence[Point]) -> str:
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in self._placed(points))


def picture(title: str, width: float, height: float, marks: Sequence[Element]) -> Element:
    """An SVG with a title for those who do not see it."""
    box = f"0 0 {width:g} {height:g}"
    return element("svg", element("title", title), *marks, role="img", viewBox=box)


def words(x: float, y: float, text: str, name: str = "", anchor: str = "start") -> Element:
    """Text that begins, ends or has its middle at x, on the line y."""
    place = {"x": f"{x:.1f}", "y": f"{y:.1f}"}
    return element("text", text, **place, class_=name or None, text_anchor=anchor)


def rectangle(x: float, y: float, width: float, height: float, name: str) -> Element:
    """A rectangle, wide enough to be seen."""
    place = {"x": f"{x:.1f}", "y": f"{y:.1f}"}
    size = {"width": f"{max(width, 0.5):.1f}", "height": f"{height:.1f}"}
    return element("rect", **place, **size, class_=name)


def figure(svg: Element, keys: Sequence[tuple[str, str]], *tables: Child) -> Element:
    """A plot with what its styles mean, and its numbers as a table.

    Args:
        keys: the classes of a style ("line a", "band a", "dot a", "box a") and its meaning.
    """
    legend = [element("li", _key(style), meaning) for style, meaning in keys]
    parts: list[Child] = [svg]
    if legend:
        parts.append(element("ul", *legend, class_="legend"))
    if tables:
        parts.append(folded("As a table", *tables))
    return element("figure", *parts)


def _key(style: str) -> Element:
    """A small sample of a style."""
    kind = style.split()[0]
    if kind == "line":
        mark = element("polyline", points="1,6 23,6", class_=style)
    elif kind == "dot":
        mark = element("circle", cx="12", cy="6", r="3.5", class_=style)
    else:
        mark = element("rect", x="2", y="1", width="20", height="10", class_=style)
    return element("svg", mark, aria_hidden="true", class_="key", viewBox="0 0 24 12")
