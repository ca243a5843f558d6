"""Learning from end to end, on a task that a tiny model can learn."""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

from ltp_deploy.builder.build import build
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.checkpoint.save import save_encoder
from ltp_deploy.cli import main
from ltp_deploy.data.examples import DataOptions, read_examples
from ltp_deploy.errors import LtpError
from ltp_deploy.learn import trainer as trainer_module
from ltp_deploy.learn.job import Job, run, starting_encoder
from ltp_deploy.learn.learn import Learned, learn, starting_policy
from ltp_deploy.learn.masks import Dense
from ltp_deploy.learn.model import Learner
from ltp_deploy.learn.recipe import Recipe
from ltp_deploy.learn.stage import Stage, TrainerSettings
from ltp_deploy.learn.sweep import parse_sweep, sweep, with_trained_head
from ltp_deploy.learn.trainer import fit
from ltp_deploy.model.policy import LayerRule, Mode, PrunePolicy
from ltp_deploy.parity.oracle_run import run_oracle
from ltp_deploy.runtime.engine import load
from ltp_deploy.tune.data import TaskData
from ltp_deploy.tune.evaluate import Point
from tests.answers import random_batch
from tests.model.problems import tiny_encoder
from tests.rankings import write_groups
from tests.released import save_released
from tests.tiny import edit_config

pytest.importorskip("accelerate", reason="accelerate is not installed")
QUICK = Recipe(
    learning_rate=3e-3, hard_learning_rate=1e-3, threshold_learning_rate=5e-3, batch=16,
    soft_epochs=2, hard_epochs=1, finetune_epochs=2,
)  # fmt: skip


def task(rows: int = 96) -> TaskData:
    """Sequences labelled 1 if they hold token 7, else 0; the other tokens are random."""
    random = np.random.default_rng(3)
    batch = random_batch([int(n) for n in random.integers(5, 12, rows)], vocabulary=60)
    labels = random.integers(0, 2, rows)
    batch.input_ids[batch.input_ids == 7] = 8
    batch.input_ids[batch.offsets[:-1][labels == 1] + 2] = 7
    return TaskData(batch, labels)


def write_reviews(path: Path, rows: int) -> Path:
    texts = ["a very good film", "bad"] * (rows // 2)
    lines = [f"{text}\t{i % 2}\n" for i, text in enumerate(texts)]
    path.write_text("text\tlabel\n" + "".join(lines))
    return path


def typed(model: Path, data: Path, output: Path, more: str) -> list[str]:
    """A `learn` command for a short training."""
    files = ["--data", str(data), "--dev", str(data), "-o", str(output)]
    settings = f"--soft-epochs 1 --batch 16 --lr 1e-3 {more}"
    return ["learn", str(model), *files, *settings.split()]


@pytest.mark.parametrize("method", ["ltp", "manual", "topk"])
def test_each_method_gives_a_model_that_prunes(method: str, tmp_path: Path) -> None:
    encoder = tiny_encoder(PrunePolicy.dense(5), num_labels=2)
    data = task()
    recipe = Recipe(**{**QUICK.__dict__, "method": method, "regularisation": 0.5})
    trained, learned = learn(encoder, data, data, recipe, TrainerSettings(tmp_path))
    kind = Mode.TOPK if method == "topk" else Mode.ABSOLUTE
    modes = {rule.mode for rule in trained.config.policy.layers if rule.prunes}
    assert modes == {kind}
    assert learned.dense.flops_ratio == 1.0
    assert learned.pruned.flops_ratio > 1.0
    assert learned.recipe.final_threshold == pytest.approx(0.01 * 128 / data.batch.lengths.mean())
    started = starting_policy(learned.recipe, 5, encoder.config.policy)
    assert (trained.config.policy != started) == (method == "ltp")
    assert json.loads(json.dumps(learned.to_dict()))["policy"] == trained.config.policy.to_config()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["ltp", "manual", "topk"])
def test_each_method_reaches_a_flops_ratio(method: str, tmp_path: Path) -> None:
    encoder = tiny_encoder(PrunePolicy.dense(6), num_labels=2)
    data = task()
    recipe = Recipe(**{**QUICK.__dict__, "method": method, "flops_ratio": 1.4})
    settings = TrainerSettings(tmp_path, arguments={"bf16": True})
    _, learned = learn(encoder, data, data, recipe, settings)
    assert learned.pruned.flops_ratio == pytest.approx(1.4, abs=0.1)


