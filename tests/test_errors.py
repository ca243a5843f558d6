"""What a missing optional package is answered with, and what errors say to users."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from ltp_deploy.errors import (
    BundleError,
    LtpError,
    how_to_install,
    needs,
    needs_build,
    of_system,
    said,
)

ROOT = Path(__file__).parents[1]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
INSTALLED = any(metadata.distributions(name="ltp-deploy"))


@pytest.mark.skipif(not INSTALLED, reason="the package is not installed")
def test_an_extra_is_installed_by_its_name() -> None:
    assert how_to_install("build") == 'pip install "ltp-deploy[build]"'


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


def test_the_message_says_what_for_how_and_why() -> None:
    with pytest.raises(BundleError) as error, needs("drawing needs it", "learn", BundleError):
        import no_such_package  # noqa: F401
    assert str(error.value).startswith("drawing needs it: pip install ")
    assert "[learn]" in str(error.value)
    assert "No module named 'no_such_package'" in str(error.value)


def test_a_part_of_build_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    needs_build("reading a checkpoint")
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(LtpError, match=r"^reading a checkpoint needs safetensors: pip install .*"):
        needs_build("reading a checkpoint")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(28, "No space left", "a", None, "b"), "a and b: No space left"),
        (OSError("of a kind of its own"), "of a kind of its own"),
        (MemoryError(), "not enough memory"),
        (ImportError("lib.so: failed to map segment"), "lib.so: failed to map segment"),
        (
            UnicodeEncodeError("utf-8", "a\udcff", 1, 2, "why"),
            r"'a\udcff' cannot be written in utf-8",
        ),
        (Exception("File too large (os error 27)"), "File too large (os error 27)"),
    ],
    ids=repr,
)
def test_what_the_system_refuses_is_told_in_its_words(error: Exception, text: str) -> None:
    assert of_system(error)
    assert said(error) == text


def test_what_a_fault_in_the_program_raises_is_not_the_systems() -> None:
    assert not of_system(KeyError("layers"))
    assert not of_system(RuntimeError("shapes differ"))


def test_a_message_neither_floods_nor_commands_the_terminal() -> None:
    assert len(said(LtpError("x" * 10**6))) < 3000
    assert said(LtpError("one\ntwo \x1b[31m")) == "one\ntwo \\x1b[31m"
