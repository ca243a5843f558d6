"""Bundles of the precisions that round."""

from __future__ import annotations

from pathlib import Path

import pytest

from ltp_deploy.builder.build import build
from ltp_deploy.builder.draft import Measured
from ltp_deploy.bundle.options import BuildOptions
from tests.once import Once


@pytest.fixture(params=["bf16", "int8-dynamic", "int8"])
def reduced(request: pytest.FixtureRequest, bert_checkpoint: Path, once: Once) -> Path:
    """A bundle of each, which reads texts in C++ as well."""
    pytest.importorskip("openvino_tokenizers", reason="openvino-tokenizers is not installed")
    precision = request.param
    calibration = request.getfixturevalue("calibrated") if precision == "int8" else None

    def make(directory: Path) -> None:
        options = BuildOptions("cpu", precision, cpp_texts=True)
        build(bert_checkpoint, directory / "out", options, Measured(calibration=calibration))

    return once(make, "reduced", precision) / "out"
