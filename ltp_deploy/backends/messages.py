"""What other libraries say when they refuse something, in one line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from ltp_deploy.errors import BundleError, LtpError

_LIBRARIES = ("openvino", "onnxruntime")  # whose errors have classes of their own
_PLACE = re.compile(r"(RuntimeError: )?(Exception from |Check '.*' failed at ).*:\d+:")
_CONTEXT = "While validating node "  # names operators of a graph that nobody has seen


@contextmanager
def in_one_line(what: str, kind: type[LtpError] = LtpError) -> Iterator[None]:
    """Around calls of a library: its errors become one of ours, with their reason alone.

    Args:
        what: goes before the reason, as in "OpenVINO did not build the engine".
        kind: the class of our error.

    Raises:
        LtpError: the library refused.
    """
    try:
        yield
    except Exception as error:
        if _of_library(error):
            raise kind(f"{what}: {reason(str(error))}") from error
        raise


@contextmanager
def opening(what: str) -> Iterator[None]:
    """Around what reads a bundle: whatever goes wrong is the bundle's fault, in one line.

    Args:
        what: goes before the reason, as in "the engine cannot be run".

    Raises:
        BundleError: in place of any error that is not ours.
    """
    try:
        yield
    except LtpError:
        raise
    except Exception as error:
        kind = "" if _of_library(error) else f"{type(error).__name__}: "
        raise BundleError(f"{what}: {kind}{reason(str(error))}") from error


def _of_library(error: Exception) -> bool:
    library = type(error).__module__.partition(".")[0]
    return library in _LIBRARIES or type(error) is RuntimeError


def reason(message: str) -> str:
    """The part of a message that says what is wrong.

    OpenVINO's have it after the last line that names a place in its sources, up to an empty line;
    those of PyTorch and ONNX Runtime begin with it.
    """
    lines = [line.strip() for line in message.strip().splitlines()]
    places = [i for i, line in enumerate(lines) if _PLACE.fullmatch(line)]
    if not places:
        return lines[0] if lines else "no reason was given"
    told = lines[places[-1] + 1 :]
    told = told[: told.index("")] if "" in told else told
    return " ".join(line for line in told if not line.startswith(_CONTEXT)) or lines[places[-1]]