def test_learn_goes_on_from_the_thresholds_of_a_model(tmp_path: Path) -> None:
    rules = (LayerRule(Mode.NONE), LayerRule(Mode.ABSOLUTE, 0.07), LayerRule(Mode.ABSOLUTE, 0.03))
    encoder = tiny_encoder(PrunePolicy(rules), num_labels=2)
    recipe = Recipe(**{**QUICK.__dict__, "soft_epochs": 0.0})
    trained, _ = learn(encoder, task(32), task(32), recipe, TrainerSettings(tmp_path))
    found = [rule.threshold for rule in trained.config.policy.layers]
    assert found == pytest.approx([0.0, 0.07, 0.03])


@pytest.mark.slow
def test_a_larger_lambda_prunes_more(tmp_path: Path) -> None:
    saved = []
    for weight in (0.0, 3.0):
        encoder = tiny_encoder(PrunePolicy.dense(4), num_labels=2)
        recipe = Recipe(**{**QUICK.__dict__, "regularisation": weight})
        settings = TrainerSettings(tmp_path / str(weight))
        _, learned = learn(encoder, task(), task(), recipe, settings)
        saved.append(learned.pruned.flops_ratio)
    assert saved[0] < saved[1]


def test_distillation_trains_on_the_dense_models_answers(tmp_path: Path) -> None:
    data = task(32)
    encoder = tiny_encoder(PrunePolicy.dense(3), num_labels=2)
    recipe = Recipe(**{**QUICK.__dict__, "distill": 1.0, "finetune_epochs": 0.0})
    before = encoder.answer(torch.ones(1, 32))
    learn(encoder, data, data, recipe, TrainerSettings(tmp_path))
    assert data.teacher is not None
    assert data.teacher.shape == (32, 2)
    assert not torch.equal(before, encoder.answer(torch.ones(1, 32)))


def test_starting_policies_are_the_published_ones() -> None:
    convention = PrunePolicy.dense(12)
    manual = starting_policy(Recipe("manual", final_threshold=0.012), 12, convention)
    assert [rule.threshold for rule in manual.layers] == pytest.approx(
        [i / 1000 for i in range(12)]
    )
    topk = starting_policy(Recipe("topk", keep_rate=0.1), 12, convention)
    assert [rule.prunes for rule in topk.layers] == [False] * 3 + [True] * 9
    assert topk.layers[-1].threshold == pytest.approx(0.1)
    assert topk.layers[3].threshold == pytest.approx(0.9)
    shallow = starting_policy(Recipe("topk", keep_rate=0.5), 6, PrunePolicy.dense(6))
    assert [rule.threshold for rule in shallow.layers] == pytest.approx(
        [0.0, 0.9, 0.8, 0.7, 0.6, 0.5]
    )


class Stop(Exception):
    """Ends a run early."""


def test_an_interrupted_stage_resumes_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer_module, "SAVE_STEPS", 4)
    stage = Stage("dense", 2.0, 1e-3, 1e-3, batch=16, seed=1)

    def train(work: Path, stop_at: int | None, resume: bool) -> dict[str, torch.Tensor]:
        encoder = tiny_encoder(PrunePolicy.dense(2), num_labels=2).requires_grad_(True)
        model = Learner(encoder, Dense())
        if stop_at is not None:
            seen = iter(range(100))

            def forward(*args: object, run=model.run):
                if next(seen) == stop_at:
                    raise Stop
                return run(*args)

            model.run = forward
        fit(stage, model, task(), TrainerSettings(work, resume))
        return encoder.state_dict()

    whole = train(tmp_path / "whole", None, False)
    with pytest.raises(Stop):
        train(tmp_path / "parts", 7, False)
    (complete,) = (tmp_path / "parts" / "dense").glob("checkpoint-*")
    interrupted = complete.with_name("checkpoint-99")  # while it was saved
    shutil.copytree(complete, interrupted)
    (interrupted / "trainer_state.json").write_text("{")
    (interrupted / "model.safetensors").write_bytes(b"half")
    resumed = train(tmp_path / "parts", None, True)
    for name, tensor in whole.items():
        torch.testing.assert_close(resumed[name], tensor, msg=name)


