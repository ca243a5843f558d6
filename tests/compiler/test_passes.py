"""Each pass keeps the answers; together they make the graph that the plan describes."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import fx

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.compiler.lower import lower
from ltp_deploy.compiler.passes import PASSES, output_names, select_outputs
from ltp_deploy.compiler.plan import PlanRequest, make_plan
from ltp_deploy.compiler.spec import verify_graph
from ltp_deploy.compiler.trace import argument, attention_nodes, trace
from ltp_deploy.data.batch import PackedBatch
from ltp_deploy.errors import LtpError
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.policy import Carry, Mode
from ltp_deploy.runtime.result import Result, make_result
from tests.answers import as_lists, batch_for, packed_answers, pruned_tokens
from tests.tiny import FAMILIES, POLICIES

CASES = [
    *((family, policy) for family in FAMILIES for policy in (None, "mixed")),
    *(("bert", policy) for policy in POLICIES if policy != "mixed"),
    ("ltp", "topk"),
]


def run(module: fx.GraphModule, names: list[str], encoder: Encoder, batch: PackedBatch) -> Result:
    """The graph's answer, whatever inputs it still has."""
    feeds = batch.feeds(encoder.config)
    inputs = [torch.from_numpy(feeds[n.name]) for n in module.graph.nodes if n.op == "placeholder"]
    with torch.inference_mode():
        values = module(*inputs)
    outputs = dict(zip(names, (v.numpy() for v in values), strict=True))
    return make_result(outputs, batch, encoder.config, survivors=True)


def all_names(layers: int) -> list[str]:
    """Outputs of a graph before `select_outputs`."""
    parts = ("kept", "offsets", "alive")
    return ["logits", *(f"survivors.{i}.{part}" for i in range(layers) for part in parts)]


@pytest.mark.parametrize(("family", "policy"), CASES, ids=str)
@pytest.mark.parametrize("survivors", [True, False])
def test_every_pass_keeps_the_answers(
    family: str, policy: str | None, survivors: bool, checkpoint_of: Callable[..., Path]
) -> None:
    encoder = load_encoder(checkpoint_of(family, policy))
    batch = batch_for(encoder)
    logits, kept = packed_answers(encoder, encoder, batch)
    assert (pruned_tokens(batch, kept) > 0) == (policy is not None)

    plan = make_plan(PlanRequest(encoder.config, "f32", survivors=survivors))
    module = trace(encoder)
    names = all_names(encoder.config.layers)
    for apply in (None, *PASSES):
        if apply is not None:
            module = apply(module, plan)
            module.graph.eliminate_dead_code()
            module.recompile()
            verify_graph(module, encoder.config.layers)
        if apply is select_outputs:
            names = output_names(plan)
        result = run(module, names, encoder, batch)
        step = apply.__name__ if apply else "trace"
        np.testing.assert_allclose(result.logits, logits, atol=1e-5, err_msg=step)
        if survivors:
            assert as_lists(result.survivors) == kept, step


@pytest.mark.slow
@pytest.mark.parametrize(("family", "policy"), CASES, ids=str)
def test_answers_do_not_depend_on_where_compaction_is(
    family: str, policy: str | None, checkpoint_of: Callable[..., Path]
) -> None:
    encoder = load_encoder(checkpoint_of(family, policy))
    pruning = [str(i) for i, rule in enumerate(encoder.config.policy.layers[:-1]) if rule.prunes]
    batch = batch_for(encoder)
    logits, kept = packed_answers(encoder, encoder, batch)
    choices = ["none", "bounded", *pruning, *([",".join(pruning)] if pruning else [])]
    for compact, survivors in itertools.product(choices, (True, False)):
        plan = make_plan(PlanRequest(encoder.config, "f32", survivors=survivors, compact=compact))
        result = run(lower(encoder, plan), output_names(plan), encoder, batch)
        np.testing.assert_allclose(result.logits, logits, atol=1e-5)
        if survivors:
            assert as_lists(result.survivors) == kept


@pytest.mark.parametrize("precision", ["f32", "fp16"])
def test_lowering_leaves_the_encoder_as_it_was(
    precision: str, checkpoint_of: Callable[..., Path]
) -> None:
    encoder = load_encoder(checkpoint_of("roberta", "mixed"))
    before = {name: t.clone() for name, t in encoder.state_dict().items()}
    lower(encoder, make_plan(PlanRequest(encoder.config, precision)))
    for name, tensor in encoder.state_dict().items():
        assert torch.equal(tensor, before[name])


