"""Which layers stay out of int8, so that accuracy does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ltp_deploy.backends.table import open_session
from ltp_deploy.builder.build import compile_engine
from ltp_deploy.builder.draft import Draft, Measured, draft_build, draft_encoder
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.compiler.int8 import INT8
from ltp_deploy.data.batch import PackedBatch
from ltp_deploy.data.examples import Examples, required_labels
from ltp_deploy.data.transformers_tokenizer import TransformersTokenizer
from ltp_deploy.errors import LtpError
from ltp_deploy.heads import head_of
from ltp_deploy.parity.oracle_run import run_oracle
from ltp_deploy.parity.tolerances import SCORE_ROUNDING
from ltp_deploy.targets import TARGETS, find_target

PROBED = 64  # sequences on which each layer's own error is measured
BATCH = 32

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
    progress: Progress = lambda text: None,
) -> Searched:
    """Keep as few layers out of int8 as the budget allows, those that disturb the answers most.

    The layers are ordered by the error that each makes alone, and how many of them stay out is
    found by bisection, with engines built for it. Engines for a GPU are judged by the same graph
    on the CPU.

    Args:
        max_drop: points of the score that may be lost against the f32 oracle.

    Raises:
        LtpError: no labels, or more is lost even with no layer in int8.
    """
    draft = draft_build(checkpoint, options, measured)
    if draft.plan.precision == draft.plan.activations:
        raise LtpError(f"--max-drop chooses layers for int8: {_with_int8(options)}")
    trials = _Trials.of(draft, checkpoint, examples, progress)
    budget = max_drop + SCORE_ROUNDING
    found = trials.drop(())
    if found <= budget:
        return Searched((), found, (), tuple(trials.tried))
    errors = trials.layer_errors()
    worst_first = np.argsort(errors)[::-1].tolist()
    kept_out, lost = _fewest(worst_first, trials.drop, budget)
    if kept_out is None:
        raise LtpError(
            f"with no layer in int8 the score still drops by {lost:.2f} points, allowed "
            f"{max_drop:g}: {draft.plan.activations} loses that; allow more"
            + (", or build in f32" if "f32" in find_target(options.target).precisions else "")
        )
    return Searched(kept_out, lost, tuple(errors), tuple(trials.tried))


def _with_int8(options: BuildOptions) -> str:
    """What to pass for a build in int8."""
    own = [p for p in find_target(options.target).precisions if p in INT8]
    if own:
        return f"pass --precision {' or '.join(own)}"
    others = [t.name for t in TARGETS.values() if set(INT8) & set(t.precisions)]
    return f"{options.target} has none, {', '.join(others)} have"


def _fewest(
    worst_first: list[int], drop: Callable[[tuple[int, ...]], float], budget: float
) -> tuple[tuple[int, ...] | None, float]:
    """The fewest of these layers, from the front, whose absence keeps the drop in the budget, and
    that drop; None, and the drop without any of them, where all are too few."""
    too_few, enough, chosen, lost = 0, len(worst_first) + 1, None, 0.0
    while enough - too_few > 1:
        middle = min((too_few + enough) // 2, len(worst_first))
        kept_out = tuple(sorted(worst_first[:middle]))
        found = drop(kept_out)
        if found <= budget:
            enough, chosen, lost = middle, kept_out, found
        else:
            too_few = middle
            lost = lost if chosen else found
    return chosen, lost


@dataclass(frozen=True)
class _Trials:
    """Engines built with some layers kept out of int8, and what they lose on judged data.

    Attributes:
        data: the packed examples; `targets` [N] their labels as numbers.
        oracle: [N, outputs] the oracle's logits, whose scores are `best`, by metric.
        tried: (number of layers kept out, drop), in the order of trying.
    """

    draft: Draft
    examples: Examples
    data: PackedBatch
    targets: np.ndarray
    oracle: np.ndarray
    best: dict[str, float]
    progress: Progress
    tried: list[tuple[int, float]]

    @classmethod
    def of(cls, draft: Draft, checkpoint: Path, examples: Examples, progress: Progress) -> _Trials:
        """Run the oracle.

        Raises:
            LtpError: no labels, or some that the model does not know.
        """
        labels = required_labels(examples, "--max-drop")
        config = draft.encoder.config
        targets = head_of(config).targets(labels, config)
        data = TransformersTokenizer(checkpoint, config, draft.limits.max_length)(examples.texts)
        oracle = run_oracle(draft.encoder, data).logits
        best = head_of(config).scores(oracle, targets, examples.metric)
        return cls(draft, examples, data, targets, oracle, best, progress, [])

    def drop(self, kept_out: tuple[int, ...]) -> float:
        """Points that are lost with these layers kept out of int8, in the worst metric."""
        config = self.draft.encoder.config
        logits = _logits(self.draft, kept_out, self.data)
        scores = head_of(config).scores(logits, self.targets, self.examples.metric)
        lost = max(self.best[metric] - score for metric, score in scores.items())
        self.tried.append((len(kept_out), lost))
        self.progress(
            f"{len(kept_out)} of {config.layers} layers kept out of int8: {-lost:+.2f} points"
        )
        return lost

    def layer_errors(self) -> list[float]:
        """The mean error of the logits with each layer alone in int8, on the first sequences."""
        layers = range(self.draft.encoder.config.layers)
        few = self.data.select(range(min(PROBED, self.data.sequences)))
        errors = []
        for layer in layers:
            others = tuple(i for i in layers if i != layer)
            difference = np.abs(_logits(self.draft, others, few) - self.oracle[: few.sequences])
            errors.append(float(difference.mean()))
            self.progress(f"layer {layer} alone in int8: logits off by {errors[-1]:.3g}")
        return errors


def _logits(draft: Draft, not_int8: tuple[int, ...], data: PackedBatch) -> np.ndarray:
    """[N, outputs] of an engine with these layers kept out of int8."""
    config = draft.encoder.config
    options = replace(draft.options, not_int8=not_int8)
    plan = draft_encoder(draft.encoder, options, draft.ranges, draft.profile).plan
    options = find_target(options.target).backend.portable_options(options)
    trial = replace(draft, options=options, plan=plan)
    logits = np.zeros((data.sequences, config.num_labels), np.float32)
    with TemporaryDirectory() as folder:
        session = open_session(Path(folder), compile_engine(trial, Path(folder)))
        for chosen in draft.limits.requests(data.lengths, BATCH):
            logits[chosen] = session.run(data.select(chosen).feeds(config))["logits"]
    return logits
