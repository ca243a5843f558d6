"""Compiling the kernels for the local GPU: by nvcc, once."""

from __future__ import annotations

from pathlib import Path

import pytest

from ltp_deploy.bundle.native import cuda_sources
from ltp_deploy.cuda import compile
from ltp_deploy.errors import LtpError
from ltp_deploy.hardware.gpu import Gpu

GPU = Gpu("NVIDIA H200", "9.0")
NVCC = """#!/bin/sh
echo "$@" >> {log}
if [ "$1" = --version ]; then echo release 1.2; exit 0; fi
[ -z "{error}" ] || {{ echo "{error}" >&2; exit 2; }}
while [ "$1" != -o ]; do shift; done
echo code > "$2"
"""


@pytest.fixture
def toolkit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A GPU, a cache of its own, and a compiler that only notes how it was called."""
    _write_nvcc(tmp_path)
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(compile, "gpus", lambda: [GPU])
    compile.kernels.cache_clear()
    yield tmp_path
    compile.kernels.cache_clear()


def _write_nvcc(folder: Path, error: str = "") -> None:
    path = folder / "bin" / "nvcc"
    path.parent.mkdir(exist_ok=True)
    path.write_text(NVCC.format(log=folder / "log", error=error))
    path.chmod(0o755)


def compilations(folder: Path) -> int:
    return sum("-cubin -arch=sm_90" in line for line in (folder / "log").read_text().splitlines())


def test_kernels_compiled_before_come_from_the_cache(toolkit: Path) -> None:
    path = compile.kernels()
    assert path.parent == toolkit / "cache" / "ltp-deploy"
    assert path.read_text() == "code\n"
    compile.kernels.cache_clear()
    assert compile.kernels() == path
    assert compilations(toolkit) == 1
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_changed_sources_are_compiled_anew(toolkit: Path, tmp_path: Path) -> None:
    source = tmp_path / "sources" / "cuda" / "pruned_attention.cu"
    source.parent.mkdir(parents=True)
    made = []
    for text in ("a", "b", "a"):
        source.write_text(text)
        made.append(
            compile.compiled(str(toolkit / "bin" / "nvcc"), tmp_path / "sources", "9.0").name
        )
    assert made[0] == made[2] != made[1]
    assert compilations(toolkit) == 2


def test_an_error_of_nvcc_is_told_and_leaves_no_file(toolkit: Path) -> None:
    _write_nvcc(toolkit, "unsupported gpu architecture")
    with pytest.raises(LtpError, match=r"cannot compile .* unsupported gpu architecture"):
        compile.kernels()
    assert not list((toolkit / "cache" / "ltp-deploy").iterdir())


def test_without_nvcc_the_installed_kernels_are_used(
    toolkit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compile, "nvcc", lambda: None)
    monkeypatch.setattr(compile, "cuda_kernels", lambda: Path("installed.fatbin"))
    assert compile.kernels() == Path("installed.fatbin")
    compile.kernels.cache_clear()
    monkeypatch.setattr(compile, "cuda_kernels", lambda: None)
    with pytest.raises(LtpError, match="no nvcc to compile them"):
        compile.kernels()


def test_kernels_are_compiled_where_the_cache_cannot_be_written(
    toolkit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (toolkit / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(toolkit / "file"))
    assert compile.kernels().read_text() == "code\n"


def test_kernels_are_compiled_where_the_user_has_no_home(
    toolkit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", no_home)
    assert compile.kernels().read_text() == "code\n"


@pytest.mark.slow
def test_nvcc_compiles_the_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    compiler, sources = compile.nvcc(), cuda_sources()
    if compiler is None:
        pytest.skip("no nvcc")
    assert sources is not None
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = compile.compiled(compiler, sources, "9.0").read_bytes()
    assert made.startswith(b"\x7fELF")
    assert b"ltp_attend_scores_64" in made
