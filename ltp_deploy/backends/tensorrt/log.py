"""TensorRT's messages, kept until they are asked for."""

from __future__ import annotations

from typing import Any

RECENT = 20  # errors that are kept


class Log:
    """What a TensorRT logger has received.

    Attributes:
        trt: the module tensorrt or tensorrt_rtx, whose logger `make_logger` makes of this class.
        everything: whether `messages` keeps all of them, or none.
        messages: all messages in order.
    """

    trt: Any
    everything: bool

    def __init__(self) -> None:
        self.trt.ILogger.__init__(self)
        self.messages: list[str] = []
        self._errors: list[str] = []

    def log(self, severity: Any, message: str) -> None:
        """Receive a message; TensorRT calls this."""
        if self.everything:
            self.messages.append(message)
        if severity in (self.trt.ILogger.ERROR, self.trt.ILogger.INTERNAL_ERROR):
            self._errors = [*self._errors[1 - RECENT :], message]

    def complaints(self) -> str:
        """The latest errors, one on each line."""
        return "\n".join(self._errors) or "no reason was given"


def make_logger(trt: Any, everything: bool = False) -> Any:
    """A `Log` that is an `ILogger` of `trt`, the module tensorrt or tensorrt_rtx."""
    return type("Logger", (Log, trt.ILogger), {"trt": trt, "everything": everything})()
