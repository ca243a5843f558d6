"""What the driver is asked for to launch a kernel: the device's context, its module, one launch."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ltp_deploy.cuda import kernels, launches
from ltp_deploy.cuda.launches import Launch, NormArguments
from ltp_deploy.errors import LtpError
from ltp_deploy.model.policy import Carry, LayerRule, Mode

LAUNCH = Launch("ltp_kernel", (3, 2), 128)


class Code(int):
    name = "CUDA_ERROR_NO_BINARY_FOR_GPU"


class FakeDriver:
    """Contexts "context 0" and so on; modules and functions know which they were loaded into."""

    def __init__(self) -> None:
        self.contexts: list[str] = []
        self.launched: list[tuple[Any, ...]] = []
        self.loaded = 0
        self.carveouts: dict[str, int] = {}
        self.answer = Code(0)

    def cuInit(self, flags: int) -> tuple[Any, ...]:
        return (Code(flags),)

    def cuDeviceGet(self, ordinal: int) -> tuple[Any, ...]:
        return Code(0), ordinal

    def cuDevicePrimaryCtxRetain(self, device: int) -> tuple[Any, ...]:
        return Code(0), f"context {device}"

    def cuCtxPushCurrent(self, context: str) -> tuple[Any, ...]:
        self.contexts.append(context)
        return (Code(0),)

    def cuCtxPopCurrent(self) -> tuple[Any, ...]:
        return Code(0), self.contexts.pop()

    def cuModuleLoadData(self, image: bytes) -> tuple[Any, ...]:
        self.loaded += 1
        return self.answer, (self.contexts[-1], image)

    def cuModuleGetFunction(self, module: Any, name: bytes) -> tuple[Any, ...]:
        return Code(0), (*module, name)

    CUfunction_attribute = SimpleNamespace(
        CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT="carveout"
    )

    def cuFuncSetAttribute(self, function: Any, attribute: str, value: int) -> tuple[Any, ...]:
        assert attribute == "carveout"
        self.carveouts[function[2].decode()] = value
        return (Code(0),)

    def cuLaunchKernel(self, function: Any, *arguments: int) -> tuple[Any, ...]:
        grid, block, shared_and_stream = arguments[:3], arguments[3:6], arguments[6:8]
        self.launched.append((self.contexts[-1], function, grid, block, shared_and_stream))
        return (Code(0),)


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> FakeDriver:
    fake = FakeDriver()
    monkeypatch.setattr(kernels, "driver", lambda: fake)
    for name in ("_context", "_module", "_function"):
        uncached = getattr(kernels, name).__wrapped__
        monkeypatch.setattr(kernels, name, functools.cache(uncached))
    return fake


@pytest.fixture
def image(tmp_path: Path) -> Path:
    (tmp_path / "kernels.cubin").write_bytes(b"code")
    return tmp_path / "kernels.cubin"


def test_a_kernel_runs_in_its_devices_context(driver: FakeDriver, image: Path) -> None:
    """A thread may have no context, or that of another device, and keeps it."""
    for device in (0, 1, 1):
        kernels.enqueue([LAUNCH, LAUNCH], NormArguments(), kernels.Queue(device, 7, image))
    wanted = [
        (context, (context, b"code", b"ltp_kernel"), (3, 2, 1), (128, 1, 1), (0, 7))
        for context in ["context 0"] * 2 + ["context 1"] * 4
    ]
    assert driver.launched == wanted
    assert driver.loaded == 2  # once for each device
    assert not driver.contexts


def test_all_kernels_are_loaded_at_once_attention_with_all_shared_memory(
    driver: FakeDriver, image: Path
) -> None:
    kernels.load_kernels(kernels.Queue(1, 7, image))
    assert driver.loaded == 1
    assert not driver.contexts
    assert driver.carveouts == {name: 100 if "attend" in name else -1 for name in launches.KERNELS}
    named = {
        launch.kernel
        for size in (8, 40, 128)
        for mode in (Mode.NONE, Mode.TOPK)
        for carry in Carry
        for launch in launches.launches(
            launches.Layer(2, size, LayerRule(mode, 0.5), 0, True, carry), 100, 3
        )
    }
    assert named == set(launches.KERNELS)


def test_an_image_that_the_driver_refuses_is_an_error(driver: FakeDriver, image: Path) -> None:
    driver.answer = Code(209)
    with pytest.raises(LtpError, match=r"NO_BINARY_FOR_GPU; the driver is older .*: update it"):
        kernels.enqueue([LAUNCH], NormArguments(), kernels.Queue(0, 7, image))
    assert not driver.contexts
    assert not driver.launched


def test_a_missing_cuda_python_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    with pytest.raises(LtpError, match=r"needs cuda-python: pip install .*\[cuda\]"):
        kernels.driver()
