"""The same engine built once more, reporting its survivors."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ltp_deploy.builder.build import build, measured_for
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.model.policy import Carry
from ltp_deploy.runtime.engine import Engine, load


@contextmanager
def reporting_twin(engine: Engine, checkpoint: Path) -> Iterator[Engine]:
    """`engine` itself where it reports its survivors, else its twin, for as long as the block."""
    manifest = engine.manifest
    if manifest["survivors"]:
        yield engine
        return
    policy, limits = manifest["model"]["policy"], manifest["limits"]
    options = BuildOptions(
        # Portable models of other targets differ from the onnx target's only in who wrote them.
        "onnx" if manifest["backend"] == "onnxruntime" else manifest["target"],
        manifest["precision"],
        survivors=True,
        compact=_removals(engine.carries),
        score_length=policy["score_length"],
        first_token=policy["first_token"],
        not_int8=tuple(manifest["not_int8"]),
        library=manifest["library"] if manifest["backend"] == "tensorrt" else None,
        max_tokens=limits["max_tokens"] or None,
        max_batch=limits["max_batch"] or None,
        max_length=limits["max_length"],
    )
    with tempfile.TemporaryDirectory() as folder:
        twin = Path(folder) / "twin"
        build(checkpoint, twin, options, measured_for(engine.directory, manifest))
        yield load(twin, portable=manifest.get("device") == "cpu")


def _removals(carries: tuple[Carry, ...]) -> str:
    """The `compact` option that repeats a plan."""
    if Carry.BOUNDED in carries:
        return "bounded"
    return ",".join(str(i) for i, c in enumerate(carries) if c is Carry.SURVIVORS) or "none"
