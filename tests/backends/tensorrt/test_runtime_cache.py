"""Kernels that TensorRT for RTX compiled are kept in a file, on a fake of its module."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ltp_deploy.backends.tensorrt.contexts import Contexts
from ltp_deploy.backends.tensorrt.runtime_cache import RuntimeCache
from ltp_deploy.cuda import memory
from tests.backends.fake_cuda import PROFILES, FakeContext, FakeEngine, FakeRuntime


class FakeCache:
    """Refuses what begins with another version, as the library does."""

    def __init__(self) -> None:
        self.kernels = b""

    def deserialize(self, data: bytes) -> bool:
        fits = data.startswith(b"1.7")
        self.kernels = data if fits else b""
        return fits

    def serialize(self) -> bytes:
        return self.kernels


class RtxEngine(FakeEngine):
    """Compiles one kernel for each profile that a context is made for."""

    def create_runtime_config(self) -> Any:
        config = SimpleNamespace(create_runtime_cache=FakeCache)
        config.set_runtime_cache = lambda cache: setattr(config, "cache", cache)
        config.set_execution_context_allocation_strategy = lambda how: setattr(config, "how", how)
        return config

    def create_execution_context(self, config: Any) -> FakeContext:
        assert config.dynamic_shapes_kernel_specialization_strategy == "none"
        kernel = f"-kernel{len(self.contexts)}".encode()
        if kernel not in config.cache.kernels:
            config.cache.kernels = (config.cache.kernels or b"1.7") + kernel
        return super().create_execution_context(config.how)


TRT = SimpleNamespace(
    DynamicShapesKernelSpecializationStrategy=SimpleNamespace(NONE="none"),
    ExecutionContextAllocationStrategy=SimpleNamespace(USER_MANAGED="user managed"),
)


def opened(monkeypatch: pytest.MonkeyPatch, folder: Path) -> RuntimeCache:
    """The cache after an engine's contexts were made with it."""
    cuda = FakeRuntime()
    monkeypatch.setattr(memory, "runtime", lambda: cuda)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    cache = RuntimeCache(TRT, "a1b2")
    contexts = Contexts(TRT, None, RtxEngine(None, cuda), memory.Stream(), cache)
    for profile in range(len(PROFILES)):
        contexts.make(profile)
    return cache


def test_what_was_compiled_is_there_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = opened(monkeypatch, tmp_path)
    assert not cache.path.exists()
    cache.save()
    assert cache.path == tmp_path / "ltp-deploy" / "a1b2.rtx"
    assert cache.path.read_bytes() == b"1.7-kernel0-kernel1"
    assert cache.path.stat().st_mode & 0o777 == 0o600
    again = opened(monkeypatch, tmp_path)
    before = cache.path.stat().st_mtime_ns
    again.save()  # nothing new
    assert cache.path.stat().st_mtime_ns == before


def test_what_another_version_compiled_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ltp-deploy").mkdir()
    path = tmp_path / "ltp-deploy" / "a1b2.rtx"
    path.write_bytes(b"1.6-kernel0")
    opened(monkeypatch, tmp_path).save()
    assert path.read_bytes() == b"1.7-kernel0-kernel1"


def test_a_folder_that_cannot_be_written_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = opened(monkeypatch, tmp_path)
    (tmp_path / "file").touch()
    cache.path = tmp_path / "file" / "a1b2.rtx"
    cache.save()
    assert not cache.path.exists()


def test_without_a_folder_that_lasts_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    cache = opened(monkeypatch, tmp_path / "file")
    assert cache.path is None
    cache.save()
    assert list(temporary.iterdir()) == []
