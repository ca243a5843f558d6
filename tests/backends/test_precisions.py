"""Every precision that a target offers is known wherever engines are judged by it."""

import pytest
from ltp_deploy.benchmark.engines import PRECISIONS

from ltp_deploy.benchmark.run import SAME
from ltp_deploy.parity.compare import TIE
from ltp_deploy.targets import TARGETS
from ltp_deploy.verification.polygraphy import LIMITS
from ltp_deploy.verification.result import DEFAULTS

ALL = {precision for target in TARGETS.values() for precision in target.precisions}


@pytest.mark.parametrize("known", [LIMITS, TIE, DEFAULTS], ids=["limits", "ties", "tolerances"])
def test_every_precision_has_its_numbers(known: dict) -> None:
    assert set(known) == ALL


def test_every_precision_that_has_a_baseline_says_how_near_it_is() -> None:
    assert set(PRECISIONS) < set(SAME) == ALL
