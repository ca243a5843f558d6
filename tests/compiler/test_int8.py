"""What int8 means in every backend, and where it is not worth having."""

import numpy as np
import pytest

from ltp_deploy.compiler import int8
from ltp_deploy.compiler.int8 import quantized, slow_int8_warning


def test_a_quantised_weight_is_within_half_its_columns_scale() -> None:
    weight = np.random.default_rng(0).normal(size=(5, 40)).astype(np.float32)
    weight[2] = 0
    weight[3] *= 1e-6
    values, scales = quantized(weight)
    assert (values.dtype, scales.dtype) == (np.int8, np.float32)
    assert (np.abs(values * scales[:, None] - weight) <= 0.501 * scales[:, None]).all()
    assert np.abs(values).max(1).tolist() == [127, 127, 0, 127, 127]


def test_no_scale_is_smaller_than_the_least_allowed() -> None:
    weight = np.array([[1e-7, 0.0], [3.0, 1.0]], np.float32)
    values, scales = quantized(weight, least=6e-5)
    assert scales.min() >= 6e-5
    assert values.tolist() == [[0, 0], [127, 42]]


@pytest.mark.parametrize(
    ("isa", "flags", "slow"),
    [
        ("", ["avx2", "avx512f", "avx512_vnni"], False),
        ("", ["avx2", "amx_int8"], False),
        ("", ["avx2", "avx512f"], True),
        ("", ["avx2"], True),
        ("avx2", ["avx2", "avx512_vnni"], True),
        ("", ["asimd"], True),
        ("", ["asimd", "asimddp"], False),
    ],
)
def test_a_cpu_without_int8_instructions_is_warned_about(
    isa: str, flags: list[str], slow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(int8, "describe_machine", lambda: {"flags": flags})
    warning = slow_int8_warning(isa)
    assert (warning is not None) == slow
    assert warning is None or "the speed of f32" in warning