def test_training_without_accelerate_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "accelerate", None)
    encoder = tiny_encoder(PrunePolicy.dense(2), num_labels=2)
    with pytest.raises(LtpError, match=r"learning needs accelerate: pip install .*\[learn\]"):
        learn(encoder, task(16), task(16), QUICK, TrainerSettings(tmp_path))


def test_a_loss_of_nan_is_an_error(tmp_path: Path) -> None:
    encoder = tiny_encoder(PrunePolicy.dense(2), num_labels=2)
    encoder.word.weight.data[:] = torch.nan
    with pytest.raises(LtpError, match="the loss is no number after 0 steps; lower the learning"):
        learn(encoder, task(16), task(16), QUICK, TrainerSettings(tmp_path))


def test_training_needs_labels(bert_checkpoint: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.tsv"
    data.write_text("text\tstars\na film\t5\n")
    job = Job(bert_checkpoint, str(data), str(data), tmp_path / "out", QUICK)
    with pytest.raises(
        LtpError, match=r"training needs labels.* \['text', 'stars'\] with --label-"
    ):
        run(job)


SETS = """text,toxic,rude,short
a very good film,0,0,0
bad,0,1,1
not good,1,0,1
a very bad film,1,1,0
"""


@pytest.mark.parametrize("finetune", [True, False])
def test_sets_of_labels_are_learned(
    finetune: bool, checkpoint_of: Callable[..., Path], tmp_path: Path
) -> None:
    changes: dict[str, Any] = {"id2label": None}
    if not finetune:
        names = dict(enumerate(("rude", "short", "toxic")))
        changes = {"labels": 3, "id2label": names, "problem_type": "multi_label_classification"}
    data = tmp_path / "data.csv"
    data.write_text(SETS + SETS.partition("\n")[2] * 3)
    model = checkpoint_of("bert", None, **changes)
    job = Job(
        model if not finetune else headless(model, tmp_path / "headless"),
        str(data),
        str(data),
        tmp_path / "out",
        replace(
            QUICK, method="manual", batch=8, distill=0.5, finetune_epochs=float(finetune) * 20,
            final_threshold=0.1, attention_dropout=0.1,
        ),
        DataOptions(label_column="toxic,rude,short"),
    )  # fmt: skip
    learned = run(job)
    assert learned.dense.metric == "f1-micro %"
    config = load_encoder(job.output).config
    assert config.head == "multi_label"
    assert set(config.labels) == {"toxic", "rude", "short"}
    written = json.loads((job.output / "config.json").read_text())
    assert written["problem_type"] == "multi_label_classification"
    if finetune:
        assert learned.dense.score > 90
        assert config.labels == ("toxic", "rude", "short")


def test_queries_with_passages_make_a_reranker(
    checkpoint_of: Callable[..., Path], tmp_path: Path
) -> None:
    """It gives the scores of sentence-transformers' CrossEncoder."""
    pytest.importorskip("ir_measures", reason="ir_measures is not installed")
    data = write_groups(tmp_path / "groups.jsonl", 24, 4, seed=1)
    out = tmp_path / "out"
    more = "--finetune --finetune-epochs 25 --lr 3e-3 --method manual --hard-epochs 1"
    result = CliRunner().invoke(
        main, typed(checkpoint_of("bert", None), data, out, f"{more} --flops 1.3 --json")
    )
    assert result.exit_code == 0, result.output
    learned = json.loads(result.stdout)
    assert (learned["dense"]["metric"], learned["remark"]) == ("ndcg@10 %", "")
    assert learned["dense"]["score"] > 90, "an order by chance scores 64"
    assert learned["pruned"]["flops_ratio"] > 1.1
    config = load_encoder(out).config
    assert (config.head, config.answer_activation, config.num_labels) == ("ranking", "sigmoid", 1)

    library = pytest.importorskip("sentence_transformers")
    encoder = load_encoder(out)
    save_encoder(encoder.with_policy(PrunePolicy.dense(3)), out, tmp_path / "dense")
    build(tmp_path / "dense", tmp_path / "engine", BuildOptions("torchscript"))
    texts = read_examples(str(data)).texts[:8]
    passages = [text[1] for text in texts]
    expected = library.CrossEncoder(str(tmp_path / "dense"), device="cpu").rank("film", passages)
    found = load(tmp_path / "engine").rank("film", passages)
    assert [place for place, _ in found] == [row["corpus_id"] for row in expected]
    assert [score for _, score in found] == pytest.approx(
        [float(row["score"]) for row in expected], abs=1e-5
    )
    assert 0 < found[-1][1] < found[0][1] < 1


def test_a_new_head_may_be_named(checkpoint_of: Callable[..., Path], tmp_path: Path) -> None:
    data, out = write_reviews(tmp_path / "data.tsv", 16), tmp_path / "out"
    finetune = "--finetune --finetune-epochs 1 --method dense"
    line = typed(checkpoint_of("bert", None), data, out, finetune)
    result = CliRunner().invoke(main, [*line, "--head", "ranking", "--metric", "pearson"])
    assert result.exit_code == 0, result.output
    assert "ndcg@10 is undefined here" in result.output
    assert load_encoder(out).config.head == "ranking"
    result = CliRunner().invoke(main, [*typed(out, data, tmp_path / "x", ""), "--head", "ranking"])
    assert result.exit_code == 2
    assert "--head is for --finetune" in result.output


def test_a_reranker_is_not_trained_on_grades(
    checkpoint_of: Callable[..., Path], tmp_path: Path
) -> None:
    data = tmp_path / "grades.tsv"
    data.write_text("query\tpassage\tlabel\n" + "a film\tgood\t1\na film\tdull\t3\n" * 4)
    out = tmp_path / "out"
    line = typed(checkpoint_of("bert", None, labels=1, id2label=None), data, out, "--flops 1.1")
    result = CliRunner().invoke(main, line)
    assert result.exit_code == 1
    assert "row 2 of the training data has the label 3, and a reranker is trained on" in (
        " ".join(result.output.split())
    )
    assert not list(tmp_path.glob("out*"))


def headless(model: Path, folder: Path) -> Path:
    """A copy of a BERT checkpoint without its classifier, and without what its config says of
    labels."""
    shutil.copytree(model, folder)
    tensors = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if "classifier" not in name}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})
    return folder


