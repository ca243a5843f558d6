"""A build makes its bundle whole or not at all."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ltp_deploy.backends.table import read_bundle
from ltp_deploy.backends.torchscript import compile as torchscript
from ltp_deploy.builder.build import build
from ltp_deploy.bundle import directory as directory_module
from ltp_deploy.bundle.manifest import Manifest, new_bundle
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.errors import CheckpointError, LtpError
from ltp_deploy.targets import TARGETS


def contents(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*.*")}


def quick(checkpoint: Path, output: Path, force: bool = False) -> Manifest:
    return build(checkpoint, output, BuildOptions("null"), force=force)


@pytest.mark.slow
@pytest.mark.parametrize(
    "target",
    [t if t in ("null", "cpu", "t4") else pytest.param(t, marks=pytest.mark.full) for t in TARGETS],
)
def test_the_manifest_returned_is_the_one_written(
    target: str, bert_checkpoint: Path, tmp_path: Path
) -> None:
    manifest = build(bert_checkpoint, tmp_path / "out", BuildOptions(target))
    assert read_bundle(tmp_path / "out") == manifest
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_folders_above_the_output_are_made(bert_checkpoint: Path, tmp_path: Path) -> None:
    quick(bert_checkpoint, tmp_path / "a" / "b" / "out")
    assert (tmp_path / "a" / "b" / "out" / "manifest.json").is_file()


def test_an_existing_output_is_replaced_only_by_force(
    bert_checkpoint: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    quick(bert_checkpoint, output)
    (output / "old").touch()
    with pytest.raises(LtpError, match="exists; choose another output path or pass --force"):
        quick(bert_checkpoint, output)
    assert (output / "old").exists()
    quick(bert_checkpoint, output, force=True)
    assert not (output / "old").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("kind", ["file", "folder", "checkpoint"])
def test_force_replaces_nothing_but_bundles(
    kind: str, bert_checkpoint: Path, tmp_path: Path
) -> None:
    output = tmp_path / "precious"
    if kind == "file":
        output.write_text("mine")
    else:
        output.mkdir()
        (output / "config.json").write_text("mine")
    with pytest.raises(LtpError, match="is no bundle; it will not be replaced"):
        quick(bert_checkpoint, output, force=True)
    assert (output if kind == "file" else output / "config.json").read_text() == "mine"


class Interruption(BaseException):
    """Stands for Ctrl-C, which no `except Exception` catches."""


@pytest.mark.parametrize("existing", [True, False])
@pytest.mark.parametrize("step", ["engine", "manifest", "replace", "checkpoint"])
def test_a_build_that_dies_leaves_nothing_and_harms_nothing(
    existing: bool,
    step: str,
    bert_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output = tmp_path / "out"
    if existing:
        quick(bert_checkpoint, output)
    before = contents(tmp_path)

    def die(*args: object, **kwargs: object) -> None:
        raise Interruption

    if step == "engine":
        monkeypatch.setattr(torchscript.torch.jit, "save", die)
    elif step == "manifest":
        monkeypatch.setattr("ltp_deploy.builder.build.write_manifest", die)
    elif step == "replace":
        monkeypatch.setattr(directory_module.os, "rename", die)
    checkpoint = tmp_path / "nowhere" if step == "checkpoint" else bert_checkpoint
    with pytest.raises((Interruption, CheckpointError)):
        build(checkpoint, output, BuildOptions("torchscript"), force=True)
    assert contents(tmp_path) == before
    assert [p.name for p in tmp_path.iterdir()] == (["out"] if existing else [])


def test_a_bundle_comes_back_when_its_successor_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out"
    with new_bundle(output) as work:
        (work / "manifest.json").write_text("old")
    move, moved = os.rename, []

    def third_move_dies(source: Path, target: Path) -> None:
        moved.append(target)
        if len(moved) == 3:  # into the place that the second has made free
            raise Interruption
        move(source, target)

    monkeypatch.setattr(directory_module.os, "rename", third_move_dies)
    monkeypatch.setattr(directory_module, "_EXCHANGE", 1 << 10)  # which no kernel knows
    with pytest.raises(Interruption), new_bundle(output, force=True) as work:
        (work / "manifest.json").write_text("new")
    assert (output / "manifest.json").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "stop", [pytest.param(signal.SIGINT, marks=pytest.mark.full), signal.SIGTERM]
)
def test_a_stopped_build_leaves_no_half_bundle(
    stop: signal.Signals, bert_checkpoint: Path, tmp_path: Path
) -> None:
    """A real process, stopped while its build writes."""
    code = f"""
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # background shells ignore it
import ltp_deploy.builder.build as b
from ltp_deploy.cli import main
def pause(directory, manifest):
    print("writing", flush=True)
    import signal
    signal.pause()
b.write_manifest = pause
sys.argv[1:] = ["build", {str(bert_checkpoint)!r}, "-o", {str(tmp_path / "out")!r}]
main()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    assert len(list(tmp_path.iterdir())) == 1
    process.send_signal(stop)
    process.communicate()
    assert process.returncode != 0
    assert list(tmp_path.iterdir()) == []
