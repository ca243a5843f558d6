"""The one exception type that users meet, with a message that says what to do."""

from collections.abc import Iterator
from contextlib import contextmanager


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


@contextmanager
def needs(what: str, extra: str, kind: type[LtpError] = LtpError) -> Iterator[None]:
    """Around imports of optional packages: says what they are for, and which extra brings them.

    Raises:
        LtpError: one of them is missing; of the `kind` asked for.
    """
    try:
        yield
    except ImportError as error:
        raise kind(f"{what}: pip install 'ltp-deploy[{extra}]' ({error})") from None
