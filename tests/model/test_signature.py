"""One signature: PyTorch's operators have the names and types that every backend derives its own
from."""

import inspect
import subprocess
import sys
from typing import Any

import pytest
import torch

import ltp_deploy.backends.torch_cuda.in_place  # noqa: F401  registers pruned_attention_into
from ltp_deploy.backends.torch_cuda import in_place, op
from ltp_deploy.model.signature import (
    ARGUMENTS,
    ATTRIBUTES,
    FLOATING,
    FLOATS,
    INPUTS,
    INTEGERS,
    OUTPUTS,
    RESULTS,
)
from tests.model.problems import random_problem

KINDS = {torch.TensorType: None, torch.IntType: int, torch.FloatType: float, torch.BoolType: bool}


def arguments(operator: Any) -> dict[str, type | None]:
    """An operator's arguments as it is registered: their types, None for tensors."""
    return {a.name: KINDS[type(a.type)] for a in operator.default._schema.arguments}


def test_the_operator_is_registered_with_these_arguments() -> None:
    registered = arguments(torch.ops.ltp.pruned_attention)
    assert registered == {**dict.fromkeys(INPUTS), **ATTRIBUTES}
    assert tuple(registered) == ARGUMENTS
    returned = torch.ops.ltp.pruned_attention.default._schema.returns
    assert [type(value.type) for value in returned] == [torch.TensorType] * len(RESULTS)


def test_the_operator_with_given_outputs_takes_them_in_place_of_the_carry() -> None:
    registered = arguments(torch.ops.ltp.pruned_attention_into)
    assert registered.pop("count", int) is None
    attributes = {name: kind for name, kind in ATTRIBUTES.items() if name != "carry"}
    assert registered == {**dict.fromkeys((*INPUTS, *RESULTS)), **attributes}
    assert tuple(registered) == (*INPUTS, *attributes, *RESULTS)
    schema = torch.ops.ltp.pruned_attention_into.default._schema
    assert {a.name for a in schema.arguments if a.is_write} == set(OUTPUTS)


def test_the_implementations_for_cuda_take_the_same_arguments() -> None:
    assert tuple(inspect.signature(op.on_cuda).parameters) == ARGUMENTS
    *taken, outputs = inspect.signature(in_place.attend_on_cuda).parameters
    assert (*taken, "carry") == ARGUMENTS
    assert outputs == "outputs"


def test_attributes_are_integers_or_floats() -> None:
    assert sorted((*INTEGERS, *FLOATS)) == sorted(ATTRIBUTES)
    assert FLOATS == ("threshold",)


@pytest.mark.parametrize("carry", ["survivors", "bounded"])
def test_qkv_and_context_are_the_floating_tensors(carry: str) -> None:
    problem = random_problem([4, 2], mode="topk", threshold=0.5, carry=carry)
    tensors = dict(zip(INPUTS, problem.arguments, strict=False))
    tensors |= zip(RESULTS, problem.solve(), strict=True)
    floating = {name for name, tensor in tensors.items() if tensor.is_floating_point()}
    assert floating == FLOATING
    assert {tensors[name].dtype for name in {*tensors} - FLOATING} == {torch.int32}


def test_a_runtime_without_torch_can_import_it() -> None:
    code = "import sys, ltp_deploy.model.signature; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
