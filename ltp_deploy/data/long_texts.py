"""What becomes of texts that are longer than the model reads."""

from __future__ import annotations

from dataclasses import dataclass

from ltp_deploy.errors import LtpError

TRUNCATE, WINDOW, REFUSE = LONG_TEXTS = ("truncate", "window", "refuse")


@dataclass(frozen=True)
class LongTexts:
    """The rule for long texts.

    Attributes:
        rule: "truncate": they are cut where their tokenizer cuts. "window": they are read in
            windows that overlap, whose answers the head pools. "refuse": they are an error.
        stride: tokens that two windows share; None for a quarter of a window.

    Raises:
        LtpError: an unknown rule, or a stride that says nothing.
    """

    rule: str = TRUNCATE
    stride: int | None = None

    def __post_init__(self) -> None:
        if self.rule not in LONG_TEXTS:
            raise LtpError(f"long_texts is one of {', '.join(LONG_TEXTS)}, found {self.rule!r}")
        if self.stride is None:
            return
        number = isinstance(self.stride, int) and self.stride >= 0
        if not number or self.rule != WINDOW:
            raise LtpError(
                f"stride {self.stride!r} with long_texts {self.rule!r}: it is the number of tokens "
                "that two windows share, and goes with 'window'"
            )

    @property
    def windows(self) -> bool:
        return self.rule == WINDOW

    @property
    def refused(self) -> bool:
        return self.rule == REFUSE

    def overlap(self, room: int) -> int:
        """Tokens that two windows of `room` tokens share."""
        return room // 4 if self.stride is None else self.stride
