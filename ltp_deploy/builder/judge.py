"""What a variant of an engine loses on texts with labels, and how long it takes for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import numpy as np

from ltp_deploy.backends.backend import Session
from ltp_deploy.backends.table import can_run, open_session, portable
from ltp_deploy.builder.build import compile_engine
from ltp_deploy.builder.draft import Draft, draft_encoder
from ltp_deploy.bundle.manifest import Compiled
from ltp_deploy.data.batch import PackedBatch
from ltp_deploy.data.examples import Examples, required_labels
from ltp_deploy.data.transformers_tokenizer import TransformersTokenizer
from ltp_deploy.errors import LtpError
from ltp_deploy.hardware.timing import interleave
from ltp_deploy.heads import head_of
from ltp_deploy.parity.oracle_run import run_oracle
from ltp_deploy.targets import find_target

PROBED = 64  # sequences on which each layer's own error is measured
BATCH = 32  # sequences of a request where nothing is timed
TIMED = 16  # requests that are timed
SECONDS = 3.0  # of timing, for each variant

Progress = Callable[[str], None]


def silent(text: str) -> None:
    """Progress that nobody is told of."""


@dataclass(frozen=True)
class Variant:
    """A precision, and the layers that an engine keeps out of it where it is int8."""

    precision: str
    not_int8: tuple[int, ...] = ()

    def __str__(self) -> str:
        layers = ", ".join(map(str, self.not_int8))
        return self.precision + (f" without the layers {layers}" if layers else "")


class Judge(Protocol):
    """What a search asks of each variant.

    Attributes:
        layers: of the model.
    """

    layers: int

    def drop(self, variant: Variant) -> float:
        """Points of the score that are lost against the f32 oracle, in the worst metric."""

    def layer_errors(self, precision: str) -> list[float]:
        """The mean error of the logits with each layer alone in this kind of int8."""

    def seconds(self, variants: Sequence[Variant]) -> list[float]:
        """Seconds per text of each variant, all of them timed in turn."""


class EngineJudge:
    """Builds an engine of each variant it is asked about, and runs it on this machine.

    Engines for a GPU are judged by the same graph on the CPU. Engines are kept on disk until the
    end of the block whose context manager this is.
    """

    def __init__(
        self, draft: Draft, checkpoint: Path, examples: Examples, progress: Progress = silent
    ):
        """Run the oracle on the examples.

        Args:
            progress: is told what was found of each engine.

        Raises:
            LtpError: no labels, or some that the model does not know.
        """
        config = draft.encoder.config
        self._draft, self._progress = draft, progress
        self.layers = config.layers
        self._drops: dict[Variant, float] = {}
        self._head = head_of(config)
        self._metric = examples.metric
        self._data = TransformersTokenizer(checkpoint, config, draft.limits.max_length)(
            examples.texts
        )
        self._oracle = run_oracle(draft.encoder, self._data).logits
        self._targets = self._wanted(examples)
        self._best = self._head.scores(self._oracle, self._targets, self._metric)
        usual = self._metric or self._head.usual_metric(self._targets)
        if remark := self._head.remark(usual, self._targets):
            progress(remark)
        self._engines: dict[Variant, tuple[Path, Compiled]] = {}
        self._kept = ExitStack()

    def _wanted(self, examples: Examples) -> np.ndarray:
        """What answers should be, as the head has it."""
        if self._head.labelled:
            return self._head.targets(required_labels(examples, "--max-drop"), examples.texts)
        encoder = self._draft.encoder
        dense = encoder.unpruned()
        answers = run_oracle(dense, self._data).logits
        return self._head.targets_of_answers(answers, examples.texts)

    def __enter__(self) -> EngineJudge:
        return self

    def __exit__(self, *exception: object) -> None:
        self._kept.close()

    def drop(self, variant: Variant) -> float:
        """See `Judge.drop`; never NaN.

        Raises:
            LtpError: the score of engine or oracle is no number.
        """
        if variant not in self._drops:
            self._drops[variant] = self._measured_drop(variant)
            self._progress(f"{variant}: {0 - self._drops[variant]:+.2f} points")
        return self._drops[variant]

    def _measured_drop(self, variant: Variant) -> float:
        logits = self._logits(self._session(variant), self._data)
        scores = self._head.scores(logits, self._targets, self._metric)
        lost = max(self._best[metric] - score for metric, score in scores.items())
        if not np.isfinite(lost):
            raise LtpError(
                f"the score of {variant} or of the oracle is no number on these texts; give more "
                "of them as --judge-data, or another --metric"
            )
        return lost

    def layer_errors(self, precision: str) -> list[float]:
        """See `Judge.layer_errors`; on the first sequences."""
        few = self._data.select(range(min(PROBED, self._data.sequences)))
        errors = []
        for layer in range(self.layers):
            errors.append(self._error(precision, layer, few))
            self._progress(
                f"layer {layer} alone in {precision}: logits off by {errors[-1]:.3g} on average"
            )
        return errors

    def seconds(self, variants: Sequence[Variant]) -> list[float]:
        """See `Judge.seconds`; requests of as many texts as usual, evenly from all of the data."""
        config = self._draft.encoder.config
        requests = self._usual_requests()
        feeds = [request.feeds(config) for request in requests]
        calls = {}
        for i, variant in enumerate(variants):
            session = self._session(variant)
            calls[str(i)] = [partial(session.run, feed) for feed in feeds]
            for call in calls[str(i)]:
                call()
        found = interleave(calls, SECONDS * len(variants), title="precisions")
        texts = sum(request.sequences for request in requests)
        return [found[str(i)].total / texts for i in range(len(variants))]

    def _usual_requests(self) -> list[PackedBatch]:
        count, limits = self._data.sequences, self._draft.limits
        size = max(1, min(self._draft.options.usual_batch, limits.sequences, count))
        starts = np.linspace(0, count - size, min(TIMED, count // size)).astype(int)
        return [self._data.select(range(start, start + size)) for start in starts.tolist()]

    def _error(self, precision: str, layer: int, few: PackedBatch) -> float:
        variant = Variant(precision, tuple(i for i in range(self.layers) if i != layer))
        with _engine(self._draft, variant) as (folder, compiled):
            logits = self._logits(open_session(folder, compiled), few)
        return float(np.abs(logits - self._oracle[: few.sequences]).mean())

    def _session(self, variant: Variant) -> Session:
        if variant not in self._engines:
            engine = self._kept.enter_context(_engine(self._draft, variant))
            self._engines[variant] = engine
        return open_session(*self._engines[variant])

    def _logits(self, session: Session, data: PackedBatch) -> np.ndarray:
        """[N, outputs]"""
        config = self._draft.encoder.config
        logits = np.zeros((data.sequences, config.num_labels), np.float32)
        for chosen in self._draft.limits.requests(data.lengths, BATCH):
            logits[chosen] = session.run(data.select(chosen).feeds(config))["logits"]
        return logits


@contextmanager
def _engine(draft: Draft, variant: Variant) -> Iterator[tuple[Path, Compiled]]:
    """A folder with an engine that this machine runs, for as long as the block."""
    options = replace(draft.options, precision=variant.precision, not_int8=variant.not_int8)
    drafted = draft_encoder(draft.encoder, options, draft.ranges, draft.profile)
    options = find_target(options.target).backend.portable_options(options)
    with TemporaryDirectory() as folder:
        compiled = compile_engine(replace(drafted, options=options), Path(folder))
        runnable = compiled if can_run(compiled) else portable(compiled)
        yield Path(folder), runnable or compiled
