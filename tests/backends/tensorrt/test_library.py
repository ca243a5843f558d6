"""Which library builds, and what is said where none can."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from ltp_deploy.backends.tensorrt import library as module
from ltp_deploy.backends.tensorrt.library import (
    RTX,
    TENSORRT,
    Library,
    child_environment,
    choose_library,
)
from ltp_deploy.cli import main
from ltp_deploy.errors import LtpError, how_to_install
from ltp_deploy.hardware.gpu import Gpu


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch):
    """Sets what is installed and which GPU is there."""

    def be(*installed: str, gpu: str | None = None) -> None:
        monkeypatch.setattr(Library, "installed", property(lambda self: self.name in installed))
        gpus = [Gpu("a GPU", gpu)] if gpu else []
        monkeypatch.setattr(module, "gpus", lambda: gpus)

    return be


def test_tensorrt_builds_where_the_gpu_is_present(machine) -> None:
    machine("tensorrt", "tensorrt_rtx", gpu="7.5")
    assert choose_library("7.5") is TENSORRT
    assert choose_library("7.5", "tensorrt_rtx") is RTX


@pytest.mark.parametrize("gpu", [None, "9.0"])
def test_tensorrt_for_rtx_builds_where_the_gpu_is_absent(machine, gpu: str | None) -> None:
    machine("tensorrt", "tensorrt_rtx", gpu=gpu)
    assert choose_library("7.5") is RTX


def test_without_any_library_the_error_says_how_to_install_either(machine) -> None:
    machine()
    with pytest.raises(LtpError) as error:
        choose_library("7.5")
    message = str(error.value)
    assert "TensorRT is not installed (install the `tensorrt` package" in message
    assert f"TensorRT for RTX is not installed ({how_to_install('tensorrt-rtx')})" in message


def test_a_dry_run_says_that_the_library_is_missing(machine, bert_checkpoint: Path) -> None:
    arguments = ["build", str(bert_checkpoint), "--target", "t4", "--dry-run"]
    machine("tensorrt_rtx")
    planned = CliRunner().invoke(main, arguments)
    missing = CliRunner().invoke(main, [*arguments, "--library", "tensorrt"])
    assert (planned.exit_code, missing.exit_code) == (0, 0)
    assert "this machine cannot build it" not in planned.output
    line = missing.output.splitlines()[-1]
    assert line.startswith("this machine cannot build it: no installed library builds engines for")
    assert "TensorRT is not installed" in line


def test_a_gpu_that_no_library_builds_for_is_refused_with_reasons(machine) -> None:
    machine("tensorrt", "tensorrt_rtx", gpu="7.5")
    with pytest.raises(LtpError, match=r"9\.0: TensorRT builds only for the GPU .* here 7\.5"):
        choose_library("9.0")
    with pytest.raises(LtpError, match=r"TensorRT for RTX knows only 7\.5, 8\.0"):
        choose_library("9.0")


def test_a_library_asked_for_by_name_has_no_substitute(machine) -> None:
    machine("tensorrt_rtx")
    with pytest.raises(LtpError, match="TensorRT is not installed"):
        choose_library("7.5", "tensorrt")
    with pytest.raises(LtpError, match="unknown library 'trt'; known: tensorrt, tensorrt_rtx"):
        choose_library("7.5", "trt")


def test_a_library_that_does_not_import_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(LtpError, match="TensorRT cannot be imported"):
        TENSORRT.load()


def test_the_parser_finds_its_library_under_the_name_it_asks_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("tensorrt_rtx")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/somewhere/else")
    with child_environment(RTX) as environment:
        ours, *others = environment["LD_LIBRARY_PATH"].split(":")
        assert others == ["/somewhere/else"]
        link = module.Path(ours) / "libtensorrt_rtx.so"
        assert link.resolve().name.startswith("libtensorrt_rtx.so.")
    assert not link.exists()
