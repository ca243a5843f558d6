"""A broken pass is caught by the graph's spec, with the node that breaks it."""

from collections.abc import Callable

import pytest
import torch
from torch import fx, nn

from ltp_deploy.compiler.spec import verify_graph
from ltp_deploy.compiler.trace import (
    argument,
    attention_nodes,
    operand,
    result,
    set_argument,
    trace,
)
from ltp_deploy.model.policy import LayerRule, Mode, PrunePolicy
from tests.model.problems import tiny_encoder


@pytest.fixture
def module() -> fx.GraphModule:
    return trace(tiny_encoder(PrunePolicy((LayerRule(Mode.TOPK, 0.5),) * 3)))


def forget_offsets(module: fx.GraphModule) -> None:
    """Layer 1 sees the sequences where they were before layer 0 moved them."""
    first, second, _ = attention_nodes(module)
    set_argument(second, "offsets", argument(first, "offsets"))


def forget_the_dead(module: fx.GraphModule) -> None:
    first, second, _ = attention_nodes(module)
    set_argument(second, "alive", argument(first, "alive"))


def keep_the_residual(module: fx.GraphModule) -> None:
    kept = result(attention_nodes(module)[1], "kept")
    assert kept is not None
    for user in list(kept.users):
        if user.target is torch.index_select:
            user.replace_all_uses_with(operand(user, 0))
            module.graph.erase_node(user)


def drop_a_layer(module: fx.GraphModule) -> None:
    """Layer 2 is skipped: whatever read its results reads those of layer 1."""
    _, second, third = attention_nodes(module)
    third.replace_all_uses_with(second)
    module.graph.erase_node(third)


def invent_a_carry(module: fx.GraphModule) -> None:
    set_argument(attention_nodes(module)[2], "carry", 7)


def invent_a_mode(module: fx.GraphModule) -> None:
    set_argument(attention_nodes(module)[0], "mode", 9)


def compute_a_threshold(module: fx.GraphModule) -> None:
    node = attention_nodes(module)[0]
    set_argument(node, "threshold", argument(node, "offsets"))


def pad_one_side_of_a_head(module: fx.GraphModule) -> None:
    """The context is read as 32 columns, and is 40 wide."""
    for part in ("query", "key", "value"):
        module.set_submodule(f"layers.1.{part}", nn.Linear(32, 40))


def split_a_head(module: fx.GraphModule) -> None:
    set_argument(attention_nodes(module)[1], "heads", 5)


def test_a_traced_graph_is_sound(module: fx.GraphModule) -> None:
    verify_graph(module, 3)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (forget_offsets, "argument offsets does not come from the layer before"),
        (forget_the_dead, "argument alive does not come from the layer before"),
        (keep_the_residual, "residual is not gathered"),
        (drop_a_layer, "2 attention nodes for 3 layers"),
        (invent_a_carry, "unknown carry 7"),
        (invent_a_mode, "unknown mode 9"),
        (compute_a_threshold, "threshold is not a constant"),
        (pad_one_side_of_a_head, r"a context of 40, read as \{32\}"),
        (split_a_head, r"96 columns for 3 \* 5 heads"),
    ],
)
def test_a_damaged_graph_is_refused_with_the_reason(
    module: fx.GraphModule, damage: Callable[[fx.GraphModule], None], message: str
) -> None:
    damage(module)
    with pytest.raises(AssertionError, match=message):
        verify_graph(module, 3)
