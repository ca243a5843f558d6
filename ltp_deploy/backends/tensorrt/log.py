"""TensorRT's messages, kept until somebody asks."""

from __future__ import annotations

from typing import Any

RECENT = 20  # errors that are kept


def make_logger(trt: Any, everything: bool = False) -> Any:
    """A logger for `trt`, the module tensorrt or tensorrt_rtx: `complaints()` are its latest
    errors, `messages` is whatever was logged, if `everything` is asked for."""

    class Logger(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.messages: list[str] = []
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if everything:
                self.messages.append(message)
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                self.errors = [*self.errors[1 - RECENT :], message]

        def complaints(self) -> str:
            return "\n".join(self.errors) or "no reason was given"

    return Logger()
