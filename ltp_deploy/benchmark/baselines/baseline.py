"""What a baseline is made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ltp_deploy.data.batch import PackedBatch
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.runtime.engine import Engine


@dataclass(frozen=True)
class BaselineRequest:
    """The dense model to time an engine against.

    Attributes:
        encoder: the loaded checkpoint.
        precision: the engine's; `activations`: of what is not an int8 matrix product.
        device: "cpu" or "cuda".
        peers: more runtimes, by their names in `peers.PEERS`.
        threads: of the CPU, None for all.
        samples: of the sequences that will be timed; an int8 baseline is calibrated on the first.
        engine: that is timed, None where there is none.
    """

    checkpoint: Path
    encoder: Encoder
    precision: str
    activations: str
    device: str
    peers: Sequence[str]
    threads: int | None
    samples: Sequence[PackedBatch]
    engine: Engine | None = None
