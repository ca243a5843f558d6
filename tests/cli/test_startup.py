"""Help is instant, because nothing heavy is imported for it."""

import json
import subprocess
import sys

import pytest

from ltp_deploy.cli import main

HEAVY = {"torch", "openvino", "transformers", "numpy", "safetensors", "datasets", "tqdm"}


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "arguments",
    [["-h"], ["--help"], ["--version"], *([name, "-h"] for name in main.commands)],
    ids=" ".join,
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = """
import json, sys
from ltp_deploy.cli import main
main(sys.argv[1:], prog_name="ltp-deploy", standalone_mode=False)
print("\\n" + json.dumps(sorted(sys.modules)))
"""
    result = run(code, *arguments)
    assert result.returncode == 0, result.stderr
    modules = json.loads(result.stdout.splitlines()[-1])
    assert HEAVY & set(modules) == set()


def test_importing_the_package_imports_nothing_heavy() -> None:
    result = run("import ltp_deploy, sys; print(ltp_deploy.__version__, *sys.modules)")
    assert HEAVY & set(result.stdout.split()) == set()


def test_the_module_is_the_command() -> None:
    command = [sys.executable, "-m", "ltp_deploy.cli", "inspect", "/nowhere"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: /nowhere is not a directory")
    assert "Traceback" not in result.stderr


def test_an_unknown_attribute_is_an_attribute_error() -> None:
    import ltp_deploy

    with pytest.raises(AttributeError, match="has no attribute 'unload'"):
        _ = ltp_deploy.unload
