"""Every precision that a target offers has its row of tolerances."""

from ltp_deploy.benchmark.baselines.openvino import PRECISIONS
from ltp_deploy.parity.tolerances import TOLERANCES
from ltp_deploy.targets import TARGETS


def test_every_precision_of_every_target_has_tolerances() -> None:
    assert set(TOLERANCES) == {p for target in TARGETS.values() for p in target.precisions}
    assert set(PRECISIONS) < set(TOLERANCES)


def test_each_precision_is_held_to_something() -> None:
    for allowed in TOLERANCES.values():
        assert allowed.max_logit_difference is not None or allowed.max_flips is not None
        assert 0 < allowed.tie < 1
        assert 0 < allowed.baseline < 1


def test_f32_is_exact() -> None:
    exact = TOLERANCES["f32"]
    assert (exact.statistic, exact.marks) == ("max", 0.0)
    assert exact.max_logit_difference == exact.logits == exact.tie == 1e-4
    assert exact.self_check <= 1e-3
