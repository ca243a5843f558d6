"""What is typed reaches the package as its dataclasses; wrong values are refused before work."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from ltp_deploy.builder.build import Measured
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.cli import main
from ltp_deploy.data.examples import DataOptions
from ltp_deploy.learn.job import Job
from ltp_deploy.learn.recipe import Recipe
from ltp_deploy.parity.profile import ProfileData
from ltp_deploy.tune.job import TuneJob
from ltp_deploy.verification.gates import Tolerances


class Asked(Exception):
    """Raised in place of the work, with what was asked for."""


def asked(monkeypatch: pytest.MonkeyPatch, work: str, line: str) -> tuple[Any, ...]:
    """The positional arguments with which a command line calls `work`, which does not run."""

    def stop(*given: Any) -> None:
        raise Asked(*given)

    monkeypatch.setattr(work, stop)
    result = CliRunner().invoke(main, line.split())
    assert isinstance(result.exception, Asked), result.output
    return result.exception.args


BUILD = "ltp_deploy.builder.build.build"


def test_build_has_the_defaults_of_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    found = asked(monkeypatch, BUILD, "build model -o engine")
    assert found == (Path("model"), Path("engine"), BuildOptions(), Measured(), False, None)


def test_every_option_of_build_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    line = (
        "build model -o engine --target t4 --library tensorrt --score-length 64 "
        "--first-token reference --label-thresholds a=0.3,b=c=.25 --precision int8 "
        "--calibration c.json --not-int8 4,1,4 "
        "--max-tokens 500 --max-batch 9 --max-length 70 --usual-batch 3 --compact bounded "
        "--profile-data texts.tsv --text-columns a,b --label-column c --split test --limit 5 "
        "--metric f1 --outputs survivors --portable-onnx --dump graphs --force"
    )
    options = BuildOptions(
        target="t4",
        precision="int8",
        survivors=True,
        score_length="64",
        first_token="reference",
        label_thresholds={"a": 0.3, "b=c": 0.25},
        compact="bounded",
        usual_batch=3,
        max_tokens=500,
        max_batch=9,
        max_length=70,
        not_int8=(1, 4),
        library="tensorrt",
        portable=True,
    )
    reading = DataOptions("a,b", "c", "test", 5, "f1")
    measured = Measured(ProfileData("texts.tsv", reading), Path("c.json"))
    found = asked(monkeypatch, BUILD, line)
    assert found == (Path("model"), Path("engine"), options, measured, True, Path("graphs"))


@pytest.mark.parametrize(
    ("text", "thresholds"),
    [('{"a, b": 0.3}', {"a, b": 0.3}), ("[0.3, 0.5]", (0.3, 0.5)), ("[]", ())],
)
def test_thresholds_of_labels_may_stand_in_a_file(
    text: str, thresholds: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("thresholds.json", "a=0.3"):
        (tmp_path / name).write_text(text)
        line = f"build model -o engine --label-thresholds {tmp_path / name}"
        assert asked(monkeypatch, BUILD, line)[2] == BuildOptions(label_thresholds=thresholds)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("nowhere.json", "'nowhere.json' is neither NAME=X,NAME=X nor a JSON file"),
        ("a=0.3,b", "'b' is not a valid"),
        ("a=1", "1.0 is not in the range 0<x<1"),
        ("a=nan", "is not"),
        ("a=0.3,a=0.4", "'a' has two thresholds"),
    ],
)
def test_thresholds_that_are_none_are_refused(value: str, message: str) -> None:
    line = ["build", "model", "-o", "engine", "--label-thresholds", value]
    result = CliRunner().invoke(main, line)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


LEARN = "ltp_deploy.learn.job.run"


@pytest.mark.parametrize(
    ("options", "recipe"),
    [
        ("", Recipe(max_drop=1.0)),
        ("--max-drop 0.3", Recipe(max_drop=0.3)),
        ("--quick", Recipe(method="manual", hard_epochs=2.0, max_drop=1.0)),
        ("--quick --hard-epochs 0", Recipe(method="manual", hard_epochs=0.0, max_drop=1.0)),
        ("--flops 2", Recipe(flops_ratio=2.0)),
        ("--lambda 0.2", Recipe(regularisation=0.2)),
        ("--lambda 0.2 --max-drop 2", Recipe(regularisation=0.2, max_drop=2.0)),
        ("--method dense", Recipe("dense")),
        ("--method topk", Recipe("topk", max_drop=1.0)),
    ],
)
def test_learn_has_a_budget_unless_told_otherwise(
    options: str, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = f"learn model --data train.tsv --dev dev.tsv -o out {options}"
    found = asked(monkeypatch, LEARN, line)
    assert found == (Job(Path("model"), "train.tsv", "dev.tsv", Path("out"), recipe),)


def test_every_option_of_learn_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    line = (
        "learn model --data train.tsv --dev dev.tsv -o out --limit 9 --max-length 50 "
        "--method ltp --lambda 0.3 --flops 2 --final-threshold 0.2 --temperature 0.1 "
        "--keep-rate 0.4 --score-length 128 --first-token reference --finetune "
        "--finetune-epochs 7 --soft-epochs 8 --hard-epochs 9 --lr 1e-3 --hard-lr 2e-3 "
        "--threshold-lr 3e-3 --batch 11 --dropout 0.5 --attention-dropout 0.6 --distill 0.7 "
        "--bf16 --seed 12 --resume --force"
    )
    recipe = Recipe(
        method="ltp",
        final_threshold=0.2,
        temperature=0.1,
        regularisation=0.3,
        keep_rate=0.4,
        finetune_epochs=7,
        soft_epochs=8,
        hard_epochs=9,
        learning_rate=1e-3,
        hard_learning_rate=2e-3,
        threshold_learning_rate=3e-3,
        flops_ratio=2,
        distill=0.7,
        dropout=0.5,
        attention_dropout=0.6,
        batch=11,
        max_length=50,
        seed=12,
    )
    job = Job(
        model=Path("model"),
        train="train.tsv",
        dev="dev.tsv",
        output=Path("out"),
        recipe=recipe,
        options=DataOptions(limit=9),
        score_length="128",
        first_token="reference",
        resume=True,
        force=True,
        arguments={"bf16": True},
    )
    assert asked(monkeypatch, LEARN, line) == (job,)


@pytest.mark.parametrize(
    ("options", "tolerances", "batch", "portable"),
    [
        ("", Tolerances(), 32, False),
        ("--max-drop 2 --max-flips 3 --portable", Tolerances(max_flips=3, max_drop=2), 32, True),
        ("--max-logit-difference 0 --batch 4", Tolerances(0), 4, False),
    ],
)
def test_the_tolerances_of_verify_arrive(
    options: str,
    tolerances: Tolerances,
    batch: int,
    portable: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ltp_deploy.data.examples.read_examples", lambda *given: given)
    line = f"verify engine --against model --data dev.tsv --metric f1 {options}"
    examples = ("dev.tsv", DataOptions(metric="f1"))
    found = asked(monkeypatch, "ltp_deploy.verification.verify.verify", line)
    assert found == (Path("engine"), Path("model"), examples, batch, tolerances, portable)


TUNE = "ltp_deploy.tune.job.tune_checkpoint"


def test_tune_has_the_defaults_of_its_job(monkeypatch: pytest.MonkeyPatch) -> None:
    found = asked(monkeypatch, TUNE, "tune model --data dev.tsv -o out")
    assert found == (TuneJob(Path("model"), "dev.tsv", Path("out"), 1.0),)


def test_every_option_of_tune_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    line = (
        "tune model --data dev.tsv --test test.tsv --unlabelled --label-thresholds "
        "--max-drop 0.25 -o out --score-length 9 --first-token reference "
        "--text-columns a,b --label-column c --split test --limit 5 --metric f1 --force"
    )
    job = TuneJob(
        checkpoint=Path("model"),
        data="dev.tsv",
        output=Path("out"),
        max_drop=0.25,
        test="test.tsv",
        unlabelled=True,
        options=DataOptions("a,b", "c", "test", 5, "f1"),
        score_length="9",
        first_token="reference",
        force=True,
        choose_label_thresholds=True,
    )
    assert asked(monkeypatch, TUNE, line) == (job,)


@pytest.mark.parametrize(
    ("options", "drop"),
    [
        ("--max-drop-from-dense 0.25", 0.25),
        ("--max-drop-from-dense 0", 0.0),
        ("--max-drop 2 --max-drop-from-dense 0.25", 2.0),
        ("--max-drop-from-dense 0.25 --max-drop 2", 2.0),
    ],
)
def test_the_drop_of_tune_has_an_earlier_name(
    options: str, drop: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job,) = asked(monkeypatch, TUNE, f"tune model --data dev.tsv -o out {options}")
    assert job.max_drop == drop


def test_lists_and_distributions_of_bench_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = SimpleNamespace(config="config")
    monkeypatch.setattr("ltp_deploy.runtime.engine.load", lambda *_, **__: engine)
    of_distribution = "ltp_deploy.benchmark.workload.of_distribution"
    line = "bench engine --batch 8,1"
    found = asked(monkeypatch, of_distribution, f"{line} --length-distribution 20.5:64")
    assert found == ("config", 20.5, 64, 8)
    found = asked(monkeypatch, of_distribution, f"{line} --length-distribution 20")
    assert found == ("config", 20, 128, 8)
    found = asked(monkeypatch, "ltp_deploy.benchmark.workload.of_length", f"{line} --lengths 7,9")
    assert found == ("config", 7, 8)


REQUIRED = {
    "build": "build model -o out",
    "learn": "learn model --data a.tsv --dev b.tsv -o out",
    "verify": "verify engine --against model --data a.tsv",
    "tune": "tune model --data a.tsv -o out",
    "bench": "bench engine",
}


@pytest.mark.parametrize(
    ("command", "options", "message"),
    [
        ("build", "--target tpu", "'tpu' is not one of 'cpu', 'haswell', 't4'"),
        ("build", "--precision int4", "'int4' is not one of 'bf16', 'f32', 'fp16'"),
        ("build", "--library trt", "'trt' is not one of 'tensorrt', 'tensorrt_rtx'"),
        ("build", "--not-int8 0,a", "'a' is not a valid whole number"),
        ("build", "--not-int8 -1", "-1 is not in the range x>=0"),
        ("build", "--max-drop nan --judge-data a.tsv", "'nan' is not a finite number"),
        ("build", "--max-drop 1", "--max-drop POINTS and --judge-data DATA go together"),
        ("build", "--max-drop 1 --judge-data a --dry-run", "--dry-run searches nothing"),
        (
            "learn",
            "--method magic",
            "'magic' is not one of 'ltp', 'manual', 'tuned', 'topk', 'dense'",
        ),
        ("learn", "--temperature 0", "0.0 is not in the range x>0"),
        ("learn", "--keep-rate 1.5", "1.5 is not in the range 0<=x<=1"),
        ("learn", "--lr inf", "'inf' is not a finite number"),
        ("learn", "--quick --method topk", "--quick is --method manual: leave --method topk"),
        ("learn", "--quick --lambda 1", "--lambda is for --method ltp, which learns thresholds"),
        ("learn", "--sweep flops=2 --max-drop 1", "--sweep writes several results, without"),
        ("verify", "--max-flips -1", "-1.0 is not in the range x>=0"),
        ("verify", "--max-drop nan", "'nan' is not a finite number"),
        ("verify", "--metric auc", "'auc' is not one of 'accuracy', 'f1'"),
        ("verify", "--also other", "--also needs --polygraphy"),
        ("verify", "--polygraphy f.json --max-drop 0", "limits of its own: leave"),
        ("verify", "--polygraphy f.json --portable", "leave --portable"),
        ("tune", "--max-drop nan", "'nan' is not a finite number"),
        ("tune", "--max-drop-from-dense -1", "-1.0 is not in the range x>=0"),
        ("bench", "--peers tvm", "'tvm' is not one of 'onnxruntime', 'pytorch'"),
        ("bench", "--lengths 4,", "'' is not a valid whole number"),
        ("bench", "--length-distribution nan:9", "'nan' is not a finite number"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(
    command: str, options: str, message: str
) -> None:
    result = CliRunner().invoke(main, [*REQUIRED[command].split(), *options.split()])
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
