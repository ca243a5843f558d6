"""Names of bundles, and the token."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="FastAPI is not installed")

from click.testing import CliRunner

from ltp_deploy.cli import main
from ltp_deploy.cli.serve import serve
from ltp_deploy.errors import LtpError
from ltp_deploy.serve.settings import Limits, Loading, Settings, named_bundles


def test_bundles_are_named_by_their_folders_or_as_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    assert named_bundles(["out/sst2", "ranks=other/sst2", ".", "x=a=b"]) == {
        "sst2": Path("out/sst2"),
        "ranks": Path("other/sst2"),
        "here": Path("."),
        "x": Path("a=b"),
    }
    assert list(named_bundles(["b=1", "a=2"])) == ["b", "a"], "their order counts"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["a/x", "b/x"], "a/x and b/x are both named x; tell them apart: NAME=DIRECTORY"),
        (["x=a", "x=a"], "both named x"),
        (["my bundle"], "found 'my bundle'; give it one: NAME=my bundle"),
        (["=a"], "found ''"),
        (["../a/b=c"], "found '../a/b'"),
        (["/"], "found ''; give it one: NAME=/"),
    ],
)
def test_names_that_no_address_can_hold_are_refused(given: list[str], message: str) -> None:
    with pytest.raises(LtpError) as error:
        named_bundles(given)
    assert message in str(error.value)


def test_the_command_has_the_same_defaults() -> None:
    given = serve.make_context("serve", ["bundle"]).params
    for kind in (Settings({}), Limits(), Loading()):
        for one in fields(kind):
            if one.name in given and one.name != "bundles":
                assert given[one.name] == getattr(kind, one.name), one.name


def test_the_token_is_shown_nowhere() -> None:
    assert "sesame" not in repr(Settings({}, token="sesame"))


@pytest.mark.parametrize("content", [b"", b" \n", b"two\nlines", b"\xff", "größe".encode()])
def test_what_is_no_token_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    arguments = ["serve", "bundle", "--port", "0", "--token-file", str(file)]
    found = CliRunner().invoke(main, arguments)
    assert found.exit_code == 1
    assert found.output.startswith("Error: ")
    assert str(file) in found.output


def test_a_token_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    arguments = ["serve", "bundle", "--token-file", str(tmp_path / "none")]
    found = CliRunner().invoke(main, arguments)
    assert found.exit_code == 1
    assert "cannot be read" in found.output
