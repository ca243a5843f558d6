"""`ltp::pruned_attention`: its reference is what the method's definition says."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given

from tests import naive
from tests.model.problems import CARRIES, Problem, problems, random_problem
from tests.properties import examples

TIE = 1e-5  # closer calls than this are left to rounding


@examples(250)
@given(problems())
def test_the_reference_agrees_with_a_naive_one(problem: Problem) -> None:
    context, kept, offsets, alive, margin = naive.pruned_attention(problem)
    assume(margin > TIE)
    found = problem.solve()
    assert found[1].tolist() == kept
    assert found[2].tolist() == offsets
    assert found[3].tolist() == alive
    np.testing.assert_allclose(found[0], context, atol=1e-5)
    assert [t.dtype for t in found] == [torch.float32, *[torch.int32] * 3]


def one_query(*logits: float, **rule) -> Problem:
    """Every query gives the keys these logits, so that all rows have the same probabilities."""
    n, size = len(logits), 8
    q, k, v = torch.zeros(3, n, size)
    q[:, 0] = size**0.5
    k[:, 0] = torch.tensor(logits)
    v[:, 0] = torch.arange(float(n))
    return replace(random_problem([n], heads=1), qkv=torch.cat([q, k, v], 1), **rule)


LOGITS = (math.log(4), math.log(1), math.log(3), math.log(8))  # probabilities 4, 1, 3, 8 of 16


@pytest.mark.parametrize(
    ("rule", "survivors"),
    [
        # Four rows give the scores 1, 1/4, 3/4, 2; relative to the best 1/2, 1/8, 3/8, 1.
        ({"mode": "none"}, [0, 1, 2, 3]),
        ({"mode": "absolute", "threshold": 0.2}, [0, 3]),
        ({"mode": "absolute", "threshold": 0.07, "score_length": 8}, [0, 2, 3]),
        ({"mode": "absolute", "threshold": 0.3, "score_length": 2}, [0, 2, 3]),
        ({"mode": "relative", "threshold": 0.2}, [0, 2, 3]),
        ({"mode": "relative", "threshold": 0.4}, [0, 3]),
        ({"mode": "relative", "threshold": 0.6}, [0, 3]),  # the first token, because it is kept
        ({"mode": "relative", "threshold": 0.4, "keep_first": False}, [0, 3]),
        ({"mode": "relative", "threshold": 0.6, "keep_first": False}, []),
        ({"mode": "topk", "threshold": 0.5}, [0, 3]),
        ({"mode": "topk", "threshold": 0.25}, [0]),
        ({"mode": "topk", "threshold": 0.25, "keep_first": False}, []),
        ({"mode": "topk", "threshold": 0.75}, [0, 2, 3]),
        ({"mode": "topk", "threshold": 0.625}, [0, 3]),  # 2.5 tokens: half to even
        ({"mode": "topk", "threshold": 0.875}, [0, 1, 2, 3]),  # 3.5 tokens: half to even
        ({"mode": "topk", "threshold": 0.0}, [0]),
    ],
    ids=str,
)
def test_survivors_computed_by_hand(rule: dict, survivors: list[int]) -> None:
    context, kept, _, alive = one_query(*LOGITS, **rule).solve()
    assert kept.tolist() == (survivors or [0])
    assert alive.tolist() == ([1] * len(survivors) or [0])
    np.testing.assert_allclose(context[:, 0], (0 * 4 + 1 * 1 + 2 * 3 + 3 * 8) / 16, rtol=1e-6)


@pytest.mark.parametrize(("threshold", "kept"), [(0.25, 4), (np.nextafter(0.25, 1), 4), (0.26, 1)])
def test_a_score_equal_to_the_threshold_survives(threshold: float, kept: int) -> None:
    """Uniform attention over 4 tokens: every score is exactly 1/4."""
    problem = one_query(0, 0, 0, 0, mode="absolute", threshold=threshold)
    assert len(problem.solve()[1]) == kept


@pytest.mark.parametrize("count", range(1, 9))
def test_ties_at_a_top_k_rank_go_to_the_lower_index(count: int) -> None:
    problem = one_query(*[0.0] * 8, mode="topk", threshold=count / 8, keep_first=False)
    assert problem.solve()[1].tolist() == list(range(count))


def test_ties_go_to_the_lower_index_with_pruned_tokens_in_between() -> None:
    problem = one_query(*[0.0] * 6, mode="topk", threshold=0.5, keep_first=False)
    alive = torch.tensor([1, 0, 0, 1, 1, 1], dtype=torch.int32)
    assert replace(problem, alive=alive).solve()[1].tolist() == [0, 3, 4]


def test_top_k_counts_by_the_original_length() -> None:
    problem = one_query(*LOGITS, mode="topk", threshold=0.3, keep_first=False)
    assert replace(problem, lengths=torch.tensor([10], dtype=torch.int32)).solve()[1].tolist() == [
        0,
        2,
        3,
    ]


@pytest.mark.parametrize("carry", CARRIES)
@pytest.mark.parametrize("keep_first", [True, False])
def test_everything_pruned_leaves_the_first_row(carry: str, keep_first: bool) -> None:
    problem = random_problem([5, 1, 3], mode="absolute", threshold=9.0, carry=carry)
    problem = replace(problem, keep_first=keep_first)
    context, kept, offsets, alive = problem.solve()
    first = [0, 5, 6]
    assert kept[alive == 1].tolist() == (first if keep_first else [])
    spare = [0] * 6 if carry == "bounded" else []
    assert kept.tolist() == (list(range(9)) if carry == "all" else [*first, *spare])
    kept = kept[: offsets[-1]]
    dense = replace(problem, mode="none", carry="all").solve()[0]
    for row, token in enumerate(kept.tolist()):
        if token in first:  # its own layer finishes normally
            torch.testing.assert_close(context[row], dense[token])
    assert offsets.tolist() == ([0, 5, 6, 9] if carry == "all" else [0, 1, 2, 3])


def test_a_finished_sequence_has_zero_context_ever_after() -> None:
    problem = random_problem([4, 3], mode="relative", threshold=0.1)
    alive = torch.tensor([0, 0, 0, 0, 1, 1, 1], dtype=torch.int32)
    context, kept, offsets, alive = replace(problem, alive=alive).solve()
    assert kept[0] == 0
    assert alive[0] == 0
    assert context[0].abs().max() == 0
    assert offsets[1] == 1


def test_nothing_pruned_is_plain_attention() -> None:
    problem = random_problem([7, 2], heads=4)
    context, kept, offsets, _ = problem.solve()
    for begin, end in ((0, 7), (7, 9)):
        q, k, v = problem.qkv[begin:end].unflatten(1, (3, 4, 8)).permute(1, 2, 0, 3)
        expected = torch.nn.functional.scaled_dot_product_attention(q, k, v)
        torch.testing.assert_close(context[begin:end], expected.transpose(0, 1).flatten(1))
    assert kept.tolist() == list(range(9))
    assert offsets.tolist() == [0, 7, 9]


@pytest.mark.parametrize("carry", CARRIES)
def test_an_empty_batch_gives_an_empty_answer(carry: str) -> None:
    context, kept, offsets, alive = random_problem([], mode="topk", carry=carry).solve()
    assert (context.shape, len(kept), offsets.tolist(), len(alive)) == ((0, 16), 0, [0], 0)


@examples(100)
@given(problems())
def test_a_sequence_does_not_depend_on_its_neighbours(problem: Problem) -> None:
    whole = problem.solve()
    for b in range(len(problem.lengths)):
        rows = slice(whole[2][b], whole[2][b + 1])
        context, kept, offsets, alive = problem.alone(b).solve()
        mine = slice(0, offsets[1])  # all but with carry=bounded
        assert torch.equal(context[mine], whole[0][rows])
        assert torch.equal(kept[mine] + problem.offsets[b], whole[1][rows])
        assert torch.equal(alive[mine], whole[3][rows])


@examples(100)
@given(problems(), problems())
def test_marking_tokens_dead_gives_the_answers_of_compaction(
    problem: Problem, other: Problem
) -> None:
    """Two layers in a row: carry=all or bounded, then survivors, equals survivors throughout."""
    answers = []
    for carry in ("survivors", "all", "bounded"):
        context, kept, offsets, alive = replace(problem, carry=carry).solve()
        hidden = context + problem.qkv[kept.long(), : context.shape[1]]
        second = replace(
            problem,
            qkv=torch.cat([hidden, hidden.flip(1), context], 1),
            offsets=offsets,
            alive=alive,
            mode=other.mode,
            threshold=other.threshold,
            carry="survivors",
        )
        assume(naive.pruned_attention(second)[-1] > TIE)
        context, kept_of_kept, offsets, alive = second.solve()
        answers.append((context, kept[kept_of_kept.long()], offsets, alive))
    for compacted, *others in zip(*answers, strict=True):
        for other_rows in others:
            torch.testing.assert_close(other_rows, compacted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("carry", CARRIES)
@pytest.mark.parametrize("lengths", [[5, 1, 3], [2]])
def test_the_op_is_registered_correctly(carry: str, lengths: list[int]) -> None:
    problem = random_problem(lengths, mode="relative", threshold=0.7, carry=carry)
    torch.library.opcheck(torch.ops.ltp.pruned_attention.default, problem.arguments)
