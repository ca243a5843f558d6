"""The op in standard ONNX operators, executed by ONNX Runtime, against the reference."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given

from ltp_deploy.backends.onnx.node import DOMAIN
from ltp_deploy.backends.onnx.portable import make_portable
from ltp_deploy.model.policy import Carry, Mode
from ltp_deploy.model.signature import INPUTS, NAME, OUTPUTS
from tests import naive
from tests.model.problems import CARRIES, Problem, problems, random_problem
from tests.properties import examples

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

TIE = 1e-5  # closer calls than this are left to rounding


def run(problem: Problem, dtype: type = np.float32) -> list[np.ndarray]:
    """context, kept, offsets, alive of a model that is nothing but the op."""
    from onnx import TensorProto, helper

    qkv, *others = (t.numpy() for t in problem.arguments[:4])
    element = TensorProto.FLOAT if dtype is np.float32 else TensorProto.FLOAT16
    kinds = [element, *[TensorProto.INT32] * 3]
    names = OUTPUTS if problem.carry == "survivors" else OUTPUTS[:4]
    node = helper.make_node(
        NAME,
        INPUTS,
        names,
        "op",
        domain=DOMAIN,
        heads=problem.heads,
        mode=int(Mode[problem.mode.upper()]),
        threshold=float(problem.threshold),
        score_length=problem.score_length,
        keep_first=int(problem.keep_first),
        carry=int(Carry[problem.carry.upper()]),
    )
    inputs = [
        helper.make_tensor_value_info(name, kind, [f"{name}_{i}" for i in range(array.ndim)])
        for name, kind, array in zip(INPUTS, kinds, [qkv, *others], strict=True)
    ]
    outputs = [
        helper.make_tensor_value_info(
            name, element if name == "context" else TensorProto.INT32, None
        )
        for name in names
    ]
    model = helper.make_model(
        helper.make_graph([node], "op", inputs, outputs),
        opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid(DOMAIN, 1)],
        ir_version=10,
    )
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(
        make_portable(model).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    values = session.run(list(names), dict(zip(INPUTS, [qkv.astype(dtype), *others], strict=True)))
    if problem.carry == "survivors":
        assert values[4] == len(values[1])
    return values[:4]


@examples(120)
@given(problems())
def test_onnx_functions_agree_with_the_reference(problem: Problem) -> None:
    assume(problem.offsets[-1] > 0)  # a padded view of nothing has no shape
    assume(naive.pruned_attention(problem)[-1] > TIE)
    expected = problem.solve()
    found = run(problem)
    for mine, theirs in zip(found[1:], expected[1:], strict=True):
        assert mine.tolist() == theirs.tolist()
    np.testing.assert_allclose(found[0], expected[0], atol=1e-5)
    assert [a.dtype for a in found] == [np.float32, *[np.int32] * 3]


@pytest.mark.parametrize("carry", CARRIES)
def test_onnx_functions_compute_fp16_in_float32(carry: str) -> None:
    """Only the context is rounded: the decisions are those of float32."""
    problem = random_problem([9, 1, 30], mode="relative", threshold=0.5, carry=carry)
    problem = Problem(**{**problem.__dict__, "qkv": problem.qkv.half().float()})
    expected = problem.solve()
    found = run(problem, np.float16)
    assert found[0].dtype == np.float16
    for mine, theirs in zip(found[1:], expected[1:], strict=True):
        assert mine.tolist() == theirs.tolist()
    np.testing.assert_array_equal(found[0], expected[0].to(torch.float16))
