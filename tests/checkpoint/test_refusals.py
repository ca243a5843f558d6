"""What cannot be loaded is refused by name, with what was found and what to do."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.errors import CheckpointError
from tests.released import save_released
from tests.tiny import edit_config, policy, save_tiny

QUERY = "bert.encoder.layer.1.attention.self.query.weight"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("bert"), "bert")


@pytest.fixture
def checkpoint(original: Path, tmp_path: Path) -> Path:
    """A good BERT checkpoint to spoil."""
    return shutil.copytree(original, tmp_path / "checkpoint")


def refuses(directory: Path, *words: str) -> None:
    """Loading fails and the message holds all the words."""
    with pytest.raises(CheckpointError) as error:
        load_encoder(directory)
    message = str(error.value)
    assert [word for word in words if word not in message] == [], message


def edit_weights(directory: Path, edit: Callable[[dict], None]) -> None:
    file = directory / "model.safetensors"
    state = load_file(file)
    edit(state)
    save_file(state, file)


def as_bin(directory: Path, content: object) -> Path:
    """Replace the weights by a pytorch_model.bin."""
    (directory / "model.safetensors").unlink()
    torch.save(content, directory / "pytorch_model.bin")
    return directory / "pytorch_model.bin"


def test_the_checkpoint_that_the_others_spoil_is_good(checkpoint: Path) -> None:
    load_encoder(checkpoint)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_type": "gpt2"}, ["'gpt2'", "not supported", "bert, roberta"]),
        ({"model_type": None}, ["None", "not supported"]),
        ({"position_embedding_type": "relative_key"}, ["relative_key", "only 'absolute'"]),
        ({"is_decoder": True}, ["is_decoder", "encoders"]),
        ({"hidden_act": "mish"}, ["mish", "supported", "gelu"]),
        ({"num_attention_heads": 5}, ["64", "not a multiple of 5"]),
        ({"id2label": {"0": "a", "1": "b", "2": "c"}}, ["names 3 labels", "2 outputs"]),
        ({"ltp": policy(*[("absolute", 0.1)] * 2)}, ["2 layers", "model has 3"]),
        ({"ltp": policy(*[("magic", 0.1)] * 3)}, ["layer 0", "'magic'", "absolute", "topk"]),
        ({"ltp": policy(*[("absolute", float("nan"))] * 3)}, ["layer 0", "finite", "nan"]),
        ({"ltp": policy(*[("absolute", "0.1")] * 3)}, ["layer 0", "finite number", "'0.1'"]),
        ({"ltp": policy(*[("topk", 1.5)] * 3)}, ["layer 0", "0..1", "1.5"]),
        (
            {"ltp": policy(*[("none", 0.0)] * 3, score_length=0)},
            ["score_length", "positive", "'sequence'", "0"],
        ),
        (
            {"ltp": policy(*[("none", 0.0)] * 3, score_length="padded")},
            ["score_length", "'sequence'", "'padded'"],
        ),
        (
            {"ltp": policy(*[("none", 0.0)] * 3, first_token="drop")},
            ["first_token", "'keep' or 'reference'", "'drop'"],
        ),
    ],
    ids=lambda value: None if isinstance(value, list) else json.dumps(value)[:60],
)
def test_an_unusable_config_is_refused(checkpoint: Path, changes: dict, words: list[str]) -> None:
    edit_config(checkpoint, **changes)
    refuses(checkpoint, *words)


@pytest.mark.parametrize(
    "entry", [True, {"layers": [0.1, 0.2, 0.3]}, {"layers": 3}, {"thresholds": [0.1]}], ids=str
)
def test_a_malformed_policy_is_refused(checkpoint: Path, entry: object) -> None:
    edit_config(checkpoint, ltp=entry)
    refuses(checkpoint, "`ltp`", "`layers`", "`mode` and `thresholds`", str(entry))


@pytest.mark.parametrize(
    ("text", "words"),
    [("{", ["config.json", "not valid JSON"]), ("[]", ["JSON object", "list"])],
)
def test_a_broken_config_is_refused(checkpoint: Path, text: str, words: list[str]) -> None:
    (checkpoint / "config.json").write_text(text)
    refuses(checkpoint, *words)


def test_an_empty_directory_is_refused(tmp_path: Path) -> None:
    refuses(tmp_path, str(tmp_path), "no config.json", "nothing")


def test_a_file_or_a_hub_name_is_refused(checkpoint: Path) -> None:
    refuses(checkpoint / "config.json", "not a directory")
    refuses(Path("someone/some-model"), "not a directory", "hf download")


def test_a_directory_without_weights_is_refused(checkpoint: Path) -> None:
    (checkpoint / "model.safetensors").unlink()
    refuses(checkpoint, "holds no weights", "model.safetensors", "pytorch_model.bin")


def test_missing_weights_are_named_as_in_the_file(checkpoint: Path) -> None:
    edit_weights(checkpoint, lambda state: state.pop(QUERY))
    refuses(checkpoint, "lack", QUERY)


def test_misshaped_weights_are_named_with_both_shapes(checkpoint: Path) -> None:
    edit_weights(checkpoint, lambda state: state.update({QUERY: torch.zeros(64, 32)}))
    refuses(checkpoint, QUERY, "[64, 64]", "[64, 32]")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_named(checkpoint: Path, value: float) -> None:
    edit_weights(checkpoint, lambda state: state[QUERY].view(-1)[7:8].fill_(value))
    refuses(checkpoint, "NaN", QUERY)


def test_a_model_without_a_head_is_told_to_be_fine_tuned(checkpoint: Path) -> None:
    edit_weights(
        checkpoint, lambda state: [state.pop(n) for n in list(state) if n.startswith("classifier")]
    )
    refuses(checkpoint, "classifier.weight", "classification head", "fine-tune")


class Malicious:
    """A pickle of this creates a file when it is loaded carelessly."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_pickle_that_runs_code_is_refused_and_not_run(checkpoint: Path, tmp_path: Path) -> None:
    as_bin(checkpoint, {QUERY: Malicious(tmp_path / "pwned")})
    refuses(checkpoint, "pytorch_model.bin", "code", "safetensors")
    assert not (tmp_path / "pwned").exists()