def test_the_learn_and_tune_commands_write_checkpoints(
    checkpoint_of: Callable[..., Path], tmp_path: Path
) -> None:
    data = write_reviews(tmp_path / "data.tsv", 48)
    output = tmp_path / "learned"
    arguments = typed(checkpoint_of("bert", None), data, output, "--hard-epochs 1")
    arguments += ["--final-threshold", "0.3", "--max-drop", "60"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"{output}: ltp, ")
    assert "fewer FLOPs" in result.output
    policy = load_encoder(output).config.policy
    assert policy.prunes
    assert (policy.score_length, policy.keep_first) == (0, True)
    assert (output / "vocab.txt").is_file()
    assert not (tmp_path / "learned.work").exists()
    stages = [json.loads(line)["stage"] for line in (output / "log.jsonl").open()]
    assert list(dict.fromkeys(stages))[:2] == ["soft", "hard"]
    again = CliRunner().invoke(main, arguments)
    assert again.exit_code == 1
    assert "exists; choose another output path" in again.output

    tuned, drop = tmp_path / "tuned", ["--max-drop", "60"]
    result = CliRunner().invoke(
        main, ["tune", str(output), "--data", str(data), "-o", str(tuned), *drop]
    )
    assert result.exit_code == 0, result.output
    assert load_encoder(tuned).config.policy != policy
    assert (tuned / "tuned.svg").read_text().startswith("<?xml")


