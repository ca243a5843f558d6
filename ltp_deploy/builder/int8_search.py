"""Which layers stay out of int8, so that accuracy does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ltp_deploy.backends.table import open_session
from ltp_deploy.builder.build import Draft, Measured, draft_build, plan_build, write_engine
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.data.batch import PackedBatch
from ltp_deploy.data.examples import Examples, label_numbers
from ltp_deploy.data.metrics import score
from ltp_deploy.data.tokenizer import Tokenizer
from ltp_deploy.errors import LtpError
from ltp_deploy.parity.oracle_run import length_batches, run_oracle
from ltp_deploy.targets import find_target

PROBED = 64  # sequences on which each layer's own error is looked at
BATCH = 32
ROUNDING = 1e-9  # of scores, in points

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Searched:
    """What was found.

    Attributes:
        not_int8: the layers to keep out, and `drop` what the score then loses, in points.
        errors: mean error of the logits with each layer alone in int8; () where none was needed.
        tried: (number of layers kept out, drop), in the order of trying.
    """

    not_int8: tuple[int, ...]
    drop: float
    errors: tuple[float, ...]
    tried: tuple[tuple[int, float], ...]


def choose_layers(
    checkpoint: Path,
    options: BuildOptions,
    measured: Measured,
    examples: Examples,
    max_drop: float,
    progress: Progress = lambda words: None,
) -> Searched:
    """Keep as few layers out of int8 as the budget allows, those that disturb the answers most.

    The layers are ordered by the error that each makes alone, and how many of them stay out is
    found by bisection, with engines built for it. A TensorRT target is judged by its portable
    model, which needs no GPU.

    Args:
        max_drop: points of the score that may be lost against the f32 oracle.

    Raises:
        LtpError: no labels, or more is lost even with no layer in int8.
    """
    draft = draft_build(checkpoint, options, measured)
    if draft.plan.precision == draft.plan.activations:
        raise LtpError("--max-drop chooses layers for int8: pass --precision int8 or int8-dynamic")
    config = draft.encoder.config
    labels = label_numbers(examples, config)
    if labels is None:
        raise LtpError("--max-drop needs labels, and the data has no label column")
    data = Tokenizer(checkpoint, config)(examples.texts)
    oracle = run_oracle(draft.encoder, data)
    best = score(oracle.logits, labels, examples.metric)[1]
    tried: list[tuple[int, float]] = []

    def drop(kept_out: tuple[int, ...]) -> float:
        lost = best - score(_logits(draft, kept_out, data), labels, examples.metric)[1]
        tried.append((len(kept_out), lost))
        progress(f"{len(kept_out)} of {config.layers} layers kept out of int8: {-lost:+.2f} points")
        return lost

    max_drop += ROUNDING
    found = drop(())
    if found <= max_drop:
        return Searched((), found, (), tuple(tried))
    few = data.select(range(min(PROBED, data.sequences)))
    errors = []
    for layer in range(config.layers):
        others = tuple(i for i in range(config.layers) if i != layer)
        difference = np.abs(_logits(draft, others, few) - oracle.logits[: few.sequences])
        errors.append(float(difference.mean()))
        progress(f"layer {layer} alone in int8: logits off by {errors[-1]:.3g}")
    worst_first = np.argsort(errors)[::-1].tolist()
    too_few, enough, chosen = 0, config.layers + 1, None
    while enough - too_few > 1:
        middle = min((too_few + enough) // 2, config.layers)
        kept_out = tuple(sorted(worst_first[:middle]))
        lost = drop(kept_out)
        if lost <= max_drop:
            enough, chosen = middle, (kept_out, lost)
        else:
            too_few = middle
    if chosen is None:
        raise LtpError(
            f"with no layer in int8 the score still drops by {lost:.2f} points, allowed "
            f"{max_drop:g}: {draft.plan.activations} loses that; allow more, or build in f32"
        )
    return Searched(*chosen, tuple(errors), tuple(tried))


def _logits(draft: Draft, not_int8: tuple[int, ...], data: PackedBatch) -> np.ndarray:
    """[N, labels] of an engine with these layers kept out of int8."""
    options, config = replace(draft.options, not_int8=not_int8), draft.encoder.config
    plan = plan_build(draft.encoder, options, draft.profile)
    if find_target(options.target).backend == "tensorrt":  # the same graph, by ONNX Runtime
        options = replace(options, target="onnx", library=None)
    trial = replace(draft, options=options, plan=plan)
    logits = np.zeros((data.sequences, config.num_labels), np.float32)
    with TemporaryDirectory() as folder:
        session = open_session(Path(folder), write_engine(trial, Path(folder)))
        for chosen in length_batches(data.lengths, BATCH):
            logits[chosen] = session.run(data.select(chosen).feeds(config))["logits"]
    return logits
