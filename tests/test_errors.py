"""What a missing optional package is answered with."""

from __future__ import annotations

import re
import shlex
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from ltp_deploy.errors import BundleError, how_to_install, needs

ROOT = Path(__file__).parents[1]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


@pytest.mark.parametrize("extra", sorted(set(EXTRAS) - {"dev"}))
def test_an_extra_is_installed_by_the_names_of_its_packages(extra: str) -> None:
    pip, install, *packages = shlex.split(how_to_install(extra))
    assert (pip, install) == ("pip", "install")
    assert packages
    names = {Requirement(package).name for package in packages}
    assert "ltp-deploy" not in names, "no index has this package"
    assert names >= {Requirement(text).name for text in EXTRAS[extra]} - {"ltp-deploy"}


def test_an_extra_that_contains_others_names_their_packages() -> None:
    assert {Requirement(text).name for text in shlex.split(how_to_install("tensorrt-rtx"))[2:]} == {
        "cuda-python",
        "onnx",
        "onnxruntime",
        "onnxscript",
        "tensorrt-rtx-cu12",
    }


def test_without_an_installation_the_checkout_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_found(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", not_found)
    assert how_to_install("learn") == "pip install -e '.[learn]', in the checkout"


def test_every_extra_that_the_code_names_exists() -> None:
    call = re.compile(r"""(?:\bneeds\([^)]*?, |how_to_install\()["']([\w-]+)""")
    named = {
        extra
        for file in (ROOT / "ltp_deploy").rglob("*.py")
        for extra in call.findall(file.read_text())
    }
    assert named, "the pattern finds no call"
    assert named <= set(EXTRAS)
    with pytest.raises(KeyError):
        how_to_install("no-such-extra")


def test_the_message_says_what_for_how_and_why() -> None:
    with pytest.raises(BundleError) as error, needs("drawing needs it", "learn", BundleError):
        import no_such_package  # noqa: F401
    assert str(error.value).startswith("drawing needs it: pip install ")
    assert "accelerate" in str(error.value)
    assert "No module named 'no_such_package'" in str(error.value)
