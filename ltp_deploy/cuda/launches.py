"""Which kernels a layer launches, and where its scratch memory lies.

The same as in `plugins/cuda/pruned_attention.cu`, for callers that launch through the driver; a
test holds the two together.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

from ltp_deploy.errors import LtpError
from ltp_deploy.model.config import HEAD_MULTIPLE, EncoderConfig
from ltp_deploy.model.policy import Carry, LayerRule
from ltp_deploy.model.signature import INPUTS, OUTPUTS

# Rows of a block's tile, and threads of a block.
ATTEND_ROWS, ATTEND_THREADS = 64, 128
COMPACT_ROWS, COMPACT_THREADS = 8, 256
FIRST_ROW_THREADS = 128
NORM_ROWS, NORM_THREADS = 4, 128

# All that `launches` may name.
SIZES = (32, 64, 128)
KERNELS = (
    *(f"ltp_{name}_{size}" for name in ("attend", "attend_scores", "first_row") for size in SIZES),
    "ltp_compact",
)

MAX_HEAD_SIZE = 128
MAX_HEADS = 65535  # the second dimension of a grid
MAX_NORM_COLUMNS = 1024

_ALIGNMENT = 256  # bytes, of each part of the scratch memory


class Rule(ctypes.Structure):
    """`ltp::PruningRule` of the kernels."""

    _fields_ = [
        ("mode", ctypes.c_int32),
        ("threshold", ctypes.c_float),
        ("score_length", ctypes.c_int32),
        ("keep_first", ctypes.c_bool),
    ]


class Arguments(ctypes.Structure):
    """`ltp::cuda::Arguments`, the only parameter of every kernel."""

    _fields_ = [
        *(
            (name, ctypes.c_void_p)
            for name in (
                *INPUTS,
                *OUTPUTS,
                *("scores", "blocks_done", "attended", "survivors", "survivor_counts"),
            )
        ),
        *((name, ctypes.c_int32) for name in ("rows", "sequences", "heads", "head_size")),
        ("rule", Rule),
        ("carry", ctypes.c_int32),
    ]


class NormArguments(ctypes.Structure):
    """`ltp::cuda::NormArguments`, the only parameter of `ltp_residual_norm`."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("x", "residual", "kept", "weight", "bias", "out")),
        *((name, ctypes.c_int32) for name in ("rows", "columns")),
        ("epsilon", ctypes.c_float),
    ]


@dataclass(frozen=True)
class Layer:
    """What is fixed about one layer when an engine is built.

    Attributes:
        heads: number of attention heads.
        head_size: columns of a head, see `check_heads`.
        rule: which tokens are pruned.
        score_length: the denominator D in tokens, 0 for each sequence's own length.
        keep_first: the first token is never pruned.
        carry: which rows the layer hands on.
    """

    heads: int
    head_size: int
    rule: LayerRule
    score_length: int
    keep_first: bool
    carry: Carry

    @property
    def scores(self) -> bool:
        """Whether the kernels compute scores, as `ltp::prunes` says."""
        return self.rule.prunes

    @property
    def compacts(self) -> bool:
        """Whether the survivors' rows are moved to the front."""
        return self.carry in (Carry.SURVIVORS, Carry.BOUNDED)


def too_large(config: EncoderConfig) -> str | None:
    """Why the kernels do not take a model's heads, in words; None where they do."""
    if config.head_size > MAX_HEAD_SIZE:
        return f"heads of {config.head_size} values: the CUDA kernels take up to {MAX_HEAD_SIZE}"
    if not config.reads_first:
        return "its answer is a mean over tokens, which the engines for GPUs do not compute"
    if config.heads > MAX_HEADS:
        return f"{config.heads} heads: the CUDA kernels take up to {MAX_HEADS}"
    return None


def check_heads(heads: int, size: int) -> None:
    """Refuse heads that the kernels do not take.

    Args:
        heads: how many there are.
        size: columns of each, padded to a multiple of `HEAD_MULTIPLE`.

    Raises:
        LtpError: another size, or too many of them.
    """
    if not 0 < heads <= MAX_HEADS or size % HEAD_MULTIPLE or not 0 < size <= MAX_HEAD_SIZE:
        raise LtpError(
            f"{heads} heads of {size} columns: the CUDA kernels take up to {MAX_HEADS} heads of a "
            f"multiple of {HEAD_MULTIPLE} columns up to {MAX_HEAD_SIZE}"
        )


@dataclass(frozen=True)
class Launch:
    """One launch: the kernel's name, the grid in blocks, and the threads of a block."""

    kernel: str
    grid: tuple[int, int]
    threads: int


def launches(layer: Layer, rows: int, sequences: int) -> list[Launch]:
    """The launches of a layer on tensors of T rows and B sequences, in order."""
    size = next(size for size in SIZES if layer.head_size <= size)
    if layer.carry is Carry.FIRST and not layer.scores:
        return [Launch(f"ltp_first_row_{size}", (sequences + 1, layer.heads), FIRST_ROW_THREADS)]
    attend = f"ltp_attend_scores_{size}" if layer.scores else f"ltp_attend_{size}"
    grid = (_tile_slots(rows, sequences, ATTEND_ROWS), layer.heads)
    found = [Launch(attend, grid, ATTEND_THREADS)]
    if layer.compacts:
        grid = (_tile_slots(rows, sequences, COMPACT_ROWS), 1)
        found.append(Launch("ltp_compact", grid, COMPACT_THREADS))
    return found


def norm_launch(rows: int) -> Launch:
    """The launch of `ltp_residual_norm` on tensors of T rows."""
    return Launch("ltp_residual_norm", (-(-rows // NORM_ROWS), 1), NORM_THREADS)


@dataclass(frozen=True)
class Workspace:
    """A layer's scratch memory.

    Attributes:
        places: where each part that the layer needs begins, in bytes.
        zeroed: how many bytes, from the beginning on, are set to zero before the first launch.
        bytes: the size of all parts.
    """

    places: dict[str, int]
    zeroed: int
    bytes: int


def workspace(layer: Layer, rows: int, sequences: int) -> Workspace:
    """The scratch memory of a layer for up to so many rows and sequences."""
    sizes = {}
    if layer.scores:
        sizes["scores"] = 8 * rows
        sizes["blocks_done"] = 4 * sequences
    if layer.compacts:
        sizes["attended"] = 2 * rows * layer.heads * layer.head_size
        sizes["survivors"] = 4 * rows
        sizes["survivor_counts"] = 4 * sequences
    places, end = {}, 0
    for part, size in sizes.items():
        places[part] = end
        end = -(-(end + size) // _ALIGNMENT) * _ALIGNMENT
    zeroed = places["blocks_done"] + sizes["blocks_done"] if layer.scores else 0
    return Workspace(places, zeroed, end)


def _tile_slots(rows: int, sequences: int, tile_rows: int) -> int:
    """Enough blocks for tiles of so many rows, however the rows belong to sequences; no tile has
    rows of two."""
    return rows // tile_rows + sequences + 1
