"""What a user may ask of a build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ltp_deploy.errors import LtpError
from ltp_deploy.model.config import MAX_SIZE

PRECISIONS = ("f32", "bf16", "fp16", "int8-dynamic", "int8")
_COUNTS = ("usual_batch", "max_tokens", "max_batch", "max_length")


@dataclass(frozen=True)
class BuildOptions:
    """Everything but where from and where to.

    A manifest holds the options with every default and choice filled in, so that a variant of a
    bundle is built from `dataclasses.replace(manifest.options, ...)`.

    Attributes:
        target: a name in `ltp_deploy.targets.TARGETS`.
        precision: None for the target's first.
        survivors: the engine also reports which tokens survived each layer.
        score_length, first_token: conventions that replace the checkpoint's own.
        label_thresholds: probabilities above which labels hold, in place of the checkpoint's own:
            by name, or one for each output; () for a half each.
        compact: the layers that compact: "auto", "all", "none", "bounded", or layer numbers with
            commas between them.
        usual_batch: sequences of a typical request, for which plan and engine are tuned.
        max_tokens, max_batch, max_length: what the engine accepts at most, see `Limits`.
        not_int8: layers that an int8 build keeps in the precision of the activations.
        library: which TensorRT builds; None for the best that this machine has.
        tokenizer: put the checkpoint's tokenizer into the bundle, where it has one.
        cpp_texts: also write the tokenizer in the form by which the C++ runtime reads texts.
        portable: also write the model in standard ONNX operators.
    """

    target: str = "cpu"
    precision: str | None = None
    survivors: bool = False
    score_length: int | str | None = None
    first_token: str | None = None
    label_thresholds: Mapping[str, float] | tuple[float, ...] | None = None
    compact: str = "auto"
    usual_batch: int = 8
    max_tokens: int | None = None
    max_batch: int | None = None
    max_length: int | None = None
    not_int8: tuple[int, ...] = ()
    library: str | None = None
    tokenizer: bool = True
    cpp_texts: bool = False
    portable: bool = False

    def __post_init__(self) -> None:
        for name in _COUNTS:
            value = getattr(self, name)
            if value is not None and not 1 <= value <= MAX_SIZE:
                raise LtpError(f"{name} must be at least 1 and below 2^31, found {value}")
        if any(layer < 0 for layer in self.not_int8):
            raise LtpError(f"not_int8 names layers from 0 on, found {self.not_int8}")
