"""The fastest precision that loses little enough, by a judge whose answers are written down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from ltp_deploy.backends.table import BACKENDS
from ltp_deploy.builder import judge as judging
from ltp_deploy.builder.build import build
from ltp_deploy.builder.draft import Measured
from ltp_deploy.builder.judge import Variant
from ltp_deploy.builder.precision_search import Candidate, Searched, choose_precision, search
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.data.examples import Examples
from ltp_deploy.errors import LtpError
from ltp_deploy.hardware import machine
from ltp_deploy.report.precisions import describe
from ltp_deploy.targets import TARGETS

CPU = ("f32", "bf16", "int8-dynamic", "int8")
LAYERS = 4


@dataclass
class FakeJudge:
    """Drops in points and times in seconds by precision; each layer that is kept out of int8 wins
    `won` points back and costs `costs` seconds, the last layer first."""

    drops: dict[str, float]
    times: dict[str, float]
    won: float = 0.3
    costs: float = 0.5
    layers: int = LAYERS
    timed: list[list[Variant]] = field(default_factory=list)
    judged: list[Variant] = field(default_factory=list)

    def drop(self, variant: Variant) -> float:
        self.judged.append(variant)
        return self.drops[variant.precision] - self.won * len(variant.not_int8)

    def layer_errors(self, precision: str) -> list[float]:
        return [float(layer) for layer in range(self.layers)]

    def seconds(self, variants: Sequence[Variant]) -> list[float]:
        self.timed.append(list(variants))
        return [self.times[v.precision] + self.costs * len(v.not_int8) for v in variants]


def found(judge: FakeJudge, max_drop: float = 0.5) -> Searched:
    return search(tuple(judge.drops), "bf16", judge, max_drop)


TIMES = {"f32": 5.0, "bf16": 4.0, "int8-dynamic": 2.0, "int8": 1.8}


def test_the_fastest_that_passes_is_chosen_and_no_layer_is_kept_out_of_it() -> None:
    judge = FakeJudge({"f32": 0.0, "bf16": 0.1, "int8-dynamic": 0.5, "int8": 0.4}, TIMES)
    result = found(judge)
    assert result.chosen.variant == Variant("int8")
    assert [c.variant.precision for c in result.candidates] == list(CPU)
    assert [c.seconds for c in result.candidates] == list(TIMES.values())
    assert len(judge.timed) == 1
    assert judge.judged == [Variant(precision) for precision in CPU]


def test_what_is_fast_and_loses_too_much_is_not_chosen() -> None:
    judge = FakeJudge({"f32": 0.0, "bf16": 0.1, "int8-dynamic": 9.0}, TIMES)
    result = found(judge)
    assert result.chosen.variant == Variant("bf16")
    assert [c.passes for c in result.candidates] == [True, True, False]


def test_int8_without_some_layers_competes_by_its_own_time() -> None:
    drops = {"f32": 0.0, "bf16": 0.1, "int8-dynamic": 1.0}
    slow = FakeJudge(drops, TIMES, costs=1.5)
    quick = FakeJudge(drops, TIMES, costs=0.5)
    without = Variant("int8-dynamic", (2, 3))  # 1.0 - 2 * 0.3 is in the budget
    assert found(slow).chosen.variant == Variant("bf16")
    assert found(quick).chosen.variant == without
    for judge in (slow, quick):
        assert without in [c.variant for c in found(judge).candidates]
        assert without not in judge.timed[0]
        assert len(judge.timed[1]) == 4, "those that it is compared with are timed with it"


def test_layers_are_not_kept_out_in_vain() -> None:
    no_faster = FakeJudge({"f32": 0.0, "bf16": 0.1, "int8-dynamic": 1.0}, {**TIMES, "bf16": 2.0})
    hopeless = FakeJudge({"f32": 0.0, "bf16": 0.6, "int8-dynamic": 1.0}, TIMES)
    for judge, chosen in ((no_faster, "bf16"), (hopeless, "f32")):
        assert found(judge).chosen.variant == Variant(chosen)
        assert all(not variant.not_int8 for variant in judge.judged)


def test_int8_without_any_layer_is_no_candidate_beside_others() -> None:
    judge = FakeJudge({"f32": 0.0, "bf16": 0.1, "int8-dynamic": 1.6}, TIMES, costs=0.1)
    assert found(judge).chosen.variant == Variant("bf16")  # all four would have to stay out


def test_of_those_that_are_as_fast_the_most_exact_is_chosen() -> None:
    drops = {"f32": 0.0, "bf16": 0.1, "int8-dynamic": 0.2}
    judge = FakeJudge(drops, {"f32": 5.0, "bf16": 2.09, "int8-dynamic": 2.0})
    assert found(judge).chosen.variant == Variant("bf16")
    judge = FakeJudge(drops, {"f32": 5.0, "bf16": 2.11, "int8-dynamic": 2.0})
    assert found(judge).chosen.variant == Variant("int8-dynamic")


def test_a_precision_that_is_named_is_not_timed() -> None:
    judge = FakeJudge({"int8": 1.7}, {})
    result = found(judge)
    assert result.chosen.variant == Variant("int8", (0, 1, 2, 3))  # all of them, if that is asked
    assert result.chosen.seconds is None
    assert judge.timed == []


@pytest.mark.parametrize(
    ("drops", "message"),
    [
        ({"int8": 1.8}, "with no layer in int8 the score still drops by 0.60 points, allowed 0.5"),
        ({"bf16": 0.75}, "bf16 loses 0.75 points, allowed 0.5; allow more"),
        ({"f32": 0.7, "bf16": 0.8}, "allowed 0.5: f32 0.70, bf16 0.80; allow more"),
    ],
)
def test_where_nothing_passes_it_says_what_is_lost(drops: dict[str, float], message: str) -> None:
    with pytest.raises(LtpError, match=message):
        found(FakeJudge(drops, TIMES))


def test_the_table_has_every_candidate_and_every_precision_that_was_not_tried() -> None:
    candidates = (
        Candidate(Variant("f32"), 0.0, True, 5e-3),
        Candidate(Variant("bf16"), 0.75, False, 4e-3),
        Candidate(Variant("int8-dynamic", (0, 3)), -0.25, True, 2e-3),
    )
    skipped = {"int8": "needs --calibration"}
    lines = describe(Searched(candidates[2], candidates, skipped, 0.5)).splitlines()
    assert [line.split() for line in lines[2:6]] == [
        "f32 +0.00 5 passes".split(),
        "bf16 -0.75 4 loses too much".split(),
        "int8-dynamic layer 0, layer 3 +0.25 2 chosen".split(),
        "int8 not tried: needs --calibration".split(),
    ]
    assert "0.5 may be lost" in lines[6]


@pytest.mark.parametrize(
    ("flags", "gains"), [("avx2 avx512f", False), ("avx512_bf16", True), ("amx_bf16", True)]
)
def test_bf16_gains_nothing_where_the_cpu_has_none(
    flags: str, gains: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_cpuinfo", lambda: {"flags": flags})
    openvino = BACKENDS["openvino"]
    assert (openvino.no_gain("bf16") is None) == gains
    assert openvino.no_gain("f32") is None
    assert openvino.no_gain("int8-dynamic") is None


def test_what_cannot_be_compared_or_judged_is_refused(
    bert_checkpoint: Path, judged: Examples
) -> None:
    def choose(options: BuildOptions, examples: Examples = judged) -> None:
        choose_precision(bert_checkpoint, options, Measured(), examples, 1.0)

    with pytest.raises(LtpError, match="needs labels"):
        choose(BuildOptions(), replace(judged, labels=None))
    with pytest.raises(LtpError, match="needs --calibration FILE"):
        choose(BuildOptions(precision="int8"))


def test_times_of_a_portable_form_choose_nothing(
    bert_checkpoint: Path, judged: Examples, calibrated: Path
) -> None:
    assert TARGETS["t4"].precisions == ("fp16", "int8")
    options, measured = BuildOptions("t4"), Measured(calibration=calibrated)
    with pytest.raises(LtpError, match="cannot choose among fp16, int8: name one with --precision"):
        choose_precision(bert_checkpoint, options, measured, judged, 1.0)


@pytest.mark.slow
def test_engines_are_built_judged_and_timed_and_the_bundle_has_the_choice(
    bert_checkpoint: Path, judged: Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "SECONDS", 0.01)
    options, told = BuildOptions("haswell"), list[str]()
    result = choose_precision(bert_checkpoint, options, Measured(), judged, 100.0, told.append)
    f32, dynamic = result.candidates
    assert (f32.variant, dynamic.variant) == (Variant("f32"), Variant("int8-dynamic"))
    assert f32.drop == pytest.approx(0)  # the labels are the oracle's own answers
    assert 0 < dynamic.drop < 20
    assert f32.passes
    assert f32.seconds
    assert dynamic.seconds
    assert result.skipped == {"int8": "needs --calibration"}
    assert [line.split(":")[0] for line in told] == ["f32", "int8-dynamic"]
    exact = replace(result, chosen=f32).applied_to(options)
    assert build(bert_checkpoint, tmp_path / "out", exact).options.precision == "f32"
