"""Proof that a bundle computes what its checkpoint means."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tqdm import tqdm

from ltp_deploy.builder.rebuild import reporting_twin
from ltp_deploy.data.batch import PackedBatch
from ltp_deploy.data.examples import Examples, label_numbers
from ltp_deploy.data.metrics import score
from ltp_deploy.model.flops import authors_ratio, engine_flops
from ltp_deploy.model.policy import Carry, PrunePolicy
from ltp_deploy.model.survivors import SurvivorProfile
from ltp_deploy.parity.compare import TIE, compare_logits, compare_survivors
from ltp_deploy.parity.oracle_run import length_batches, run_oracle
from ltp_deploy.runtime.engine import Engine, load
from ltp_deploy.verification.result import Tolerances, Verification, broken
from ltp_deploy.verification.source import as_built, load_source


def verify(
    bundle: Path,
    checkpoint: Path,
    examples: Examples,
    batch: int,
    tolerances: Tolerances,
    portable: bool = False,
) -> Verification:
    """Compare a bundle with the masked oracle of its checkpoint, example by example.

    Args:
        batch: sequences of a request.
        portable: run a bundle for a GPU on the CPU, see `load`.

    Raises:
        LtpError: the bundle was built from another checkpoint, or the labels do not fit.
    """
    engine = load(bundle, portable=portable)
    encoder, overrides = as_built(load_source(engine, checkpoint), engine)
    labels = label_numbers(examples, engine.config)
    data = engine.tokenize(examples.texts)

    oracle = run_oracle(encoder, data, batch)
    dense = run_oracle(
        encoder.with_policy(PrunePolicy.dense(engine.config.layers)), data, batch, "dense"
    )
    logits, survivors = run_engine(engine, data, batch)
    twin = survivors is None
    if survivors is None:
        with reporting_twin(engine, checkpoint) as reporting:
            survivors = run_engine(reporting, data, batch)[1]
    assert survivors is not None

    precision = engine.manifest["precision"]
    tie = TIE[precision]
    who = compare_survivors(oracle.survivors, survivors, oracle.margins, tie)
    what = compare_logits(oracle.logits, logits, who)
    metric, scores = None, dict[str, float]()
    if labels is not None:
        sides = {"oracle": oracle.logits, "engine": logits, "dense": dense.logits}
        for side, values in sides.items():
            metric, scores[side] = score(values, labels, examples.metric)
    profile = oracle.profile
    return Verification(
        bundle=str(bundle),
        overrides=overrides,
        precision=precision,
        sequences=data.sequences,
        tokens=len(data.input_ids),
        metric=metric,
        scores=scores,
        logits=what,
        survivors=who,
        tie_tolerance=tie,
        survivors_from_twin=twin,
        mean_alive=profile.alive.mean(0).tolist(),
        flops_ratio_authors=authors_ratio(engine.config, profile.alive),
        flops_ratio_engine=_engine_ratio(engine, profile),
        failures=broken(
            precision, what, who, scores, data.sequences, tolerances.or_defaults(precision)
        ),
    )


def run_engine(
    engine: Engine, data: PackedBatch, batch: int
) -> tuple[np.ndarray, list[list[np.ndarray]] | None]:
    """(logits [N, labels], survivors [N][layer] or None), `batch` sequences a request."""
    logits = np.zeros((data.sequences, engine.config.num_labels), np.float32)
    survivors: list[list[np.ndarray]] = [[] for _ in range(data.sequences)]
    for chosen in tqdm(
        length_batches(data.lengths, batch), desc="engine", leave=False, disable=None
    ):
        result = engine.run(data.select(chosen))
        logits[chosen] = result.logits
        for place, found in zip(chosen, result.survivors or [], strict=False):
            survivors[place] = found
    return logits, survivors if engine.manifest["survivors"] else None


def _engine_ratio(engine: Engine, profile: SurvivorProfile) -> float:
    """Multiply-adds of the dense packed model over those of this engine."""
    config = engine.config
    everyone = SurvivorProfile.unpruned(profile.alive[:, 0], config.layers)
    dense = engine_flops(config, everyone.alive, (Carry.ALL,) * config.layers)
    pruned = engine_flops(config, profile.carried(engine.carries), engine.carries)
    return sum(f.total for f in dense) / sum(f.total for f in pruned)
