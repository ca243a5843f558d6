"""The oracle and several engines as Polygraphy runners under one Comparator.

Polygraphy knows no packed sequences and no pruning; its runners here answer with logits and, for
every layer, which tokens are alive, so that its reports show where two engines part.
"""

# mypy: allow-subclassing-any
from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ltp_deploy.backends.table import can_run, portable, read_bundle
from ltp_deploy.builder.rebuild import reference_build
from ltp_deploy.bundle.limits import common
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.data.batch import PackedBatch
from ltp_deploy.data.examples import Examples
from ltp_deploy.errors import LtpError, needs
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.parity.oracle_run import run_oracle
from ltp_deploy.parity.tolerances import TOLERANCES
from ltp_deploy.runtime.engine import Engine, load
from ltp_deploy.verification.source import as_built, check_source
from ltp_deploy.verification.texts import tokenized

Answer = Callable[[PackedBatch], dict[str, np.ndarray]]


@dataclass(frozen=True)
class OutputComparison:
    """One output of one runner against the oracle's, over all requests."""

    runner: str
    output: str
    max: float
    mean: float
    passed: bool


def compare(
    bundles: Sequence[Path], checkpoint: Path, examples: Examples, batch: int, save: Path
) -> list[OutputComparison]:
    """Run the oracle, each bundle, and its portable ONNX model, on the same requests.

    Args:
        bundles: all built from `checkpoint`; one whose engine cannot run on this machine takes
            part with its portable model alone.
        batch: sequences of a request.
        save: the file for Polygraphy's `RunResults`.

    Raises:
        LtpError: Polygraphy is missing, or nothing of a bundle runs on this machine.
    """
    with needs("this needs Polygraphy", "polygraphy"):
        from polygraphy.comparator import Comparator
        from polygraphy.logger import G_LOGGER
    with ExitStack() as stack:
        stack.enter_context(G_LOGGER.verbosity(G_LOGGER.ERROR))  # it is chatty
        engines = [found for path in bundles for found in _engines(path)]
        encoder = _common_encoder([engine for _, engine in engines], checkpoint)
        # Each bundle's tokenizer is held to the checkpoint's; the shortest texts fit all of them.
        read = [tokenized(engine, checkpoint, examples.texts).batch for _, engine in engines]
        data = min(read, key=lambda batch: batch.lengths.max())
        answers: list[tuple[str, Answer]] = [("oracle", _of_oracle(encoder))]
        for name, engine in engines:
            reporting = stack.enter_context(reference_build(engine, checkpoint))
            answers.append((name, _of_engine(engine, reporting)))
        limits = common([engine.limits for _, engine in engines])
        requests = [_feed(data.select(rows)) for rows in limits.requests(data.lengths, batch)]
        runners = [_runner(name, answer) for name, answer in answers]
        results = Comparator.run(runners, data_loader=requests)
        save.parent.mkdir(parents=True, exist_ok=True)
        results.save(str(save))
        precisions = [engine.manifest.precision for _, engine in engines]
        return [
            comparison
            for i, precision in enumerate(precisions, 1)
            for comparison in _against_oracle(results, i, precision)
        ]


def _engines(path: Path) -> list[tuple[str, Engine]]:
    """The bundle's engine if it runs on this machine, and its portable model if there is one."""
    manifest = read_bundle(path)
    found = []
    if can_run(manifest):
        found.append((f"{path} ({manifest.backend})", load(path)))
    if portable(manifest) not in (manifest, None):
        found.append((f"{path} (portable, on the CPU)", load(path, portable=True)))
    if not found:
        load(path)  # says why it does not run
    return found


def _common_encoder(engines: Sequence[Engine], checkpoint: Path) -> Encoder:
    """The checkpoint under the conventions that all bundles were built with.

    Raises:
        LtpError: they differ, or a bundle is of another checkpoint.
    """
    for engine in engines:
        check_source(engine.directory, engine.manifest, checkpoint)
    built = engines[0].manifest.model.policy.to_config()
    source = load_encoder(checkpoint, undecided_score_length=built["score_length"])
    encoders = [as_built(source, engine)[0] for engine in engines]
    if any(encoder.config != encoders[0].config for encoder in encoders):
        raise LtpError(
            "the bundles were built with different --score-length, --first-token or "
            "--label-thresholds, so that they are different models; compare them one by one"
        )
    return encoders[0]


def _of_oracle(encoder: Encoder) -> Answer:
    def answer(batch: PackedBatch) -> dict[str, np.ndarray]:
        run = run_oracle(encoder, batch, batch.sequences, title="oracle")
        reported = run.survivors & run.survivors[:, :, :1]  # engines drop finished sequences
        return _answer(run.logits, reported)

    return answer


def _of_engine(engine: Engine, reporting: Engine) -> Answer:
    def answer(batch: PackedBatch) -> dict[str, np.ndarray]:
        survivors = reporting.run(batch).survivors or []
        alive = np.zeros((batch.sequences, engine.config.layers, batch.lengths.max()), bool)
        for i, layers in enumerate(survivors):
            for layer, kept in enumerate(layers):
                alive[i, layer, kept] = True
        return _answer(engine.run(batch).logits, alive)

    return answer


def _answer(logits: np.ndarray, alive: np.ndarray) -> dict[str, np.ndarray]:
    marks = {f"alive.{i}": alive[:, i].astype(np.int32) for i in range(alive.shape[1])}
    return {**marks, "logits": logits}


def _feed(batch: PackedBatch) -> dict[str, np.ndarray]:
    return {
        "input_ids": batch.input_ids,
        "token_type_ids": batch.token_type_ids,
        "offsets": batch.offsets,
    }


def _runner(name: str, answer: Answer) -> Any:
    from polygraphy.backend.base import BaseRunner
    from polygraphy.common import TensorMetadata

    class Runner(BaseRunner):
        def get_input_metadata_impl(self) -> Any:
            metadata = TensorMetadata()
            for key in ("input_ids", "token_type_ids", "offsets"):
                metadata.add(key, np.dtype(np.int32), (-1,))
            return metadata

        def infer_impl(self, feed_dict: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            start = time.perf_counter()
            found = answer(PackedBatch(**feed_dict))
            self.inference_time = time.perf_counter() - start
            return found

    return Runner(name)


def _against_oracle(results: Any, runner: int, precision: str) -> list[OutputComparison]:
    """Polygraphy's comparison of one runner with the first, over all iterations."""
    from polygraphy.comparator import Comparator, SimpleCompareFunc

    allowed = TOLERANCES[precision]
    compare_func = SimpleCompareFunc(
        atol={"logits": allowed.logits, "": allowed.marks},
        rtol=0.0,
        check_error_stat=allowed.statistic,
    )
    accuracy = Comparator.compare_accuracy(
        results, comparisons=[(0, runner)], compare_func=compare_func, check_average=False
    )
    name = results[runner][0]
    found = []
    for output in results[0][1][0]:
        differences = [
            np.abs(mine[output].astype(float) - theirs[output])
            for mine, theirs in zip(results[0][1], results[runner][1], strict=True)
        ]
        passed = all(
            bool(iteration[output]) for result in accuracy for iteration in _iterations(result)
        )
        found.append(
            OutputComparison(
                name,
                output,
                max=float(max(d.max() for d in differences)),
                mean=float(np.concatenate([d.ravel() for d in differences]).mean()),
                passed=passed,
            )
        )
    return found


def _iterations(result: Any) -> list[dict[str, Any]]:
    """What one comparison found in each iteration, by output."""
    return [iteration for pair in result.values() for iteration in pair]
