"""Large tables of int8 engines are int8."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from ltp_deploy.backends.backend import Job
from ltp_deploy.backends.openvino import embeddings
from ltp_deploy.builder.build import build
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.checkpoint import load_encoder


def table(bundle: Path, rows: int, columns: int) -> str | None:
    """The type in which a bundle holds its table of words."""
    engine = (bundle / "engine.xml").read_text()
    kinds = [kind for kind in ("f32", "i8") if f'"{kind}" shape="{rows}, {columns}"' in engine]
    return kinds[0] if len(kinds) == 1 else None


@pytest.mark.parametrize(
    ("precision", "not_int8", "kind"),
    [("int8-dynamic", (), "i8"), ("int8-dynamic", (0,), "f32"), ("f32", (), "f32")],
)
def test_tables_are_as_wide_as_the_first_layers_weights(
    precision: str,
    not_int8: tuple[int, ...],
    kind: str,
    checkpoint_of: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(embeddings, "LARGE", 1)
    checkpoint = checkpoint_of("bert", None)
    build(checkpoint, tmp_path / "b", BuildOptions("cpu", precision=precision, not_int8=not_int8))
    config = load_encoder(checkpoint).config
    assert table(tmp_path / "b", config.vocab_size, config.embedding_size) == kind


def test_rows_are_within_half_a_step_of_what_they_were() -> None:
    import openvino as ov
    from openvino import opset13 as ops

    values = np.random.default_rng(0).standard_normal((700, 512)).astype(np.float32)
    values[0] = 0
    ids = ops.parameter([-1], np.int32)
    rows = ops.gather(ops.constant(values), ids, ops.constant(np.int32(0)))
    model = ov.Model([ops.result(rows)], [ids], "table")
    job = SimpleNamespace(plan=SimpleNamespace(layers=[SimpleNamespace(precision="int8-dynamic")]))
    embeddings.narrow_tables(model, cast(Job, job))

    tables = [n.data for n in model.get_ops() if n.get_type_name() == "Constant" and n.data.ndim]
    assert {(data.shape, data.dtype.name) for data in tables} == {
        ((700, 512), "int8"),
        ((700, 1), "float32"),
    }
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled([np.arange(700, dtype=np.int32)])[0]
    step = np.abs(values).max(1, keepdims=True) / 127
    assert (np.abs(found - values) <= step / 2 + 1e-6).all()
    assert not found[0].any()
