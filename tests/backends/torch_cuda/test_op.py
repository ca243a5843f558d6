"""The op's CUDA implementation with its real kernels, in emulation: arguments, launches, memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import assume, given

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.errors import LtpError
from ltp_deploy.heads import head_of
from ltp_deploy.model.reference import packed_reference
from ltp_deploy.parity.compare import compare_logits, compare_survivors
from ltp_deploy.parity.oracle_run import run_oracle
from ltp_deploy.parity.tolerances import TOLERANCES
from ltp_deploy.runtime.engine import load
from tests import naive
from tests.answers import batch_for
from tests.model.problems import CARRIES, Problem, problems, random_problem

CONTEXT = 4e-3  # halves, and probabilities rounded to halves

TIE = TOLERANCES["fp16"].tie


def in_halves(problem: Problem) -> Problem:
    """Values that half precision holds, in floats."""
    return replace(problem, qkv=problem.qkv.half().float())


def check(problem: Problem) -> None:
    """The kernels' answer is that of the reference, whose inputs are the same numbers."""
    found = replace(problem, qkv=problem.qkv.half()).solve()
    wanted = packed_reference(*problem.arguments)
    context, kept, offsets, alive = found
    assert context.dtype == torch.float16
    assert {x.dtype for x in (kept, offsets, alive)} == {torch.int32}
    if problem.carry == "first":  # the reference has no row for a sequence without any
        lengths = problem.offsets[1:] - problem.offsets[:-1]
        assert offsets.tolist() == list(range(len(lengths) + 1))
        context, kept, alive = (x[lengths > 0] for x in (context, kept, alive))
    else:
        assert offsets.tolist() == wanted[2].tolist()
    used = kept.shape[0] if problem.carry == "first" else int(offsets[-1])
    assert kept[:used].tolist() == wanted[1][:used].tolist()
    assert alive[:used].tolist() == wanted[3][:used].tolist()
    torch.testing.assert_close(context[:used].float(), wanted[0][:used], rtol=0, atol=CONTEXT)


@pytest.mark.usefixtures("emulated_gpu")
class TestNumerics:
    @pytest.mark.parametrize("carry", CARRIES)
    @pytest.mark.parametrize(
        ("mode", "threshold"),
        [("none", 0.0), ("absolute", 0.009), ("relative", 0.6), ("topk", 0.5)],
    )
    def test_every_rule_and_carry_agrees_with_the_reference(
        self, mode: str, threshold: float, carry: str
    ) -> None:
        rule = {"mode": mode, "threshold": threshold, "score_length": 128, "carry": carry}
        compared = 0
        for seed in range(6):
            problem = in_halves(random_problem([9, 0, 1, 30, 70], seed, **rule))
            if mode == "none" or naive.pruned_attention(problem)[-1] > TIE / 4:
                check(problem)
                compared += 1
        assert compared >= 2

    def test_a_request_of_no_rows_is_answered(self) -> None:
        for carry in CARRIES:
            check(random_problem([0, 0], carry=carry))


def test_kernels_agree_with_the_reference_on_random_problems(emulated_gpu: list[str]) -> None:
    @given(problems())
    def compare(problem: Problem) -> None:
        problem = in_halves(problem)
        assume(naive.pruned_attention(problem)[-1] > TIE)
        check(problem)

    compare()
    assert {name.rsplit("_", 1)[0] for name in emulated_gpu} >= {
        "ltp_attend",
        "ltp_attend_scores",
        "ltp_first_row",
    }


def test_tensors_and_heads_that_the_kernels_do_not_take_are_refused(
    emulated_gpu: list[str],
) -> None:
    problem = random_problem([3, 1])
    with pytest.raises(LtpError, match=r"qkv is torch\.float32 .* take torch\.float16"):
        problem.solve()
    problem = replace(problem, qkv=problem.qkv.half())
    gaps = torch.tensor([3, 0, 1, 0], dtype=torch.int32)[::2]
    with pytest.raises(LtpError, match=r"lengths is .* with strides \(2,\)"):
        replace(problem, lengths=gaps).solve()
    with pytest.raises(LtpError, match="2 heads of 12 columns: the CUDA kernels take"):
        replace(problem, qkv=torch.zeros(4, 72).half(), heads=2).solve()
    assert not emulated_gpu


@pytest.mark.parametrize("compact", ["all", "bounded", "none"])
@pytest.mark.parametrize("policy", ["absolute", "topk", "reference"])
def test_whole_engines_on_the_kernels_answer_as_the_oracle(
    policy: str,
    compact: str,
    checkpoint_of: Callable[..., Path],
    bundle_of: Callable[..., Path],
    emulated_gpu: list[str],
) -> None:
    checkpoint = checkpoint_of("bert", policy)
    limits = {"compact": compact, "max_batch": 8}
    bundle = bundle_of(checkpoint, "torch-cuda", **limits)
    batch, logits = check_engine(checkpoint, bundle, emulated_gpu)
    first_rows = load(bundle_of(checkpoint, "torch-cuda", survivors=False, **limits), portable=True)
    first_rows.session.fills_batches = True
    np.testing.assert_allclose(first_rows.run(batch).logits, logits, atol=0.01)


def check_engine(
    checkpoint: Path, bundle: Path, launched: list[str]
) -> tuple[list[np.ndarray], np.ndarray]:
    """A bundle of a bert answers like the oracle. Returns a batch, and what it answered."""
    encoder = load_encoder(checkpoint)
    engine = load(bundle, portable=True)
    engine.session.fills_batches = True
    launched.clear()
    batch = batch_for(encoder, (25, 5, 1, 18, 7))  # run as 8 sequences
    result = engine.run(batch)
    assert len([n for n in launched if "attend" in n]) == encoder.config.layers
    oracle = run_oracle(encoder, batch)
    assert result.survivors is not None
    who = compare_survivors(oracle.survivors, result.survivors, oracle.margins, TIE)
    assert not who.disagreements
    what = compare_logits(head_of(encoder.config), oracle.logits, result.logits, who)
    assert what.max_without_ties < 0.02 * np.abs(oracle.logits).max()
    return batch, result.logits
