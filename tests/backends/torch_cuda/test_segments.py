"""Graphs cut after every compaction: the segments, run one after another, are the whole."""

from __future__ import annotations

import pytest
import torch

from ltp_deploy.backends.torch_cuda.segments import STATE, cut
from ltp_deploy.compiler.example import example_inputs
from ltp_deploy.compiler.lower import lower
from ltp_deploy.compiler.plan import PlanRequest, make_plan
from ltp_deploy.compiler.trace import argument, attention_nodes
from ltp_deploy.model.policy import Carry, LayerRule, Mode, PrunePolicy
from tests.model.problems import tiny_encoder

POLICY = PrunePolicy((LayerRule(Mode.TOPK, 0.7), LayerRule(Mode.NONE, 0.0)) * 2, 0, True)


@pytest.mark.parametrize("survivors", [False, True])
@pytest.mark.parametrize(("compact", "count"), [("all", 3), ("2", 2), ("bounded", 1), ("none", 1)])
def test_segments_together_compute_what_the_whole_graph_does(
    compact: str, count: int, survivors: bool
) -> None:
    encoder = tiny_encoder(POLICY)
    plan = make_plan(PlanRequest(encoder.config, "f32", survivors=survivors, compact=compact))
    whole = lower(encoder, plan)
    values = example_inputs(whole, encoder.config)
    wanted = whole(*values.values())
    segments = cut(lower(encoder, plan), plan)
    assert len(segments) == count
    sizes = [len(values["input_ids"])]
    for segment in segments:
        found = segment.module(*(values[name] for name in segment.inputs))
        values.update(zip(segment.outputs, found, strict=True))
        if segment is not segments[-1]:
            assert set(segments[-1].inputs) == set(STATE)
            used = int(values["offsets"][-1])
            sizes.append(used)
            values.update({name: values[name][:used] for name in ("context", "kept", "alive")})
    assert sizes == sorted(sizes, reverse=True)
    torch.testing.assert_close(values["logits"], wanted[0], rtol=0, atol=1e-6)
    reported = [name for segment in segments for name in segment.outputs if "survivors" in name]
    assert len(reported) == (6 if survivors else 0)


def test_inside_a_segment_no_size_depends_on_the_data() -> None:
    encoder = tiny_encoder(POLICY)
    plan = make_plan(PlanRequest(encoder.config, "f32"))
    for segment in cut(lower(encoder, plan), plan):
        carries = {argument(node, "carry") for node in attention_nodes(segment.module)}
        assert Carry.SURVIVORS not in carries


def test_a_segment_has_its_own_weights_alone() -> None:
    encoder = tiny_encoder(POLICY)
    plan = make_plan(PlanRequest(encoder.config, "f32"))
    whole = lower(encoder, plan)
    count = sum(p.numel() for p in whole.parameters())
    segments = cut(whole, plan)
    assert sum(p.numel() for s in segments for p in s.module.parameters()) == count
