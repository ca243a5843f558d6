"""What nvcc makes of the kernels, tensor core instructions included, in an interpreter of PTX."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ltp_deploy.cuda.launches import Layer, launches
from ltp_deploy.model.policy import Carry, LayerRule, Mode
from tests import naive
from tests.backends.torch_cuda.test_op import check, check_engine, in_halves
from tests.backends.torch_cuda.test_residual_norm import problem as norm_problem
from tests.backends.torch_cuda.test_residual_norm import reference as norm_reference
from tests.cuda.ptx import Kernel, Unknown
from tests.cuda.ptx_arithmetic import MEANINGS
from tests.cuda.ptx_memory import PtxError
from tests.model.problems import Problem, random_problem

Run = Callable[[str], Any]
MARGIN = 1e-3  # of scores; the kernels' sums are in floats
CASES = [  # all kernels among them
    ("none", 0.0, "all", 32),
    ("none", 0.0, "survivors", 64),
    ("none", 0.0, "bounded", 128),
    ("none", 0.0, "first", 32),
    ("none", 0.0, "first", 64),
    ("none", 0.0, "first", 128),
    ("absolute", 0.008, "survivors", 64),
    ("absolute", 0.008, "all", 40),
    ("relative", 0.5, "first", 32),
    ("topk", 0.5, "bounded", 128),
]


def problem(mode: str, threshold: float, carry: str, head_size: int) -> Problem:
    """Of sequences with one tile of keys and with several, of one token and of none."""
    rule = {"mode": mode, "threshold": threshold, "carry": carry, "score_length": 128}
    return clear([9, 0, 1, 70, 130], 2, head_size, **rule)


def many_rows() -> Problem:
    """More in a sequence than the deciding block has threads, more sequences than a warp."""
    return clear([530, *[3] * 33], 1, 8, mode="topk", threshold=0.5, score_length=530)


def clear(lengths: list[int], heads: int, head_size: int, **rule: Any) -> Problem:
    """A random problem none of whose scores is close to its threshold."""
    for seed in range(20):
        found = in_halves(random_problem(lengths, seed, heads, head_size, **rule))
        if found.mode == "none" or naive.pruned_attention(found)[-1] > MARGIN:
            return found
    raise ValueError("all too close to a threshold")


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_op_answers_like_its_reference(case: tuple[Any, ...], ptx: str, run_ptx: Run) -> None:
    with run_ptx(ptx):
        check(problem(*case))


@pytest.mark.slow
def test_many_rows_are_answered_like_the_reference(ptx: str, run_ptx: Run) -> None:
    with run_ptx(ptx):
        check(many_rows())


@pytest.mark.slow
@pytest.mark.parametrize("gathers", [False, True])
def test_the_residual_norm_answers_like_its_reference(
    gathers: bool, ptx: str, run_ptx: Run
) -> None:
    given = norm_problem(5, 264, gathers)
    with run_ptx(ptx):
        found = torch.ops.ltp.residual_norm(*given, 1e-5)
    torch.testing.assert_close(found.double(), norm_reference(*given), rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_the_cases_launch_every_kernel(ptx: str) -> None:
    ran = {"ltp_residual_norm"}
    for mode, threshold, carry, head_size in CASES:
        rule = LayerRule(Mode[mode.upper()], threshold)
        layer = Layer(2, head_size, rule, 128, True, Carry[carry.upper()])
        ran |= {launch.kernel for launch in launches(layer, 100, 4)}
    assert ran == set(re.findall(r"\.entry (\w+)", ptx))


@pytest.mark.slow
def test_a_whole_engine_answers_like_the_oracle(
    ptx: str,
    run_ptx: Run,
    checkpoint_of: Callable[..., Path],
    bundle_of: Callable[..., Path],
) -> None:
    checkpoint = checkpoint_of("bert", "absolute")
    bundle = bundle_of(checkpoint, "torch-cuda", compact="all", max_batch=8)
    with run_ptx(ptx) as launched:
        check_engine(checkpoint, bundle, launched)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("instruction", "instead", "error"),
    [
        (r"(ldmatrix[\w.]*)\.trans", r"\1", AssertionError),
        (  # rows g and g + 8 of A
            r"(mma\.sync[^{]*\{[^}]*\}, )\{(%r\d+), (%r\d+)",
            r"\1{\3, \2",
            AssertionError,
        ),
        (r"max\.f32", "min.f32", AssertionError),
        (r"(?:membar\.gl|fence\.\w+\.gpu);", "", AssertionError),
        (r"(ld\.global\.v4\.u32[^\[]*\[%rd\d+)[^\]]*", r"\1+2", PtxError),
    ],
)
def test_a_changed_instruction_is_noticed(
    instruction: str, instead: str, error: type[Exception], ptx: str, run_ptx: Run
) -> None:
    faulty, places = re.subn(instruction, instead, ptx)
    assert places
    given = problem("absolute", 0.008, "survivors", 64)
    with run_ptx(faulty), pytest.raises(error):
        check(given)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kernel", "make"),
    [
        ("ltp_attend_64", partial(problem, "none", 0.0, "survivors", 64)),
        ("ltp_attend_scores_64", partial(problem, "absolute", 0.008, "survivors", 64)),
        ("ltp_attend_scores_128", partial(problem, "absolute", 0.008, "survivors", 128)),
        ("ltp_first_row_64", partial(problem, "none", 0.0, "first", 64)),
        ("ltp_compact", partial(problem, "absolute", 0.008, "survivors", 64)),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_without_any_one_barrier_a_race_is_found(
    kernel: str, make: Callable[[], Problem], ptx: str, run_ptx: Run
) -> None:
    given = make()
    start = ptx.index(f".entry {kernel}(")
    barriers = re.compile(r"bar\.sync[^;]*;|\n}").finditer(ptx, start)
    places = [found.span() for found in takewhile(lambda found: found[0] != "\n}", barriers)]
    assert places
    for first, last in places:
        with run_ptx(ptx[:first] + ptx[last:]), pytest.raises(PtxError, match="a race"):
            check(given)


# The interpreter itself

PROGRAM = """
.visible .entry program(
	.param .align 8 .b8 program_param_0[8]
)
{{
	.reg .pred 	%p<2>;
	.reg .b32 	%r<4>;
	.reg .b64 	%rd<4>;
	.shared .align 4 .b8 memory[256];

	mov.u32 	%r1, %tid.x;
	{}
$done:
	ret;

}}
"""


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            "setp.lt.s32 %p1, %r1, 16; @%p1 bra $done; bar.sync 0;",
            "48 threads wait for others at bar",
        ),
        (
            "setp.lt.s32 %p1, %r1, 48; @%p1 bra $done; vote.sync.ballot.b32 %r2, %p1, -1;",
            "16 threads wait for others at vote",
        ),
        ("vote.sync.ballot.b32 %r2, 1, 65535;", "65535 is not 4294967295"),
        ("shl.b32 %r2, %r1, 2; st.shared.u32 [%r2+4], %r1;", "st.shared.* out of bounds"),
        ("shl.b32 %r2, %r1, 2; ld.shared.u32 %r2, [%r2+-4];", "not aligned, or negative"),
        ("ld.shared.u32 %r2, [%r1];", "not aligned"),
        (
            "shl.b32 %r2, %r1, 2; st.shared.u32 [%r2], %r1; ld.shared.u32 %r3, [memory];",
            "ld.* a race",
        ),
        (
            "shl.b32 %r2, %r1, 2; ld.shared.u32 %r3, [memory]; st.shared.u32 [%r2], %r1;",
            "st.* a race",
        ),
        ("st.shared.u32 [memory], %r1;", "two threads write"),
        (
            "ld.param.u64 %rd1, [program_param_0]; setp.eq.s32 %p1, %r1, 0;"
            "atom.global.add.u64 %rd2, [%rd1], 1; @%p1 membar.gl;",
            "membar.* a race for global memory",
        ),
        (
            "shl.b32 %r2, %r1, 2; setp.eq.s32 %p1, %r1, 0; @%p1 st.shared.u64 [memory+8], %rd1;"
            "ld.shared.u32 %r3, [%r2];",
            "ld.* a race",
        ),
    ],
)
def test_what_no_gpu_allows_is_an_error(lines: str, message: str) -> None:
    kernel = Kernel(PROGRAM.format(lines), "program", 64)
    word = np.zeros(1, np.uint64)
    with pytest.raises(PtxError, match=message):
        kernel.run((1, 1), np.array(word.ctypes.data, np.uint64).tobytes())


@pytest.mark.slow
def test_more_threads_than_a_kernel_takes_are_an_error(ptx: str) -> None:
    with pytest.raises(PtxError, match="256 threads; ltp_attend_64 takes at most 128"):
        Kernel(ptx, "ltp_attend_64", 256)


@pytest.mark.parametrize("fence", ["membar.gl;", ""])
def test_only_what_was_fenced_is_there_before_the_grid_has_ended(fence: str) -> None:
    """The last of three blocks copies the sum that all of them have added to."""
    found = np.zeros(3, dtype=np.uint64)
    lines = f"""
	ld.param.u64 	%rd1, [program_param_0];
	atom.global.add.u64 	%rd2, [%rd1], 1;
	bar.sync 	0;
	setp.ne.s32 	%p1, %r1, 0;
	@%p1 bra 	$done;
	{fence}
	atom.global.add.u32 	%r2, [%rd1+8], 1;
	setp.ne.s32 	%p1, %r2, 2;
	@%p1 bra 	$done;
	ld.global.cg.u64 	%rd3, [%rd1];
	st.global.u64 	[%rd1+16], %rd3;
