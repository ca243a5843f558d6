"""A new head takes the place of a checkpoint's own; the encoder is read as ever, or refused."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.checkpoint.new_head import NewHead
from ltp_deploy.checkpoint.save import save_encoder
from ltp_deploy.data.labels import ClassName
from ltp_deploy.errors import CheckpointError, LtpError
from tests.answers import batch_for, packed_answers
from tests.checkpoint.test_families import transformers_logits
from tests.tiny import ALL_FAMILIES, edit_config, save_tiny


@pytest.mark.parametrize(
    ("labels", "head"),
    [
        (["0", 1.0, "1.0"], NewHead("single_label_classification", 2)),
        ([0.0, 2.0, 1.0], NewHead("single_label_classification", 3)),
        (["true", "false"], NewHead("single_label_classification", 2)),
        (["0.5", 1.0], NewHead("regression", 1)),
        ([[0, 2], [1], []], NewHead("multi_label_classification", 3)),
        ([{"b": True, "a": False}], NewHead("multi_label_classification", 2, ("b", "a"))),
        (
            [ClassName("yes", 1), ClassName("no", 0)],
            NewHead("single_label_classification", 2, ("no", "yes")),
        ),
        (
            [[ClassName("b", 1), ClassName("a", 0)], [], [ClassName("c", 2)]],
            NewHead("multi_label_classification", 3, ("a", "b", "c")),
        ),
    ],
)
def test_a_new_head_is_for_the_labels(labels: list, head: NewHead) -> None:
    assert NewHead.for_labels(labels) == head


@pytest.mark.parametrize(
    ("kind", "labels", "head"),
    [
        ("ranking", ["0", "1"], NewHead(None, 1)),
        ("ranking", [ClassName("no", 0)] * 2, NewHead(None, 1)),
        ("regression", [0, 1, 2], NewHead("regression", 1)),
        ("multi_label", [[0], [1], []], NewHead("multi_label_classification", 2)),
        ("classification", [0, 1], NewHead("single_label_classification", 2)),
    ],
)
def test_a_new_head_may_be_named(kind: str, labels: list, head: NewHead) -> None:
    found = NewHead.for_labels(labels, kind=kind)
    assert (found, found.kind) == (head, kind)


@pytest.mark.parametrize(
    ("kind", "labels", "message"),
    [
        ("rank", [0], "there is no head 'rank'; there are classification, regression"),
        ("ranking", [0, "good"], "row 2 has the label 'good', the model gives numbers"),
        ("ranking", [{"a": True, "b": False}], "row 1: one label for each text is needed"),
        ("classification", [0.5, 1], r"labels that are numbers from 0, found \[0.5\]"),
        ("embedding", [0, 1], "labels say nothing of an embedding"),
    ],
)
def test_a_named_head_takes_its_own_labels(kind: str, labels: list, message: str) -> None:
    with pytest.raises(LtpError, match=message):
        NewHead.for_labels(labels, kind=kind)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["good", "bad"], r"labels that are numbers, found \['bad', 'good'\]"),
        (["-1", "1"], r"labels that are numbers from 0, found \['-1'\]"),
        ([0, 0], r"at least 2, .* go up to 1, and \[1\] occur nowhere"),
        ([1, 2, 3, 4, 5], r"go up to 5, and \[0\] occur nowhere"),
        ([0, 1, "100000000"], r"go up to 100000000, and \[2, 3, 4, 5, 6\] occur nowhere"),
    ],
)
def test_a_new_head_refuses_names_and_classes_that_it_cannot_number(
    labels: list, message: str
) -> None:
    with pytest.raises(LtpError, match=message):
        NewHead.for_labels(labels)


THREE = NewHead("single_label_classification", 3)


def written(model: Path, head: NewHead, output: Path) -> Path:
    save_encoder(load_encoder(model, new_head=head), model, output, head)
    return output


@pytest.mark.parametrize("family", ALL_FAMILIES)
@pytest.mark.parametrize("outputs", [2, 3])
def test_a_head_of_any_size_makes_room(
    family: str, outputs: int, checkpoint_of: Callable[..., Path], tmp_path: Path
) -> None:
    model = checkpoint_of(family, None)  # with two outputs
    head = NewHead("single_label_classification", outputs, seed=1)
    own, found = load_encoder(model), load_encoder(written(model, head, tmp_path / "out"))
    assert found.config.num_labels == outputs
    assert found.config.labels == ()
    assert (found.head_output.bias == 0).all()
    assert found.head_output.weight.std().item() == pytest.approx(0.02, rel=0.3)
    pooler = family == "bert"  # the others' first layer is the head's own
    assert torch.equal(found.head_dense.weight, own.head_dense.weight) == pooler
    assert torch.equal(found.layers[0].query.weight, own.layers[0].query.weight)
    batch = batch_for(found)
    torch.testing.assert_close(
        torch.tensor(transformers_logits(tmp_path / "out", found, batch)),
        torch.tensor(packed_answers(found, found, batch)[0]),
        atol=1e-5,
        rtol=0,
    )


def test_a_new_head_has_no_activation_of_the_old_one(tmp_path: Path) -> None:
    sigmoid = "torch.nn.modules.activation.Sigmoid"
    old = save_tiny(
        tmp_path / "old",
        "bert",
        labels=1,
        sentence_transformers={"activation_fn": sigmoid},
        sbert_ce_default_activation_function=sigmoid,
    )
    assert load_encoder(old).config.answer_activation == "sigmoid"
    head = NewHead("regression", 1)
    encoder = load_encoder(old, new_head=head)
    assert encoder.config.answer_activation == "none"
    save_encoder(encoder, old, tmp_path / "new", head)
    assert load_encoder(tmp_path / "new").config.answer_activation == "none"
    save_encoder(load_encoder(old), old, tmp_path / "same")
    assert load_encoder(tmp_path / "same").config.answer_activation == "sigmoid"
    assert load_encoder(tmp_path / "same").config.head == "ranking"


def test_a_new_head_that_ranks_has_the_activation_it_is_trained_with(tmp_path: Path) -> None:
    tanh = {"sbert_ce_default_activation_function": "torch.nn.modules.activation.Tanh"}
    old = save_tiny(tmp_path / "old", "bert", problem_type="multi_label_classification", **tanh)
    head = NewHead(None, 1)
    encoder = load_encoder(old, new_head=head)
    assert (encoder.config.head, encoder.config.answer_activation) == ("ranking", "sigmoid")
    save_encoder(encoder, old, tmp_path / "new", head)
    assert load_encoder(tmp_path / "new").config == encoder.config
    written = json.loads((tmp_path / "new" / "config.json").read_text())
    assert written["sentence_transformers"] == {"activation_fn": "torch.nn.Sigmoid"}
    assert not written.keys() & {"problem_type", *tanh}
    assert len(written["id2label"]) == 1


def test_a_new_head_depends_on_the_seed_alone(bert_checkpoint: Path) -> None:
    def weight(seed: int) -> torch.Tensor:
        head = NewHead("regression", 1, seed=seed)
        return load_encoder(bert_checkpoint, new_head=head).head_output.weight

    assert torch.equal(weight(1), weight(1))
    assert not torch.equal(weight(1), weight(2))


def test_what_config_json_said_of_the_old_head_is_gone(tmp_path: Path) -> None:
    model = save_tiny(tmp_path / "model", "bert", id2label={0: "bad", 1: "good"})
    changes = {"problem_type": "multi_label_classification", "architectures": ["BertForMaskedLM"]}
    edit_config(model, _num_labels=2, **changes)
    config = load_encoder(written(model, THREE, tmp_path / "out")).config
    assert (config.head, config.num_labels, config.labels) == ("classification", 3, ())
    entries = json.loads((tmp_path / "out" / "config.json").read_text())
    assert entries["architectures"] == ["BertForSequenceClassification"]
    assert "_num_labels" not in entries


@pytest.mark.parametrize("mode", ["absolute_threshold", "topk"])
def test_the_released_format_gets_a_new_head(
    mode: str, checkpoint_of: Callable[..., Path], tmp_path: Path
) -> None:
    model = checkpoint_of("ltp", mode)
    found = load_encoder(written(model, THREE, tmp_path / "out")).config
    assert (found.num_labels, found.policy) == (3, load_encoder(model).config.policy)


def test_a_bare_encoder_below_a_wrapper_gets_a_head(tmp_path: Path) -> None:
    model = save_tiny(tmp_path / "model", "bert")
    file = model / "model.safetensors"
    tensors = {n: t for n, t in load_file(file).items() if "classifier" not in n}
    bare = {f"module.{n}": t for n, t in tensors.items() if "pooler" not in n}
    save_file(bare, file, {"format": "pt"})
    found = load_encoder(written(model, THREE, tmp_path / "out"))
    assert torch.equal(found.word.weight, tensors["bert.embeddings.word_embeddings.weight"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architectures": ["BertForMyTask"]}, "BertForMyTask"),
        ({"auto_map": {"AutoModel": "x.Y"}}, "auto_map"),
        ({"model_type": "gpt2"}, "model_type 'gpt2' is not supported"),
        ({"vocab_size": 80}, "weights of a wrong shape"),
        ({"num_attention_heads": 7}, "not a multiple"),
    ],
    ids=str,
)
def test_what_a_build_refuses_gets_no_head(changes: dict, message: str, tmp_path: Path) -> None:
    edit_config(save_tiny(tmp_path, "bert"), **changes)
    with pytest.raises(CheckpointError, match=message):
        load_encoder(tmp_path, new_head=THREE)


def test_an_encoder_that_lacks_weights_gets_no_head(tmp_path: Path) -> None:
    file = save_tiny(tmp_path, "bert") / "model.safetensors"
    tensors = load_file(file)
    save_file({n: t for n, t in tensors.items() if "layer.1.output" not in n}, file)
    with pytest.raises(CheckpointError, match=r"lack bert.encoder.layer.1.output"):
        load_encoder(tmp_path, new_head=THREE)
    file.unlink()
    with pytest.raises(CheckpointError, match="holds no weights"):
        load_encoder(tmp_path, new_head=THREE)


def test_the_head_of_another_task_is_replaced(tmp_path: Path) -> None:
    checkpoint = save_tiny(tmp_path / "checkpoint", "bert", labels=5)
    edit_config(checkpoint, architectures=["BertForTokenClassification"])
    with pytest.raises(CheckpointError, match="BertForTokenClassification is not supported"):
        load_encoder(checkpoint)
    head = NewHead("single_label_classification", 3)
    assert load_encoder(checkpoint, new_head=head).config.num_labels == 3
