"""The exceptions that users meet, with a message that says what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec


class LtpError(Exception):
    """Something the user brought cannot be used: what was wrong, what was found, what to do.

    The CLI prints the message without a traceback and exits with status 1.
    """


class CheckpointError(LtpError):
    """A checkpoint directory is missing something, malformed or of an unsupported kind."""


class BundleError(LtpError):
    """A bundle is damaged, edited, or made for other hardware or other versions."""


class EngineFailed(LtpError):
    """An engine failed on a request that it had accepted. The message is the library's, and may
    hold what was asked; the engine stays usable."""


class InputError(LtpError, ValueError):
    """A request that an engine refuses; the engine stays usable."""


class Overloaded(LtpError):
    """So many requests wait for an engine that it takes no more; try again later."""


class DeadlineExceeded(LtpError, TimeoutError):
    """The deadline of a request passed before the engine had begun with it."""


class EngineClosed(LtpError):
    """The engine was closed, and answers no more."""


# The modules of the extra [build], which everything needs that starts from a checkpoint.
BUILD = ("torch", "transformers", "safetensors", "tqdm")


def needs_build(what: str) -> None:
    """Refuse to go on where the extra [build] is missing; nothing is imported to find out.

    Raises:
        LtpError: a module of it is missing.
    """
    missing = [name for name in BUILD if find_spec(name) is None]
    if missing:
        raise LtpError(f"{what} needs {', '.join(missing)}: {how_to_install('build')}")


@contextmanager
def needs(what: str, extra: str, kind: type[LtpError] = LtpError) -> Iterator[None]:
    """Around imports of optional packages: says what they are for, and how to install them.

    Raises:
        LtpError: one of them is missing; of the `kind` asked for.
    """
    try:
        yield
    except ImportError as error:
        raise kind(f"{what}: {how_to_install(extra)} ({error})") from None


def how_to_install(extra: str) -> str:
    """The command that installs the packages of one of this package's extras.

    Where this package is installed, pip takes it as it is and adds the extra's packages: nothing is
    compiled, and no index is asked for this package.
    """
    from importlib import metadata

    try:
        metadata.distribution("ltp-deploy")
    except metadata.PackageNotFoundError:  # run from a checkout without an installation
        return f"pip install -e '.[{extra}]', in the checkout"
    return f'pip install "ltp-deploy[{extra}]"'


_LONGEST = 2000  # characters of a message, which may quote what it is about
# How libraries in Rust, and OpenVINO and PyTorch, say that a file could not be written.
_OF_LIBRARIES = re.compile(r"\(os error \d+\)|iostream error|inline_container")


def of_system(error: Exception) -> bool:
    """Whether an error is the operating system's, by whatever library it comes."""
    kinds = OSError | UnicodeError | MemoryError | ImportError
    return isinstance(error, kinds) or bool(_OF_LIBRARIES.search(str(error)))


def said(error: Exception) -> str:
    """What an error says to users; one of the operating system names the file first."""
    if isinstance(error, UnicodeEncodeError):
        text = f"{error.object[:_LONGEST]!r} cannot be written in {error.encoding}"
    elif isinstance(error, OSError) and error.strerror is not None:
        files = [str(name) for name in (error.filename, error.filename2) if name is not None]
        text = ": ".join([" and ".join(files), error.strerror] if files else [error.strerror])
    else:
        text = str(error) or (
            "not enough memory" if isinstance(error, MemoryError) else repr(error)
        )
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]} ..."
    # What it quotes might command the terminal.
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)
