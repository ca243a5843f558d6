"""The null target runs every pass and writes the plan; the table of targets knows its names."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ltp_deploy.builder.build import build
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.errors import BundleError, LtpError
from ltp_deploy.runtime.engine import load
from ltp_deploy.targets import TARGETS, find_target


def test_the_plan_and_the_graph_are_written(
    bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    bundle = bundle_of(bert_checkpoint, "null", survivors=False)
    plan = json.loads((bundle / "plan.json").read_text())
    assert [layer["carry"] for layer in plan["layers"]] == ["survivors", "survivors", "first"]
    assert "pruned_attention" in (bundle / "graph.txt").read_text()
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert manifest["plan"] == plan
    assert manifest["target"] == "null"


def test_it_has_no_runtime(bert_checkpoint: Path, bundle_of: Callable[..., Path]) -> None:
    with pytest.raises(BundleError, match="'null', which has no runtime; runnable are"):
        load(bundle_of(bert_checkpoint, "null", survivors=False))


@pytest.mark.parametrize("target", ["null", "torchscript"])
def test_targets_need_no_backend_but_their_own(
    target: str, bert_checkpoint: Path, tmp_path: Path
) -> None:
    code = (
        "import sys; sys.modules['openvino'] = None;"
        "from ltp_deploy.builder.build import BuildOptions, build;"
        f"build({str(bert_checkpoint)!r}, {str(tmp_path / 'out')!r}, BuildOptions({target!r}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (tmp_path / "out" / "manifest.json").is_file()


def test_an_unknown_target_is_refused_with_the_known_ones() -> None:
    with pytest.raises(LtpError, match="unknown target 'tpu'; known: cpu, haswell, t4"):
        find_target("tpu")


@pytest.mark.parametrize("name", TARGETS)
def test_a_precision_that_a_target_lacks_is_refused(
    name: str, bert_checkpoint: Path, tmp_path: Path
) -> None:
    with pytest.raises(LtpError, match=f"target '{name}' has no precision 'int4'; it has f"):
        build(bert_checkpoint, tmp_path / "out", BuildOptions(name, precision="int4"))
    assert list(tmp_path.iterdir()) == []
