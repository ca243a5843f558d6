"""Proof that a bundle computes what its checkpoint means."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ltp_deploy.builder.rebuild import reference_build
from ltp_deploy.data.batch import PackedBatch
from ltp_deploy.data.examples import Examples, read_examples, required_labels
from ltp_deploy.errors import LtpError
from ltp_deploy.heads import Head, head_of
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.flops import authors_ratio, engine_flops
from ltp_deploy.model.policy import Carry
from ltp_deploy.model.survivors import SurvivorProfile
from ltp_deploy.parity.compare import compare_logits, compare_survivors, compare_values
from ltp_deploy.parity.oracle_run import OracleRun, run_oracle
from ltp_deploy.parity.tolerances import TOLERANCES
from ltp_deploy.progress import track
from ltp_deploy.runtime.engine import Engine, load
from ltp_deploy.verification.gates import Tolerances, check_applicable, gates
from ltp_deploy.verification.result import Verification
from ltp_deploy.verification.source import as_built, load_source
from ltp_deploy.verification.texts import tokenized


def verify(
    bundle: str | Path,
    checkpoint: str | Path,
    examples: Examples | str | Path,
    batch: int = 32,
    tolerances: Tolerances | None = None,
    portable: bool = False,
) -> Verification:
    """Compare a bundle with the masked oracle of its checkpoint, example by example.

    Args:
        examples: texts, with labels where scores are wanted; or a file or data set's name, see
            `read_examples`. Answers that have no labels are scored against those of the model
            without pruning.
        batch: sequences of a request, unless the engine takes fewer.
        tolerances: what counts as broken, the precision's defaults where nothing is stated.
        portable: run a bundle for a GPU on the CPU, see `load`.

    Raises:
        LtpError: the bundle was built from another checkpoint, or reads texts otherwise; the labels
            do not fit, or a drop of the score was to be judged without any.
    """
    if not isinstance(examples, Examples):
        examples = read_examples(str(examples))
    if not len(examples) or batch < 1:
        raise LtpError(f"{len(examples)} texts in requests of {batch}: there is nothing to verify")
    engine = load(bundle, portable=portable)
    encoder, overrides = as_built(load_source(engine, Path(checkpoint)), engine)
    texts = tokenized(engine, Path(checkpoint), examples.texts)
    data, head, targets = texts.batch, head_of(engine.config), None
    tolerances = tolerances or Tolerances()
    check_applicable(tolerances, head.gives_values)
    if tolerances.max_drop is not None and head.labelled:
        required_labels(examples, "--max-drop")
    if examples.labels is not None and head.labelled:
        targets = head.targets(examples.labels, examples.texts)
    answers = _answers(engine, encoder, Path(checkpoint), data, batch)
    if not head.labelled:
        targets = head.targets_of_answers(answers.dense, examples.texts)
    asked = examples.metric is not None or tolerances.max_drop is not None
    scores = _scores(head, answers, targets, examples.metric, asked)
    precision = engine.manifest.precision
    tie = TOLERANCES[precision].tie
    oracle, profile = answers.oracle, answers.oracle.profile
    survivors = compare_survivors(oracle.survivors, answers.survivors, oracle.margins, tie)
    logits = compare_logits(head, oracle.logits, answers.logits, survivors)
    values = None
    if head.gives_values:
        wanted, groups = head.values(oracle.logits, examples.texts)
        found, _ = head.values(answers.logits, examples.texts)
        values = compare_values(wanted, found, groups)
    return Verification(
        bundle=str(bundle),
        bundle_sha256=engine.digest,
        overrides=overrides,
        precision=precision,
        sequences=data.sequences,
        tokens=len(data.input_ids),
        truncated=int(texts.truncated.sum()),
        labelled=targets is not None,
        scores=scores,
        remark=_remark(head, targets, examples.metric) if scores else "",
        logits=logits,
        values=values,
        survivors=survivors,
        tie_tolerance=tie,
        survivors_from_reference_build=answers.from_reference_build,
        mean_alive=profile.alive.mean(0).tolist(),
        shares_alive=profile.share_percentiles(),
        flops_ratio_authors=authors_ratio(engine.config, profile.alive),
        flops_ratio_engine=_engine_ratio(engine, profile),
        gates=gates(
            precision,
            data.sequences,
            logits,
            values,
            survivors,
            scores,
            tolerances,
            cosines=not head.labelled,
        ),
    )


@dataclass(frozen=True)
class _Answers:
    """What the oracle, the dense model and the engine say to the same N sequences; `dense` and
    `logits` are [N, outputs], `survivors` [N][layer] arrays of positions."""

    oracle: OracleRun
    dense: np.ndarray
    logits: np.ndarray
    survivors: list[list[np.ndarray]]
    from_reference_build: bool


def _answers(
    engine: Engine, encoder: Encoder, checkpoint: Path, data: PackedBatch, batch: int
) -> _Answers:
    unpruned = encoder.unpruned()
    oracle = run_oracle(encoder, data, batch)
    dense = run_oracle(unpruned, data, batch, "dense").logits
    logits, survivors = run_engine(engine, data, batch)
    if survivors is not None:
        return _Answers(oracle, dense, logits, survivors, False)
    with reference_build(engine, checkpoint) as reporting:
        _, survivors = run_engine(reporting, data, batch)
    assert survivors is not None
    return _Answers(oracle, dense, logits, survivors, True)


def _scores(
    head: Head, answers: _Answers, targets: np.ndarray | None, metric: str | None, asked: bool
) -> dict[str, dict[str, float]]:
    """Scores by metric with its unit, then by model; {} without labels, or where these leave every
    metric undefined and nobody asked for one."""
    scores: dict[str, dict[str, float]] = {}
    if targets is None or not (asked or head.defined(head.usual_metric(targets), targets)):
        return scores
    given = {"oracle": answers.oracle.logits, "engine": answers.logits, "dense": answers.dense}
    for model, logits in given.items():
        for title, score in head.scores(logits, targets, metric).items():
            scores.setdefault(title, {})[model] = score
    return scores


def _remark(head: Head, targets: np.ndarray | None, metric: str | None) -> str:
    return "" if targets is None else head.remark(metric or head.usual_metric(targets), targets)


def run_engine(
    engine: Engine, data: PackedBatch, batch: int
) -> tuple[np.ndarray, list[list[np.ndarray]] | None]:
    """(logits [N, labels], survivors [N][layer] or None), `batch` sequences a request."""
    logits = np.zeros((data.sequences, engine.config.num_labels), np.float32)
    survivors: list[list[np.ndarray]] = [[] for _ in range(data.sequences)]
    for chosen in track(engine.limits.requests(data.lengths, batch), "engine", "request"):
        result = engine.run(data.select(chosen))
        logits[chosen] = result.logits
        for place, found in zip(chosen, result.survivors or [], strict=False):
            survivors[place] = found
    return logits, survivors if engine.manifest.options.survivors else None


def _engine_ratio(engine: Engine, profile: SurvivorProfile) -> float:
    """Multiply-adds of the dense packed model over those of this engine."""
    config = engine.config
    everyone = SurvivorProfile.unpruned(profile.alive[:, 0], config.layers)
    dense = engine_flops(config, everyone.alive, (Carry.ALL,) * config.layers)
    pruned = engine_flops(config, profile.carried(engine.carries), engine.carries)
    return sum(f.total for f in dense) / sum(f.total for f in pruned)