@pytest.mark.full
def test_a_sweep_writes_and_measures_a_checkpoint_for_each_value(
    checkpoint_of: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ltp_deploy.learn.sweep.SECONDS", 0.2)
    data = write_reviews(tmp_path / "data.tsv", 32)
    output = tmp_path / "family"
    arguments = typed(checkpoint_of("bert", None), data, output, "--hard-epochs 0")
    arguments += ["--finetune", "--finetune-epochs", "1", "--sweep", "final-threshold=0.05"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert len(json.loads((output / "sweep.json").read_text())["runs"]) == 1
    assert (output / "sweep.svg").read_text().startswith("<?xml")

    before = (output / "dense" / "model.safetensors").stat().st_mtime_ns
    again = CliRunner().invoke(main, [*arguments[:-1], "final-threshold=0.05,0.6", "--resume"])
    assert again.exit_code == 0, again.output
    assert (output / "dense" / "model.safetensors").stat().st_mtime_ns == before
    found = json.loads((output / "sweep.json").read_text())
    gentle, harsh = (run["point"]["flops_ratio"] for run in found["runs"])
    assert gentle < harsh
    assert not load_encoder(output / "dense").config.policy.prunes
    assert load_encoder(output / "final-threshold-0.6").config.policy.prunes
    assert all(
        r > 0 for run in found["runs"] for ratios in run["speed"].values() for r in ratios.values()
    )
    assert "times faster, measured" in (output / "sweep.svg").read_text()

    other = CliRunner().invoke(main, [*arguments, "--resume", "--batch", "8"])
    assert other.exit_code == 1
    assert "was trained with batch" in other.output


@pytest.mark.slow
def test_a_sweep_of_flops_reaches_each_ratio(
    checkpoint_of: Callable[..., Path], tmp_path: Path
) -> None:
    data, output = str(write_reviews(tmp_path / "data.tsv", 32)), tmp_path / "family"
    recipe = Recipe(
        learning_rate=1e-3, threshold_learning_rate=1e-3, soft_epochs=1, hard_epochs=1, batch=16,
        final_threshold=0.2, distill=0.5,
    )  # fmt: skip
    job = Job(checkpoint_of("bert", None), data, data, output, recipe)
    found = sweep(job, "flops", [1.1, 1.2], timed=False)
    points = [run.point.flops_ratio for run in found.runs]
    assert points == pytest.approx([1.1, 1.2], abs=0.05)
    assert [run.speed for run in found.runs] == [{}, {}]
    assert found.dense.flops_ratio == 1.0


def test_learn_refuses_thresholds_of_other_conventions(
    bert_checkpoint: Path, tmp_path: Path
) -> None:
    data = str(write_reviews(tmp_path / "data.tsv", 4))
    job = Job(bert_checkpoint, data, data, tmp_path / "out", QUICK, score_length=77)
    with pytest.raises(LtpError, match=r"learned with other conventions; .* pass --score-length"):
        run(replace(job, recipe=replace(QUICK, finetune_epochs=0.0)))


def test_learn_asks_for_a_score_length_that_the_model_leaves_open(tmp_path: Path) -> None:
    model = save_released(tmp_path / "m", "absolute_threshold", scoring_mode="mean_norm")
    recipe = replace(QUICK, finetune_epochs=0.0)
    job = Job(model, "train", "dev", tmp_path / "out", recipe, first_token="reference")
    with pytest.raises(LtpError, match=r"'mean_norm' .* --score-length decides"):
        starting_encoder(model, job)
    policy = starting_encoder(model, replace(job, score_length=77)).config.policy
    assert (policy.score_length, policy.prunes) == (77, True)
    edit_config(model, prune_mode=None)
    assert starting_encoder(model, job).config.policy.score_length == 0  # each sequence's own


@pytest.mark.parametrize("text", ["speed=1,2", "lambda", "lambda=a,b"])
def test_a_malformed_sweep_is_refused(text: str) -> None:
    with pytest.raises(LtpError, match="--sweep"):
        parse_sweep(text)


def test_bad_data_leaves_nothing_to_resume(bert_checkpoint: Path, tmp_path: Path) -> None:
    job = Job(bert_checkpoint, "absent.tsv", "absent.tsv", tmp_path / "out", QUICK)
    with pytest.raises(LtpError, match="there is no data file"):
        run(job)
    assert list(tmp_path.iterdir()) == []
    job.work.mkdir()
    with pytest.raises(LtpError, match="there is no data file"):
        run(replace(job, resume=True))
    assert job.work.is_dir()


def test_learn_refuses_to_overwrite_an_interrupted_run(
    bert_checkpoint: Path, tmp_path: Path
) -> None:
    (tmp_path / "out.work").mkdir()
    arguments = ["learn", str(bert_checkpoint), "--data", "x.tsv", "--dev", "x.tsv"]
    result = CliRunner().invoke(main, [*arguments, "-o", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert "pass --resume to go on, or remove it" in result.output


def test_a_data_set_by_name_is_trained_on_its_training_split(
    checkpoint_of: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    class FakeDatasets:
        @staticmethod
        def load_dataset(*name: object, split: str) -> list[dict]:
            asked.append((*name, split))
            return [{"sentence1": "good", "sentence2": "bad", "label": i % 2} for i in range(8)]

    import_module("transformers.trainer")  # before it could take the fake for the package
    monkeypatch.setitem(sys.modules, "datasets", FakeDatasets)
    recipe = replace(QUICK, method="manual", finetune_epochs=0.0)
    name = "glue/mrpc"
    learned = run(Job(checkpoint_of("bert", None), name, name, tmp_path / "out", recipe))
    assert asked == [("glue", "mrpc", "train"), ("glue", "mrpc", "validation")]
    assert learned.dense.metric == "f1 %"


def test_the_dev_data_holds_the_budget(tmp_path: Path) -> None:
    encoder = tiny_encoder(PrunePolicy.dense(3), num_labels=2)
    recipe = replace(QUICK, finetune_epochs=0, soft_epochs=1, max_drop=100.0)
    _, learned = learn(encoder, task(), task(97), recipe, TrainerSettings(tmp_path))
    steps = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert max(step["step"] for step in steps if step["stage"] == "soft") == 96 / 16
    assert learned.pruned.alive[-1] < 1.5  # so large a budget allows to prune nearly everything
    assert learned.inside_budget
    assert learned.low < learned.drop < learned.high
    assert learned.texts == 97


def test_few_texts_allow_no_pruning_and_that_is_said(tmp_path: Path) -> None:
    encoder = tiny_encoder(PrunePolicy.dense(3), num_labels=2)
    recipe = replace(QUICK, finetune_epochs=0, soft_epochs=1, max_drop=1.0)
    few = task(20)
    few.labels = run_oracle(encoder, few.batch).logits.argmax(1)  # so that no change is a gain
    with pytest.warns(UserWarning, match="no pruning is surely within 1 points on 20 texts"):
        _, learned = learn(encoder, task(), few, recipe, TrainerSettings(tmp_path))
    assert learned.pruned.flops_ratio == 1.0


def test_a_budget_that_nothing_can_judge_is_refused_before_training(
    checkpoint_of: Callable[..., Path], tmp_path: Path
) -> None:
    train, dev = write_reviews(tmp_path / "a.tsv", 8), tmp_path / "b.tsv"
    dev.write_text("text\tlabel\na film\t1\n")
    recipe = replace(QUICK, max_drop=1.0)
    job = Job(checkpoint_of("bert", None), str(train), str(dev), tmp_path / "out", recipe)
    with pytest.raises(LtpError, match="needs more than one text"):
        run(job)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tsv", "b.tsv"]


def test_a_flops_ratio_is_not_given_up_silently(tmp_path: Path) -> None:
    encoder = tiny_encoder(PrunePolicy.dense(3), num_labels=2)
    recipe = replace(QUICK, method="manual", final_threshold=0.0, flops_ratio=2.0)
    recipe = replace(recipe, finetune_epochs=0.0)
    with pytest.raises(LtpError, match="prunes nothing cannot be scaled"):
        learn(encoder, task(16), task(16), recipe, TrainerSettings(tmp_path))


def test_a_head_for_a_sweep_is_trained_without_the_hard_stage(
    checkpoint_of: Callable[..., Path], tmp_path: Path
) -> None:
    data = str(write_reviews(tmp_path / "data.tsv", 16))
    recipe = replace(QUICK, finetune_epochs=1.0, hard_epochs=2.0, method="manual")
    job = Job(checkpoint_of("bert", None), data, data, tmp_path / "out", recipe)
    found = with_trained_head(job, tmp_path / "dense")
    assert found.model == tmp_path / "dense"
    assert found.recipe == replace(recipe, finetune_epochs=0.0)


def test_a_result_outside_the_budget_has_an_exit_status(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dense, pruned = (Point("accuracy %", score, 1.0, [4.0] * 3) for score in (90.0, 88.5))
    policy = PrunePolicy.dense(2).to_config()
    learned = Learned(Recipe(max_drop=1.0), policy, dense, pruned, 0.2, 2.8, 500, 0.5)
    monkeypatch.setattr("ltp_deploy.learn.job.run", lambda job: learned)
    arguments = ["learn", "model", "--data", "a.tsv", "--dev", "b.tsv", "-o", str(tmp_path / "o")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 3
    assert "+1.50 points below the dense model (95 % interval +0.20 to +2.80" in result.output
    assert "2.00x" in result.output  # of the work, in an engine
    assert "outside the budget: 1.50 points are lost by the estimate, allowed were 1" in (
        result.output
    )
    inside = replace(learned, pruned=replace(pruned, score=89.5))
    monkeypatch.setattr("ltp_deploy.learn.job.run", lambda job: inside)
    assert CliRunner().invoke(main, arguments).exit_code == 0
