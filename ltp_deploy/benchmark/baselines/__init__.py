"""The dense models that engines are timed against. A new one is a file and a line here."""

from __future__ import annotations

from collections.abc import Callable

from ltp_deploy.benchmark.baselines import openvino, tensorrt, torch
from ltp_deploy.benchmark.baselines.baseline import BaselineRequest
from ltp_deploy.benchmark.runner import Runner

BASELINES: dict[str, Callable[[BaselineRequest], list[Runner]]] = {
    "openvino": openvino.baselines,
    "tensorrt": tensorrt.baselines,
    "torch": torch.baselines,
}

__all__ = ["BASELINES", "BaselineRequest"]
