"""The null target: every pass, the plan, a slow engine; and the names in the table of targets."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import ltp_deploy
from ltp_deploy.benchmark.run import Options, run
from ltp_deploy.benchmark.workload import of_length
from ltp_deploy.builder.build import build
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.errors import LtpError
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


def test_a_null_engine_is_built_verified_and_timed(
    bert_checkpoint: Path, texts: Path, tmp_path: Path
) -> None:
    """Everything around an engine, with no native code of this project."""
    bundle = tmp_path / "bundle"
    manifest = ltp_deploy.build(bert_checkpoint, bundle, BuildOptions("null"))
    assert manifest.parity is not None
    assert manifest.parity.max_logit_difference < 1e-4
    engine = ltp_deploy.load(bundle)
    assert engine(["a good film", "a bad one"]).logits.shape == (2, 2)
    found = ltp_deploy.verify(bundle, bert_checkpoint, str(texts))
    assert (found.failures, found.survivors.disagreements) == ([], [])
    assert found.survivors_from_reference_build
    timed = run(engine, [of_length(engine.config, 9, 2)], None, Options(iterations=1))
    assert [runner.name for runner in timed.cases[0].runners] == ["ltp-deploy"]


@pytest.mark.slow
@pytest.mark.parametrize("target", ["null", pytest.param("torchscript", marks=pytest.mark.full)])
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
