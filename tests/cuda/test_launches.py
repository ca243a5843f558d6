"""The launches in Python are the same as those in C++."""

import ctypes
import re
from pathlib import Path

import pytest

from ltp_deploy.compiler.cost import ONE_SWEEP
from ltp_deploy.cuda import launches as python
from ltp_deploy.cuda.launches import Arguments, Layer, NormArguments, launches, workspace
from ltp_deploy.model.policy import Carry, LayerRule, Mode

SOURCES = Path(__file__).parents[2] / "plugins" / "cuda"
TEXT = "\n".join(path.read_text() for path in sorted(SOURCES.glob("*.*")))
TOP, NONE = LayerRule(Mode.TOPK, 0.5), LayerRule(Mode.NONE)


def layer(rule: LayerRule = TOP, carry: Carry = Carry.SURVIVORS, head_size: int = 64) -> Layer:
    return Layer(12, head_size, rule, 0, True, carry)


@pytest.mark.parametrize("structure", [Arguments, NormArguments])
def test_the_arguments_lie_as_the_kernels_expect_them(structure: type[ctypes.Structure]) -> None:
    """The C++ code asserts the same numbers when it is compiled."""
    kind = structure.__name__
    asserted = dict(re.findall(rf"offsetof\({kind}, (\w+)\) == (\d+)", TEXT))
    assert asserted
    for field, offset in asserted.items():
        assert getattr(structure, field).offset == int(offset)
    (size,) = re.findall(rf"sizeof\({kind}\) == (\d+)", TEXT)
    assert ctypes.sizeof(structure) == int(size)
    declared = re.search(rf"struct {kind} \{{(.*?)\n\}};", TEXT, re.DOTALL)
    assert declared
    names = re.findall(r"(\w+);", re.sub(r"//.*", "", declared[1]))
    assert names == [name for name, _ in structure._fields_]


@pytest.mark.parametrize(
    ("constant", "value"),
    [
        ("kAttendRows", python.ATTEND_ROWS),
        ("kAttendThreads", python.ATTEND_THREADS),
        ("kCompactRows", python.COMPACT_ROWS),
        ("kFirstRowThreads", python.FIRST_ROW_THREADS),
        ("kNormRows", python.NORM_ROWS),
        ("kNormColumns", python.MAX_NORM_COLUMNS),
        ("kOnceKeys", ONE_SWEEP),
    ],
)
def test_constants_are_those_of_the_kernels(constant: str, value: int) -> None:
    assert re.search(rf"\b{constant} = (\d+)", TEXT)[1] == str(value)
    assert python.COMPACT_THREADS == python.COMPACT_ROWS * 32
    assert python.NORM_THREADS == python.NORM_ROWS * 32


def test_every_kernel_launched_exists() -> None:
    sizes = re.findall(r"LTP_KERNELS_OF_SIZE\((\d+),", TEXT)
    assert sizes == ["32", "64", "128"]
    entries = {
        name.replace("##size", s)
        for name in re.findall(r"(ltp_\w+(?:##size)?)\(ltp::cuda::Arguments", TEXT)
        for s in sizes
    }
    for rule in (TOP, NONE, LayerRule(Mode.ABSOLUTE, 0.0)):
        for carry in Carry:
            for head_size in (8, 32, 40, 64, 72, 128):
                for launch in launches(layer(rule, carry, head_size), 100, 3):
                    assert launch.kernel in entries


@pytest.mark.parametrize(
    ("rule", "carry", "kernels"),
    [
        (TOP, Carry.SURVIVORS, ["ltp_attend_scores_64", "ltp_compact"]),
        (TOP, Carry.BOUNDED, ["ltp_attend_scores_64", "ltp_compact"]),
        (NONE, Carry.BOUNDED, ["ltp_attend_64", "ltp_compact"]),
        (TOP, Carry.ALL, ["ltp_attend_scores_64"]),
        (NONE, Carry.ALL, ["ltp_attend_64"]),
        (NONE, Carry.FIRST, ["ltp_first_row_64"]),
        (TOP, Carry.FIRST, ["ltp_attend_scores_64"]),
    ],
)
def test_a_layer_launches_no_more_than_it_needs(
    rule: LayerRule, carry: Carry, kernels: list[str]
) -> None:
    assert [launch.kernel for launch in launches(layer(rule, carry), 100, 3)] == kernels


def test_the_grid_has_blocks_for_every_tile() -> None:
    """However 129 rows are shared out among 2 sequences, 64 rows to a tile."""
    (attend, *_) = launches(layer(), 129, 2)
    needed = max(-(-a // 64) + -(-(129 - a) // 64) for a in range(130))
    assert attend.grid[0] >= needed
    assert attend.grid[1] == 12


def test_parts_of_the_workspace_do_not_overlap() -> None:
    space = workspace(layer(), 100, 3)
    cleared = {"scores": 800, "blocks_done": 12}
    rest = {"attended": 2 * 100 * 768, "survivors": 400, "survivor_counts": 12}
    end = 0
    for part, size in (cleared | rest).items():
        assert space.places[part] >= end
        assert space.places[part] % 256 == 0
        end = space.places[part] + size
    assert space.bytes >= end
    assert space.zeroed == space.places["blocks_done"] + 12
    assert space.zeroed <= min(space.places[part] for part in rest)
    assert workspace(layer(NONE, Carry.ALL), 100, 3).places == {}
