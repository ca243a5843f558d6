"""TensorRT's messages, kept for whoever asks."""

from types import SimpleNamespace

import pytest

from ltp_deploy.backends.tensorrt.log import RECENT, make_logger


@pytest.mark.parametrize("everything", [True, False])
def test_a_logger_keeps_recent_errors_and_perhaps_all_messages(everything: bool) -> None:
    kind = type("ILogger", (), {"ERROR": 1, "INTERNAL_ERROR": 0})
    logger = make_logger(SimpleNamespace(ILogger=kind), everything)
    assert isinstance(logger, kind)
    assert logger.complaints() == "no reason was given"
    for i in range(30):
        logger.log(i % 3, f"message {i}")
    errors = [f"message {i}" for i in range(30) if i % 3 in (0, 1)]
    assert logger.complaints().splitlines() == errors[-RECENT:]
    assert logger.messages == ([f"message {i}" for i in range(30)] if everything else [])