def test_a_pickle_of_something_else_is_refused(checkpoint: Path) -> None:
    as_bin(checkpoint, [torch.zeros(3)])
    refuses(checkpoint, "pytorch_model.bin", "dict of tensors")


@pytest.mark.parametrize("size", [0, 5, 1000, -100])
def test_truncated_safetensors_are_refused(checkpoint: Path, size: int) -> None:
    truncate(checkpoint / "model.safetensors", size)
    refuses(checkpoint, "model.safetensors", "not a readable")


@pytest.mark.parametrize("size", [0, 5, 1000, -100])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_truncated_bin_is_refused(checkpoint: Path, size: int, zipped: bool) -> None:
    file = as_bin(checkpoint, {QUERY: torch.zeros(64, 64)})
    if not zipped:
        torch.save(torch.load(file), file, _use_new_zipfile_serialization=False)
    truncate(file, size)
    refuses(checkpoint, "pytorch_model.bin")


@pytest.mark.parametrize(
    "index",
    ["{", "{}", "[]", '{"weight_map": {"a": "../away.safetensors"}}', '{"weight_map": {"a": 1}}'],
)
def test_a_broken_shard_index_is_refused(checkpoint: Path, index: str) -> None:
    (checkpoint / "model.safetensors").rename(checkpoint.parent / "away.safetensors")
    (checkpoint / "model.safetensors.index.json").write_text(index)
    refuses(checkpoint, "model.safetensors.index.json")


@pytest.mark.parametrize(
    ("mode", "changes", "words"),
    [
        ("absolute_threshold", {"quant_mode": True}, ["quant_mode: true", "quant_mode: false"]),
        (None, {"prune_mode": "magic"}, ["'magic'", "absolute_threshold", "topk", "null"]),
        ("topk", {"token_keep_rate": None}, ["'topk'", "`token_keep_rate`"]),
        ("threshold", {"token_threshold": float("nan")}, ["token_threshold", "nan"]),
        (None, {"hidden_size": None}, ["hidden_size"]),
        (None, {"pad_token_id": None}, ["pad_token_id"]),
        (None, {"intermediate_size": "x"}, ["intermediate_size", "'x'"]),
    ],
    ids=str,
)
def test_an_unusable_released_config_is_refused(
    tmp_path: Path, mode: str | None, changes: dict, words: list[str]
) -> None:
    edit_config(save_released(tmp_path, mode), **changes)
    refuses(tmp_path, *words)


def test_a_released_config_must_hold_the_shape(tmp_path: Path) -> None:
    save_released(tmp_path, None)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["hidden_size"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    refuses(tmp_path, "config.json lacks 'hidden_size'")


def test_a_diverged_learned_threshold_is_named(tmp_path: Path) -> None:
    save_released(tmp_path, "absolute_threshold", thresholds=[0.0, 0.0, float("nan"), 0.0, 0.0])
    refuses(tmp_path, "layer.2.attention.self.pruner.keep_threshold", "diverged")


@pytest.mark.parametrize("replacement", [None, torch.zeros(3)], ids=["absent", "misshaped"])
def test_an_unusable_learned_threshold_is_named(tmp_path: Path, replacement) -> None:
    file = save_released(tmp_path, "absolute_threshold") / "pytorch_model.bin"
    name = "ibert.encoder.layer.3.attention.self.pruner.keep_threshold"
    state = {n: t for n, t in torch.load(file).items() if n != name}
    torch.save(state if replacement is None else {**state, name: replacement}, file)
    refuses(tmp_path, name)


def truncate(file: Path, size: int) -> None:
    """Cut a file to `size` bytes, or off its end where negative."""
    content = file.read_bytes()
    file.write_bytes(content[:size])


def test_weights_of_more_layers_than_the_config_says_are_refused(checkpoint: Path) -> None:
    layers = load_encoder(checkpoint).config.layers
    edit_config(checkpoint, num_hidden_layers=layers - 1)
    with pytest.raises(CheckpointError, match="the weights have more: bert"):
        load_encoder(checkpoint)


def test_a_bin_that_is_no_pickle_is_refused(checkpoint: Path) -> None:
    (checkpoint / "model.safetensors").unlink()
    (checkpoint / "pytorch_model.bin").write_text("hello")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_encoder(checkpoint)


@pytest.mark.parametrize("task", ["TokenClassification", "QuestionAnswering"])
def test_tasks_beyond_classification(checkpoint: Path, task: str) -> None:
    edit_config(checkpoint, architectures=[f"BertFor{task}"])
    refuses(checkpoint, f"BertFor{task} is not supported", "classification and regression of whole")
