"""Which layers compact.

A layer without compaction marks their rows as not alive, which changes no answer. Compaction saves
work in later layers, and costs a host sync where the host must learn how many rows are left.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ltp_deploy.compiler.cost import GpuCost, engine_work, layer_time
from ltp_deploy.errors import LtpError
from ltp_deploy.model.config import EncoderConfig
from ltp_deploy.model.policy import Carry
from ltp_deploy.model.survivors import SurvivorProfile

Carries = tuple[Carry, ...]


def place(
    config: EncoderConfig,
    compact: str,
    survivors: bool,
    gpu: GpuCost | None,
    profile: SurvivorProfile,
) -> Carries:
    """Choose which rows each layer hands on.

    Args:
        config: the model.
        compact: compaction at "all" pruning layers, at "none", or at the layers whose numbers are
            given with commas between them; "bounded" moves survivors to the front of buffers of
            unchanged size everywhere; "auto" is the choice of least predicted time.
        survivors: the engine reports its survivors, so that the last layer hands them on too, as
            it does where the answer is a mean over tokens; otherwise it hands on first rows alone,
            which are all that the head reads.
        gpu: the cost model; None where compaction is free, and so "auto" means "all".
        profile: a typical request.

    Raises:
        LtpError: an unknown choice, a layer that does not exist or does not prune, or one without
            compaction in a model whose answer is a mean over tokens.
    """
    pruning = [i for i, rule in enumerate(config.policy.layers) if rule.prunes]
    survivors = survivors or not config.reads_first
    if not survivors:
        pruning = [i for i in pruning if i != config.layers - 1]
    if compact == "auto" and gpu is not None:
        compacting = _cheapest(config, gpu, profile, pruning, survivors)
        return min(
            _carries(config, compacting, survivors, Carry.SURVIVORS),
            _carries(config, pruning, survivors, Carry.BOUNDED),
            key=lambda carries: sum(w.seconds for w in engine_work(gpu, config, profile, carries)),
        )
    if compact in ("auto", "all", "bounded"):
        chosen = pruning
    else:
        chosen = [] if compact == "none" else _numbers(compact, config, pruning)
    moved = Carry.BOUNDED if compact == "bounded" else Carry.SURVIVORS
    if not config.reads_first and (chosen != pruning or moved is Carry.BOUNDED):
        raise LtpError(
            f"--compact {compact}: a mean over tokens counts the rows that are left, so every "
            "layer that prunes compacts; leave --compact at auto"
        )
    return _carries(config, chosen, survivors, moved)


def _carries(
    config: EncoderConfig, chosen: Sequence[int], survivors: bool, moved: Carry
) -> Carries:
    """The carry `moved` at the chosen layers, all rows elsewhere."""
    carries = [moved if i in chosen else Carry.ALL for i in range(config.layers)]
    if not survivors:
        carries[-1] = Carry.FIRST
    return tuple(carries)


def _numbers(compact: str, config: EncoderConfig, pruning: list[int]) -> list[int]:
    """The layers that `compact` lists, in order.

    Raises:
        LtpError: it is no list of numbers, or names a layer that is not among `pruning`.
    """
    try:
        chosen = sorted({int(part) for part in compact.split(",")})
    except ValueError:
        raise LtpError(
            f"--compact {compact!r}: give auto, all, none, bounded, or layers such as 2,5,8"
        ) from None
    wrong = [i for i in chosen if i not in pruning]
    if wrong:
        raise LtpError(
            f"--compact {compact}: layer {wrong[0]} cannot compact; this model has layers "
            f"0..{config.layers - 1}, and can compact at {pruning or 'none'}"
        )
    return chosen


def _cheapest(
    config: EncoderConfig,
    gpu: GpuCost,
    profile: SurvivorProfile,
    pruning: list[int],
    survivors: bool,
) -> list[int]:
    """The layers with compaction that take the least predicted time together.

    Found by dynamic programming: what a layer costs depends on those before it only through the
    last compaction, which says how many rows enter it.
    """
    rows = profile.carried((Carry.SURVIVORS,) * config.layers)
    # for each number of rows that can enter a layer: the least time until there, and its choice
    best: dict[int, tuple[float, list[int]]] = {0: (0.0, [])}
    for i, rule in enumerate(config.policy.layers):
        last = i == config.layers - 1 and not survivors
        after: dict[int, tuple[float, list[int]]] = {}
        for step, (time, chosen) in best.items():
            ways = [(step, Carry.FIRST if last else Carry.ALL, chosen)]
            if i in pruning:
                ways.append((i + 1, Carry.SURVIVORS, [*chosen, i]))
            for leaving, carry, taken in ways:
                out = np.ones(len(rows)) if last else rows[:, leaving]
                total = time + layer_time(
                    gpu, config, rows[:, step], out, carry, rule.prunes and not last
                )
                if leaving not in after or total < after[leaving][0]:
                    after[leaving] = (total, taken)
        best = after
    return min(best.values())[1]
