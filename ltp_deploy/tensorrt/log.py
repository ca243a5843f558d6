"""TensorRT's messages, kept until somebody asks."""

from __future__ import annotations

from typing import Any


def make_logger(trt: Any) -> Any:
    """A logger for `trt`, the module tensorrt or tensorrt_rtx, with `messages` and
    `complaints()`, which are the errors among them."""

    class Logger(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.messages: list[str] = []
            self._errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            self.messages.append(message)
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                self._errors.append(message)

        def complaints(self) -> str:
            return "\n".join(self._errors) or "no reason was given"

    return Logger()
