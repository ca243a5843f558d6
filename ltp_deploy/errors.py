"""The one exception type that users meet, with a message that says what to do."""


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
