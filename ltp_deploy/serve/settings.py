"""What a server is told when it starts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ltp_deploy.errors import LtpError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Limits:
    """How large a request may be, and how many may wait.

    Attributes:
        body: bytes of a request's body.
        texts: texts, or sequences of token ids, of a request.
        tokens: of all of them together.
        waiting: requests to one bundle that are answered or wait for it, in one process.
    """

    body: int = 2_000_000
    texts: int = 256
    tokens: int = 65_536
    waiting: int = 1024


@dataclass(frozen=True)
class Loading:
    """How bundles are loaded; see `ltp_deploy.load`.

    Attributes:
        threads: of each process, None for its share of the cores.
        alive: whether tokens are counted layer by layer, where the bundle's engine can.
    """

    threads: int | None = None
    throughput: bool = False
    long_texts: str = "truncate"
    stride: int | None = None
    batch_tokens: int = 1024
    pruning: float = 1.0
    alive: bool = True


@dataclass(frozen=True)
class Settings:
    """A server.

    Attributes:
        bundles: directories by the names under which they are served, in the order given.
        token: what clients must send as `Authorization: Bearer ...`; None for no such check.
        drain: seconds that the server goes on listening, and says that it is not ready, between the
            signal to end and the end.
        grace: seconds that the end then waits for requests that have begun, at most.
        access_log: whether a line is printed for each request, without its body.
    """

    bundles: dict[str, Path]
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    limits: Limits = Limits()
    loading: Loading = Loading()
    token: str | None = field(default=None, repr=False)
    drain: float = 0.0
    grace: int = 60
    access_log: bool = False


def named_bundles(given: Sequence[str]) -> dict[str, Path]:
    """Bundles by name, from `NAME=DIRECTORY` or from a directory, whose own name it is then.

    Raises:
        LtpError: a name that no address can hold, or the same name twice.
    """
    found: dict[str, Path] = {}
    for one in given:
        name, equals, path = one.partition("=")
        directory = Path(path if equals else one)
        name = name if equals else directory.resolve().name
        if not NAME.fullmatch(name):
            raise LtpError(
                f"{one}: a bundle's name has letters, digits, dots, dashes and underscores, found "
                f"{name!r}; give it one: NAME={directory}"
            )
        if name in found:
            raise LtpError(
                f"{found[name]} and {directory} are both named {name}; tell them apart: "
                "NAME=DIRECTORY"
            )
        found[name] = directory
    return found
