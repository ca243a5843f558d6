"""Bundles on 64-bit Arm, in emulation: an engine built here, with the plugin that `make
cpp-aarch64` cross-compiles in place of this machine's, gives the oracle's logits by ltp-run.

LTP_AARCH64 names the folder of that build; without it the tests skip.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ltp_deploy.checkpoint import load_encoder
from tests.answers import batch_for, oracle_answers
from tests.fuzz.cases import sign
from tests.spoil import edit_manifest

BUILD = Path(os.environ.get("LTP_AARCH64", "not set"))
QEMU = ("qemu-aarch64", "-L", "/usr/aarch64-linux-gnu")

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(
        not (BUILD / "engines" / "ltp-run").is_file(),
        reason="LTP_AARCH64 names no build for Arm; `make cpp-aarch64` makes one and runs these",
    ),
]


def for_arm(bundle: Path, copy: Path) -> Path:
    """The bundle as a build on Arm would have written it: all but the plugin is the same."""
    shutil.copytree(bundle, copy)

    def edit(manifest: dict[str, Any]) -> None:
        manifest["platform"]["machine"] = "aarch64"
        shutil.copyfile(
            BUILD / "plugins" / "openvino" / "libltp_openvino.so",
            copy / manifest["engine"]["plugin"],
        )

    edit_manifest(copy, edit)
    sign(copy)
    return copy


@pytest.mark.parametrize(
    ("cpu", "precision", "limit", "tolerance"),
    [
        ("cortex-a72", "f32", "", 1e-4),
        ("max", "f32", "", 1e-4),
        ("max", "f32", "portable", 1e-4),
        ("max", "bf16", "", 0.1),
        ("cortex-a72", "int8-dynamic", "", 0.1),
        ("neoverse-n1", "int8-dynamic", "", 0.1),
        ("max", "int8-dynamic", "", 0.1),
    ],
)
def test_an_engine_gives_the_oracles_logits_on_arm(
    cpu: str,
    precision: str,
    limit: str,
    tolerance: float,
    bert_checkpoint: Path,
    bundle_of: Callable[..., Path],
    tmp_path: Path,
) -> None:
    bundle = for_arm(
        bundle_of(bert_checkpoint, precision=precision, survivors=False), tmp_path / "arm"
    )
    encoder = load_encoder(bert_checkpoint)
    batch = batch_for(encoder)
    batch.token_type_ids[:] = 0
    rows = np.split(batch.input_ids, batch.offsets[1:-1])
    result = subprocess.run(
        [*QEMU, "-cpu", cpu, str(BUILD / "engines" / "ltp-run"), "--batch", "8", str(bundle)],
        input="".join(" ".join(map(str, row)) + "\n" for row in rows),
        env={**os.environ, "LTP_ISA": limit},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    logits = np.array([line.split() for line in result.stdout.splitlines()], np.float32)
    np.testing.assert_allclose(logits, oracle_answers(encoder, batch)[0], atol=tolerance)