@pytest.mark.parametrize(
    ("family", "changes", "needed"),
    [
        ("roberta", {}, False),
        ("distilbert", {}, False),
        ("bert", {}, True),
        ("roberta", {"type_vocab_size": 2}, True),
    ],
)
def test_token_types_are_an_input_only_where_they_matter(
    family: str, changes: dict, needed: bool, checkpoint_of: Callable[..., Path]
) -> None:
    encoder = load_encoder(checkpoint_of(family, "mixed", **changes))
    module = lower(encoder, make_plan(PlanRequest(encoder.config, "f32")))
    inputs = [n.name for n in module.graph.nodes if n.op == "placeholder"]
    types = ["token_type_ids"] if needed else []
    assert inputs == ["input_ids", "position_ids", *types, "offsets"]


def lowered(checkpoint: Path, survivors: bool) -> fx.GraphModule:
    encoder = load_encoder(checkpoint)
    return lower(encoder, make_plan(PlanRequest(encoder.config, "f32", survivors=survivors)))


def test_projections_are_fused_into_one_per_layer(checkpoint_of: Callable[..., Path]) -> None:
    module = lowered(checkpoint_of("bert", "mixed"), survivors=False)
    names = {name for name, _ in module.named_parameters()}
    assert "layer_2_qkv.weight" in names
    assert not [name for name in names if "query" in name or "key" in name]


def test_a_layer_that_prunes_nothing_gathers_nothing(checkpoint_of: Callable[..., Path]) -> None:
    """`mixed` prunes in its layers 1 and 2; two gathers of residuals and one of first rows."""
    module = lowered(checkpoint_of("bert", "mixed"), survivors=True)
    gathers = [n for n in module.graph.nodes if n.target is torch.index_select]
    assert len(gathers) == 3
    assert [argument(n, "carry") for n in attention_nodes(module)] == [
        Carry.ALL,
        Carry.SURVIVORS,
        Carry.SURVIVORS,
    ]


def test_the_last_layer_scores_nothing_when_only_logits_are_wanted(
    checkpoint_of: Callable[..., Path],
) -> None:
    module = lowered(checkpoint_of("bert", "mixed"), survivors=False)
    nodes = attention_nodes(module)
    assert [argument(n, "carry") for n in nodes] == [Carry.ALL, Carry.SURVIVORS, Carry.FIRST]
    assert [argument(n, "mode") for n in nodes] == [Mode.NONE, Mode.TOPK, Mode.NONE]


def test_the_graph_can_be_dumped_around_every_pass(
    checkpoint_of: Callable[..., Path], tmp_path: Path
) -> None:
    encoder = load_encoder(checkpoint_of("bert", "mixed"))
    lower(encoder, make_plan(PlanRequest(encoder.config, "f32")), tmp_path / "graphs")
    found = sorted(p.name for p in (tmp_path / "graphs").iterdir())
    expected = ["0-trace", *(f"{i}-{p.__name__}" for i, p in enumerate(PASSES, 1))]
    assert found == [f"{name}.txt" for name in expected]
    assert "pruned_attention" in (tmp_path / "graphs" / "0-trace.txt").read_text()


def test_fp16_is_for_weights_but_not_for_logits(checkpoint_of: Callable[..., Path]) -> None:
    encoder = load_encoder(checkpoint_of("electra", "topk"))
    batch = batch_for(encoder)
    module = lower(encoder, make_plan(PlanRequest(encoder.config, "fp16")))
    assert {p.dtype for p in module.parameters()} == {torch.float16}
    result = run(module, ["logits"], encoder, batch)
    assert result.logits.dtype == np.float32
    logits, _ = packed_answers(encoder, encoder, batch)
    np.testing.assert_allclose(result.logits, logits, atol=0.05)


def test_a_weight_that_fp16_cannot_hold_is_named(checkpoint_of: Callable[..., Path]) -> None:
    encoder = load_encoder(checkpoint_of("bert", "topk"))
    encoder.layers[1].output.weight.data[3, 4] = 1e5
    with pytest.raises(
        LtpError, match=r"layers\.1\.output\.weight reaches 1e\+05, but float16 ends"
    ):
        lower(encoder, make_plan(PlanRequest(encoder.config, "fp16")))