"""
    address = np.array(found.ctypes.data, dtype=np.uint64).tobytes()
    Kernel(PROGRAM.format(lines), "program", 64).run((3, 1), address)
    assert found.tolist() == [192, 3, 192 if fence else 0]


def test_threads_that_parted_meet_again() -> None:
    """Each thread counts to its own number, and then a vote needs them all."""
    found = np.zeros(64, dtype=np.uint32)
    lines = """
	mov.u32 	%r2, 0;
$more:
	add.s32 	%r2, %r2, 3;
	setp.lt.s32 	%p1, %r2, %r1;
	@%p1 bra 	$more;
	setp.gt.s32 	%p1, %r2, 60;
	vote.sync.ballot.b32 	%r3, %p1, -1;
	ld.param.u64 	%rd1, [program_param_0];
	mul.wide.u32 	%rd2, %r1, 4;
	add.s64 	%rd3, %rd1, %rd2;
	st.global.u32 	[%rd3], %r3;
"""
    address = np.array(found.ctypes.data, dtype=np.uint64).tobytes()
    Kernel(PROGRAM.format(lines), "program", 64).run((1, 1), address)
    assert found.tolist() == [0] * 32 + [0b111 << 29] * 32


@pytest.mark.parametrize("line", ["sin.approx.f32 %r2, %r1;", "mul.24.lo.s32 %r2, %r1, 3;"])
def test_an_unknown_instruction_is_named(line: str) -> None:
    with pytest.raises(Unknown, match=re.escape(line[:-1])):
        Kernel(PROGRAM.format(line), "program", 64)


@pytest.mark.parametrize(
    ("opcode", "values", "expected"),
    [
        ("shl.b32", [3, 31], 1 << 31),
        ("shl.b32", [3, 32], 0),
        ("shr.u32", [1 << 31, 40], 0),
        ("shr.s32", [-8, 40], -1),
        ("mul.hi.s32", [-(1 << 31), 6], -3),
        ("mul.wide.s32", [-(1 << 31), 6], -6 << 31),
        ("mad.lo.s32", [1 << 16, 1 << 15, -1], (1 << 31) - 1),
        ("div.s32", [-7, 2], -3),
        ("bfi.b32", [0b11, 0b1001_0001, 5, 2], 0b1111_0001),
        ("bfind.shiftamt.u32", [1 << 20], 11),
        ("bfind.shiftamt.u32", [0], (1 << 32) - 1),
        ("brev.b32", [0b1011], 0b1101 << 28),
        ("popc.b32", [0b1011], 3),
        ("cvt.rni.u64.f32", [2.5], 2),
        ("cvt.rni.u64.f32", [-3.0], 0),
        ("cvt.rni.u64.f32", [np.nan], 1 << 63),
        ("cvt.rzi.s32.f32", [np.nan], 0),
        ("cvt.rni.u64.f32", [1e30], (1 << 64) - 1),
        ("cvt.rzi.s32.f32", [-2.7], -2),
        ("cvt.s64.s32", [-5], -5),
        ("cvt.u64.u32", [(1 << 32) - 5], (1 << 32) - 5),
        ("cvt.rn.f16x2.f32", [1.0, -2.0], 0x3C00_C000),
        ("ex2.approx.ftz.f32", [-3.0], 0.125),
        ("ex2.approx.ftz.f32", [-130.0], 0.0),
        ("max.f32", [np.nan, 1.0], 1.0),
        ("setp.ne.f32", [np.nan, 1.0], False),
        ("setp.neu.f32", [np.nan, 1.0], True),
        ("setp.nan.f32", [1.0, 2.0], False),
        ("selp.b32", [7, 8, False], 8),
    ],
)
def test_instructions_give_the_values_that_the_manual_says(
    opcode: str, values: list[Any], expected: Any
) -> None:
    operation, *how = opcode.split(".")
    function, dtypes = MEANINGS[operation](*how)
    with np.errstate(all="ignore"):
        given = [np.array([v]).astype(d) for v, d in zip(values, dtypes, strict=True)]
        assert function(*given).tolist() == [expected]
