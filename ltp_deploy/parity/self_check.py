"""A first proof at build time: the new engine against the oracle on a few random sequences."""

from __future__ import annotations

import numpy as np

from ltp_deploy.backends.backend import Session
from ltp_deploy.bundle.limits import Limits
from ltp_deploy.bundle.manifest import Parity
from ltp_deploy.data.batch import PackedBatch, pack
from ltp_deploy.errors import LtpError
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.parity.oracle_run import run_oracle
from ltp_deploy.parity.tolerances import TOLERANCES

LENGTHS = (1, 7, 33, 64)


def self_check(encoder: Encoder, session: Session, precision: str, limits: Limits) -> Parity:
    """Run random token ids through both.

    Raises:
        LtpError: an f32 engine gives other logits than the oracle, with no tie to excuse it; one
            in a reduced precision gives others for most sequences.
    """
    data = _random_batch(encoder, limits)
    oracle = run_oracle(encoder, data, title="self-check")
    difference = np.abs(_engine_logits(encoder, session, data, limits) - oracle.logits).max(1)
    tolerance, exact = TOLERANCES[precision], precision == "f32"
    ties = np.abs(oracle.margins).min((1, 2)) <= tolerance.tie
    worst = float(difference[~ties if exact else slice(None)].max(initial=0.0))
    # In a reduced precision single sequences may differ, but not most of them.
    found = worst if exact else float(np.median(difference))
    limit = tolerance.self_check
    if not exact:
        limit *= max(1.0, float(np.abs(oracle.logits).max()))
    if not (found <= limit and np.isfinite(worst)):
        cause = "a bug in ltp-deploy or its plugin"
        if precision == "fp16" and not np.isfinite(worst):
            cause = "what float16 cannot hold of this model's activations: build in another one"
        if precision == "int8":
            cause += ", or a calibration whose texts are too much alike: calibrate on others"
        raise LtpError(
            f"the engine's logits differ from the model's by {found:.3g} on random input, and the "
            f"bundle was not written: this is {cause}"
        )
    return Parity(len(LENGTHS), int(ties.sum()), worst)


def _random_batch(encoder: Encoder, limits: Limits) -> PackedBatch:
    random = np.random.default_rng(0)
    lengths = [min(n, limits.max_length) for n in LENGTHS]
    return pack([random.integers(0, encoder.config.vocab_size, n) for n in lengths])


def _engine_logits(
    encoder: Encoder, session: Session, data: PackedBatch, limits: Limits
) -> np.ndarray:
    """In one request where the limits allow it, so that sequences meet each other."""
    together = limits.allow(data.lengths)
    requests = [data] if together else [data.select([i]) for i in range(data.sequences)]
    answers = [session.run(request.feeds(encoder.config))["logits"] for request in requests]
    return np.concatenate(answers)
