"""The commands, as people type them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ltp_deploy.cli import main
from tests.spoil import edit_manifest
from tests.tiny import save_tiny, save_tokenizer

REVIEWS = "text\tlabel\n" + "".join(
    f"{text}\t{label}\n"
    for text, label in [
        ("the film is good .", 1),
        ("a very bad film was not great", 0),
        ("dull", 0),
        ("goods good great great film", 1),
    ]
)


def call(*arguments: object, input: str | None = None) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], input=input)


def succeeds(*arguments: object, input: str | None = None) -> str:
    result = call(*arguments, input=input)
    assert result.exit_code == 0, result.output
    return result.output


def fails(*arguments: object) -> str:
    """Exit status 1 and one error message."""
    result = call(*arguments)
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    assert result.output.startswith("Error: ")
    return result.output


@pytest.mark.parametrize("output", ["config.json/x", "x" * 300])
def test_an_error_of_the_system_is_one_line(
    output: str, bert_checkpoint: Path, tmp_path: Path
) -> None:
    checkpoint = shutil.copytree(bert_checkpoint, tmp_path / "checkpoint")
    build = ["build", checkpoint, "--target", "null", "-o", f"{checkpoint}/{output}"]
    assert fails(*build).count("\n") == 1
    found = call("--debug", *build).exception
    assert isinstance(found, OSError)


@pytest.mark.slow
def test_calibrate_then_build_in_int8_then_verify(
    bert_checkpoint: Path, texts: Path, tmp_path: Path
) -> None:
    pytest.importorskip("nncf", reason="NNCF is not installed")
    file, out = tmp_path / "new" / "calibration.json", tmp_path / "out"
    calibrate = ["calibrate", bert_checkpoint, "--data", texts, "-o", file]
    output = succeeds(*calibrate, "--samples", "20")
    assert "calibrated on 20 texts of texts.tsv" in output
    assert "ranges of 14 linear layers" in output
    assert "exists" in fails(*calibrate)
    build = ["build", bert_checkpoint, "--precision", "int8", "-o", out]
    assert "--calibration FILE" in fails(*build)
    assert not out.exists()
    search = ["--max-drop", "100", "--judge-data", texts]
    output = succeeds(*build, "--calibration", file, *search)
    assert any(line.split()[::2] == ["int8", "chosen"] for line in output.splitlines()), output
    tolerances = ["--max-flips", "30", "--max-drop", "30"]
    output = succeeds("verify", out, "--against", bert_checkpoint, "--data", texts, *tolerances)
    assert "survivors in both" in output
    succeeds(*build, "--calibration", file, "--not-int8", "0,2", "--force")
    plan = json.loads((out / "manifest.json").read_text())["plan"]
    assert [layer["precision"] for layer in plan["layers"]] == ["bf16", "int8", "bf16"]
    for wrong in (["--not-int8", "a"], ["--max-drop", "1"], [*search, "--not-int8", "1"]):
        assert call(*build, "--calibration", file, "--force", *wrong).exit_code == 2


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    path = tmp_path / "reviews.tsv"
    path.write_text(REVIEWS)
    return path


def test_build_writes_a_bundle_and_says_what_it_believes(
    bert_checkpoint: Path, tmp_path: Path
) -> None:
    output = succeeds("build", bert_checkpoint, "-o", tmp_path / "out", "--target", "torchscript")
    assert "built" in output
    assert "score length D = 16; first token never pruned (keep)" in output
    assert (tmp_path / "out" / "engine.pt").is_file()


def test_build_takes_the_conventions_by_hand(bert_checkpoint: Path, tmp_path: Path) -> None:
    options = ["--score-length", "sequence", "--first-token", "reference", "--target", "null"]
    output = succeeds("build", bert_checkpoint, "-o", tmp_path / "out", *options)
    assert "score length D = sequence" in output
    assert "first token may be pruned (reference)" in output
    model = json.loads((tmp_path / "out" / "manifest.json").read_text())["model"]
    assert model["policy"]["score_length"] == "sequence"
    assert model["policy"]["first_token"] == "reference"


def test_build_replaces_only_by_force(bert_checkpoint: Path, tmp_path: Path) -> None:
    build = ["build", bert_checkpoint, "-o", tmp_path / "out", "--target", "null"]
    succeeds(*build)
    assert "--force" in fails(*build)
    succeeds(*build, "--force")


def test_build_dumps_graphs(bert_checkpoint: Path, tmp_path: Path) -> None:
    options = ["--target", "null", "--dump", tmp_path / "graphs"]
    succeeds("build", bert_checkpoint, "-o", tmp_path / "out", *options)
    assert (tmp_path / "graphs" / "0-trace.txt").is_file()


def test_a_dry_run_prints_the_plan_and_writes_nothing(
    bert_checkpoint: Path, tmp_path: Path
) -> None:
    output = succeeds("build", bert_checkpoint, "-o", tmp_path / "out", "--dry-run")
    for words in ("absolute 0.04", "survivors (compacts)", "first token only", "f32"):
        assert words in output
    assert "--profile-data DATA measures survivors" in output
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_with_data_expects_survivors_and_work(
    bert_checkpoint: Path, reviews: Path
) -> None:
    output = succeeds("build", bert_checkpoint, "--dry-run", "--profile-data", reviews)
    rows = [line.split() for line in output.splitlines() if line.startswith(("0 ", "1 ", "2 "))]
    # the four reviews have 7, 9, 3 and 8 tokens with [CLS] and [SEP]
    tokens_in = [float(row[-3]) for row in rows]
    assert tokens_in[0] == 6.8
    assert tokens_in == sorted(tokens_in, reverse=True)
    assert float(rows[-1][-2]) == 1.0
    assert "total" in output
    assert "multiply-adds" in output


def test_a_dry_run_may_look_at_the_first_rows_only(bert_checkpoint: Path, reviews: Path) -> None:
    options = ["--dry-run", "--profile-data", reviews, "--limit", "1"]
    assert " 7.0 " in succeeds("build", bert_checkpoint, *options)


def test_a_dry_run_needs_a_tokenizer_for_data(
    checkpoint_of: Callable[..., Path], reviews: Path
) -> None:
    options = ["--dry-run", "--profile-data", reviews]
    assert "has no tokenizer" in fails("build", checkpoint_of("roberta", "mixed"), *options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "-o/--output is missing"),
        (["--first-token", "drop"], "'drop' is not one of"),
        (["--outputs", "all"], "'all' is not one of"),
        (["--limit", "0"], "0 is not in the range"),
    ],
)
def test_wrong_usage_is_explained(
    options: list[str], message: str, bert_checkpoint: Path, tmp_path: Path
) -> None:
    result = call("build", bert_checkpoint, *options)
    assert result.exit_code == 2
    assert message in result.output


def test_inspect_shows_a_checkpoint(bert_checkpoint: Path) -> None:
    output = succeeds("inspect", bert_checkpoint)
    for words in ("bert", "bad, good", "4 of 16", "absolute 0.09", "score length D = 16"):
        assert words in output
    model = json.loads(succeeds("inspect", bert_checkpoint, "--json"))
    assert (model["family"], model["layers"], model["max_length"]) == ("bert", 3, 40)


def test_inspect_shows_a_released_checkpoint(checkpoint_of: Callable[..., Path]) -> None:
    output = succeeds("inspect", checkpoint_of("ltp", "topk"))
    assert "topk 0.3" in output
    assert "score length D = 128; first token may be pruned (reference)" in output


def test_inspect_shows_a_bundle(bert_checkpoint: Path, bert_bundle: Path) -> None:
    output = succeeds("inspect", bert_bundle)
    for words in ("cpu (openvino, f32)", bert_checkpoint.name, "engine.xml", "absolute 0.09"):
        assert words in output
    manifest = json.loads(succeeds("inspect", bert_bundle, "--json"))
    assert manifest["source"]["name"] == bert_checkpoint.name


def test_verify_passes_a_right_bundle(
    bert_checkpoint: Path, bert_bundle: Path, reviews: Path
) -> None:
    verify = ["verify", bert_bundle, "--against", bert_checkpoint, "--data", reviews]
    output = succeeds(*verify)
    for words in ("PASSED", "accuracy %", "real disagreements", "FLOPs ratio", "4 sequences"):
        assert words in output
    data = json.loads(succeeds(*verify, "--json", "--limit", "3"))
    assert data["failures"] == []
    assert data["sequences"] == 3
    agree = {"sequences_that_differ": 0, "ties": 0, "disagreements": [], "agreement": 1.0}
    assert data["survivors"] == agree


@pytest.mark.parametrize("as_json", [True, False])
def test_verify_exits_with_1_when_a_tolerance_is_broken(
    as_json: bool, bert_checkpoint: Path, bert_bundle: Path, reviews: Path
) -> None:
    options = ["--max-logit-difference", "0", *(["--json"] if as_json else [])]
    result = call("verify", bert_bundle, "--against", bert_checkpoint, "--data", reviews, *options)
    assert result.exit_code == 1
    assert "largest logit difference" in result.output
    if as_json:
        assert len(json.loads(result.output)["failures"]) == 1
    else:
        assert "FAILED: largest logit difference" in result.output


def test_verify_exits_with_1_when_the_engine_has_another_score_length(
    bert_checkpoint: Path, bert_bundle: Path, reviews: Path, tmp_path: Path
) -> None:
    bundle = shutil.copytree(bert_bundle, tmp_path / "bundle")
    edit_manifest(bundle, lambda manifest: manifest["model"]["policy"].update(score_length=24))
    result = call("verify", bundle, "--against", bert_checkpoint, "--data", reviews)
    assert result.exit_code == 1
    assert "FAILED: largest logit difference" in result.output
    assert "sequences whose survivors differ without a tie: 4" in result.output


def test_run_reads_lines_as_what_they_are(bert_bundle: Path, tmp_path: Path) -> None:
    file = tmp_path / "lines"
    file.write_bytes("\ufeffthe film\r\n".encode())
    assert succeeds("run", bert_bundle, file) == succeeds("run", bert_bundle, input="the film\n")
    file.write_text("dull\na\tb\tc\n")
    assert "line 2 has 2 tabs" in fails("run", bert_bundle, file)
    file.write_bytes("caf\u00e9\n".encode("cp1252"))
    assert "the text after line 0 is not UTF-8" in fails("run", bert_bundle, file)


def test_run_answers_line_by_line(bert_bundle: Path) -> None:
    output = succeeds("run", bert_bundle, input="the film is good .\ndull\tvery bad\n")
    answers = [json.loads(line) for line in output.splitlines()]
    assert len(answers) == 2
    for answer in answers:
        assert answer["label"] in ("bad", "good")
        assert len(answer["logits"]) == 2
        assert len(answer["survivors"]) == 3


def test_run_prunes_as_the_dial_says(bert_bundle: Path) -> None:
    def survivors(*options: str) -> list[list[int]]:
        output = succeeds("run", bert_bundle, *options, input="the film is good .\n")
        found: list[list[int]] = json.loads(output)["survivors"]
        return found

    assert survivors("--pruning", "0") == [list(range(7))] * 3
    assert survivors("--pruning", "1") == survivors()
    counts = [sum(map(len, survivors("--pruning", factor))) for factor in ("0", "1", "2")]
    assert counts[0] > counts[1] > counts[2]
    assert call("run", bert_bundle, "--pruning", "inf").exit_code == 2


def test_errors_are_one_message_without_a_traceback(
    bert_checkpoint: Path, bert_bundle: Path, tmp_path: Path, reviews: Path
) -> None:
    broken = save_tiny(tmp_path / "broken", "bert")
    (broken / "model.safetensors").write_bytes(b"nonsense")
    verify = ["verify", bert_bundle, "--against", bert_checkpoint, "--data"]
    for arguments, words in [
        (["build", tmp_path / "nowhere", "-o", tmp_path / "out"], "is not a directory"),
        (["build", broken, "-o", tmp_path / "out"], "not a readable safetensors"),
        (["build", bert_checkpoint, "--dry-run", "--precision", "fp16"], "no precision 'fp16'"),
        (["build", bert_checkpoint, "--dry-run", "--score-length", "x"], "score_length must be"),
        (["inspect", tmp_path], "has no config.json"),
        ([*verify, tmp_path / "none.tsv"], "there is no data file"),
        (["verify", tmp_path, "--against", bert_checkpoint, "--data", reviews], "is not a bundle"),
        (["verify", bert_bundle, "--against", broken, "--data", reviews], "was not built from"),
        (["run", tmp_path], "is not a bundle"),
    ]:
        assert words in fails(*arguments), arguments
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("added", "options", "note"),
    [
        ([], [], ""),
        (["[URL]", "[X]"], [], "the tokenizer knows 20 tokens, the model 18: texts with one of"),
        ([], ["--no-tokenizer"], "no tokenizer: the engine takes token ids, no texts"),
    ],
)
def test_build_says_what_texts_it_cannot_read(
    added: list[str], options: list[str], note: str, tmp_path: Path
) -> None:
    checkpoint = save_tiny(tmp_path / "checkpoint", "bert", vocab_size=18)
    save_tokenizer(checkpoint)
    numbered = {token: 18 + i for i, token in enumerate(added)}
    (checkpoint / "added_tokens.json").write_text(json.dumps(numbered))
    out = tmp_path / "bundle"
    output = succeeds("build", checkpoint, "--target", "null", "-o", out, *options)
    assert note in output
    assert note or "tokenizer" not in output
    shown = succeeds("inspect", out)
    assert ("none: the engine takes token ids" in shown) == bool(options)


def test_run_says_which_texts_were_cut(bert_bundle: Path) -> None:
    lines = f"a film\n{'good ' * 50}\n"
    short, cut = map(json.loads, succeeds("run", bert_bundle, input=lines).splitlines())
    assert "truncated" not in short
    assert cut["truncated"] is True
    result = call("run", bert_bundle, "--long-texts", "refuse", input=lines)
    assert result.exit_code == 1
    assert "text 1 has more than 40 tokens" in result.output
    result = call("run", bert_bundle, "--stride", "3", input=lines)
    assert "goes with 'window'" in result.output


def test_run_asks_no_more_of_an_engine_than_it_takes(
    bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    bundle = bundle_of(bert_checkpoint, "torchscript", max_batch=2, max_tokens=60)
    assert len(succeeds("run", bundle, input="a film\n" * 5).splitlines()) == 5


def test_run_reads_long_texts_in_windows(
    bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    bundle = bundle_of(bert_checkpoint, "torchscript", survivors=False)
    options = ["--long-texts", "window", "--stride", "0"]
    lines = f"a film\n{'good ' * 50}\n"
    short, long = map(json.loads, succeeds("run", bundle, *options, input=lines).splitlines())
    assert "windows" not in short
    assert long["windows"] == 2
