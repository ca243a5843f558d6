"""What a user may ask of a build."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ltp_deploy.errors import InputError, LtpError
from ltp_deploy.model.config import EncoderConfig

MAX_BATCH = 32


@dataclass(frozen=True)
class BuildOptions:
    """Everything but where from and where to.

    Attributes:
        precision: None for the target's first.
        survivors: the engine also reports who survived each layer.
        score_length, first_token: conventions that replace the checkpoint's own.
        compact: where pruned rows are removed: "auto", "all", "none", "bounded", or layer numbers
            with commas between them.
        usual_batch: sequences of a typical request, for which plan and engine are tuned.
        max_tokens, max_batch, max_length: what the engine accepts at most, see `Limits`.
        library: which TensorRT builds; None for the best that is here.
        not_int8: layers that an int8 build keeps in the precision of the activations.
        portable: also write the model in standard ONNX operators.
    """

    target: str = "cpu"
    precision: str | None = None
    survivors: bool = False
    score_length: int | str | None = None
    first_token: str | None = None
    compact: str = "auto"
    usual_batch: int = 8
    max_tokens: int | None = None
    max_batch: int | None = None
    max_length: int | None = None
    not_int8: tuple[int, ...] = ()
    library: str | None = None
    portable: bool = False


@dataclass(frozen=True)
class Limits:
    """The largest request that an engine accepts: tokens and sequences of a request in all, tokens
    of one sequence. 0 means no limit but memory."""

    max_tokens: int
    max_batch: int
    max_length: int

    @classmethod
    def choose(cls, options: BuildOptions, config: EncoderConfig, needed: bool) -> Limits:
        """From the options; `needed`: the target needs a number where the user gave none.

        Raises:
            LtpError: limits that contradict each other or the model.
        """
        length = options.max_length or config.max_length
        if length > config.max_length:
            raise LtpError(
                f"--max-length {length}, but the model takes at most {config.max_length} tokens"
            )
        batch = options.max_batch or (MAX_BATCH if needed else 0)
        tokens = options.max_tokens or (batch * length if needed else 0)
        if tokens and options.max_tokens and options.max_length and tokens < length:
            raise LtpError(f"--max-tokens {tokens} leaves no room for --max-length {length}")
        return cls(tokens, batch, min(length, tokens) if tokens else length)

    def allow(self, lengths: Any) -> bool:
        """Whether a request of sequences of these lengths [B] is accepted."""
        try:
            self.check(lengths)
        except InputError:
            return False
        return True

    def check(self, lengths: Any) -> None:
        """Refuse a request of sequences of these lengths [B].

        Raises:
            InputError: what was found, what is allowed, what to do.
        """
        rebuild = "split the request, or build with a larger"
        if self.max_batch and len(lengths) > self.max_batch:
            raise InputError(
                f"the request has {len(lengths)} sequences, the engine takes {self.max_batch}; "
                f"{rebuild} --max-batch"
            )
        if self.max_tokens and lengths.sum() > self.max_tokens:
            raise InputError(
                f"the request has {lengths.sum()} tokens, the engine takes {self.max_tokens}; "
                f"{rebuild} --max-tokens"
            )
        if lengths.max() > self.max_length:
            i = int(lengths.argmax())
            raise InputError(
                f"sequence {i} has {lengths[i]} tokens, the engine takes at most "
                f"{self.max_length}; truncate it"
            )
