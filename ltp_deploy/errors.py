"""The exceptions that users meet, with a message that says what to do."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata


class LtpError(Exception):
    """Something the user brought cannot be used: what was wrong, what was found, what to do.

    The CLI prints the message without a traceback and exits with status 1.
    """


class CheckpointError(LtpError):
    """A checkpoint directory is missing something, malformed or of an unsupported kind."""


class BundleError(LtpError):
    """A bundle is damaged, edited, or made for other hardware or other versions."""


class InputError(LtpError, ValueError):
    """A request that an engine refuses; the engine stays usable."""


class Overloaded(LtpError):
    """So many requests wait for an engine that it takes no more; try again later."""


class DeadlineExceeded(LtpError, TimeoutError):
    """The deadline of a request passed before the engine had begun with it."""


class EngineClosed(LtpError):
    """The engine was closed, and answers no more."""


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

    It names those packages, as no index has this one: so it works with a wheel and with a checkout,
    and compiles nothing.

    Raises:
        KeyError: there is no such extra.
    """
    try:
        packages = sorted(set(_packages(extra)))
    except metadata.PackageNotFoundError:  # run from a checkout without an installation
        return f"pip install -e '.[{extra}]', in the checkout"
    return shlex.join(["pip", "install", *packages])


def _packages(extra: str) -> Iterator[str]:
    from packaging.requirements import Requirement

    distribution = metadata.distribution("ltp-deploy")
    if extra not in distribution.metadata.get_all("Provides-Extra", []):
        raise KeyError(extra)
    for requirement in map(Requirement, distribution.requires or []):
        marker = requirement.marker
        if marker is None or marker.evaluate() or not marker.evaluate({"extra": extra}):
            continue
        if requirement.name == "ltp-deploy":
            for other in requirement.extras:
                yield from _packages(other)
        else:
            requirement.marker = None
            yield str(requirement)
