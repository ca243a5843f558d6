"""The recipes in deploy/ are what their readers accept, and name options that there are."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from ltp_deploy import __version__
from ltp_deploy.cli import main

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")

DEPLOY = Path(__file__).parents[2] / "deploy"
UNIT = "ltp-serve.service"


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))


def container(name: str) -> dict[str, Any]:
    first = documents(name)[0]["spec"]
    pod = first["template"]["spec"] if "template" in first else first
    return pod["containers"][0]


def commands() -> dict[str, list[str]]:
    """The arguments of `serve` in each recipe."""
    docker = (DEPLOY / "Dockerfile").read_text()
    entry, command = (
        re.findall(r'"([^"]+)"', re.search(rf"^{word} (\[.*)$", docker, re.MULTILINE)[1])
        for word in ("ENTRYPOINT", "CMD")
    )
    assert entry[:2] == ["ltp-deploy", "serve"]
    unit = re.search(r"^ExecStart=(.*)$", (DEPLOY / UNIT).read_text(), re.MULTILINE)[1]
    return {
        "Dockerfile": [*entry[2:], *command],
        "kubernetes.yaml": [*entry[2:], *container("kubernetes.yaml")["args"]],
        "kserve.yaml": [*entry[2:], *container("kserve.yaml")["args"]],
        UNIT: shlex.split(unit)[2:],
    }


@pytest.mark.parametrize("name", ["Dockerfile", "kubernetes.yaml", "kserve.yaml", UNIT])
def test_the_options_of_a_recipe_exist(name: str) -> None:
    serve = main.commands["serve"]
    context = serve.make_context(
        "serve", commands()[name], click.Context(main, **main.context_settings)
    )
    assert len(context.params["bundles"]) == 1


def test_the_recipes_are_for_this_version() -> None:
    assert f"ARG VERSION={__version__}\n" in (DEPLOY / "Dockerfile").read_text()
    for name in ("kubernetes.yaml", "kserve.yaml"):
        assert container(name)["image"] == f"ltp-serve:{__version__}"


def test_the_dockerfile_passes_a_linter() -> None:
    beside = Path(sys.executable).parent
    linter = shutil.which("hadolint") or shutil.which("hadolint", path=beside)
    if linter is None:
        pytest.skip("hadolint is not installed")
    command = [linter, str(DEPLOY / "Dockerfile")]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def validate(document: dict[str, Any]) -> None:
    checker = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is missing")
    checker.validate(document, checker.latest_version(), strict=True)


def test_the_kubernetes_manifest_is_one() -> None:
    found = documents("kubernetes.yaml")
    assert [document["kind"] for document in found] == ["Deployment", "Service"]
    for document in found:
        validate(document)
    deployment, service = found
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    broken = {**service, "spec": {**service["spec"], "port": 1}}
    with pytest.raises(Exception, match="'port' was unexpected"):
        validate(broken)


def test_the_runtime_of_kserve_has_a_container_that_kubernetes_takes() -> None:
    """No package here has KServe's own schemas."""
    runtime, service = documents("kserve.yaml")
    assert runtime["kind"] == "ServingRuntime"
    assert service["kind"] == "InferenceService"
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}}
    validate({**pod, "spec": {"containers": runtime["spec"]["containers"]}})
    model = service["spec"]["predictor"]["model"]
    assert model["runtime"] == runtime["metadata"]["name"]
    assert model["protocolVersion"] in runtime["spec"]["protocolVersions"]
    formats = [known["name"] for known in runtime["spec"]["supportedModelFormats"]]
    assert model["modelFormat"]["name"] in formats


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    verifier = shutil.which("systemd-analyze")
    if verifier is None:
        pytest.skip("systemd-analyze is not installed")
    # The program is not installed where the unit expects it.
    text = (DEPLOY / UNIT).read_text().replace("/opt/ltp-deploy/bin/ltp-deploy", "/bin/true")
    unit = tmp_path / UNIT
    unit.write_text(text)
    command = [verifier, "verify", "--man=no", str(unit)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    faults = [line for line in found.stderr.splitlines() if UNIT in line]
    assert found.returncode == 0, found.stderr
    assert faults == []
