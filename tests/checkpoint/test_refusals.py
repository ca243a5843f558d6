"""What cannot be loaded is refused by name, with what was found and what to do."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers  # lazy: its models are imported where they are used
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
        *[
            ({"hidden_act": name}, [f"'{name}'", "supported", "gelu"])
            for name in ("mish", "quick_gelu", "gelu_10", "leaky_relu", "relu2", "linear", "GELU")
        ],
        ({"prune_mode": "topk"}, ["prune_mode 'topk'", "'ltp'", "'bert'"]),
        ({"pruned_heads": {"0": [1]}}, ["pruned_heads {'0': [1]}", "remove pruned_heads"]),
        ({"quantization_config": {"load_in_8bit": True}}, ["quantization_config", "float"]),
        ({"layer_norm_eps": None}, ["layer_norm_eps", "None"]),
        ({"layer_norm_eps": "1e-12"}, ["layer_norm_eps", "'1e-12'"]),
        ({"layer_norm_eps": -1.0}, ["layer_norm_eps must be positive", "-1.0"]),
        ({"max_position_embeddings": 2**31}, ["position_rows is 2147483648", "no model has more"]),
        ({"pad_token_id": -2}, ["pad_token_id must be 0 or more", "-2"]),
        ({"type_vocab_size": -1}, ["type_vocab_size must be 0 or more", "-1"]),
        ({"type_vocab_size": 0}, ["token_type_embeddings.weight", "type_vocab_size"]),
        ({"type_vocab_size": 3}, ["token_type_embeddings.weight", "[3, 64]", "[2, 64]"]),
        ({"vocab_size": 96}, ["word_embeddings.weight", "[96, 64]", "[90, 64]"]),
        ({"num_hidden_layers": 4}, ["lack bert.encoder.layer.3.attention"]),
        ({"num_hidden_layers": True}, ["num_hidden_layers"]),
        ({"architectures": 3}, ["architectures must be a list of names", "3"]),
        ({"architectures": [3]}, ["architectures must be a list of names", "3"]),
        ({"auto_map": ["x"]}, ["auto_map must be an object", "['x']"]),
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


def test_weights_that_are_none_of_the_familys_are_named(checkpoint: Path) -> None:
    edit_weights(
        checkpoint, lambda state: [state.update({f"x.{n}": state.pop(n)}) for n in [*state]]
    )
    refuses(checkpoint, "lack bert.embeddings.word_embeddings.weight", "they hold x.bert.")


def test_a_weight_that_is_there_by_its_old_name_too_is_refused(checkpoint: Path) -> None:
    name = "bert.embeddings.LayerNorm"
    edit_weights(checkpoint, lambda state: state.update({f"{name}.gamma": torch.ones(64)}))
    refuses(checkpoint, f"{name}.weight twice, also as {name}.gamma")


@pytest.mark.parametrize("dtype", [torch.int8, torch.float8_e4m3fn, torch.complex64])
def test_weights_of_other_types_are_named(checkpoint: Path, dtype: torch.dtype) -> None:
    edit_weights(checkpoint, lambda state: state.update({QUERY: torch.ones(64, 64).to(dtype)}))
    refuses(checkpoint, QUERY, str(dtype), "float weights")


@pytest.mark.parametrize("shape", [(), (2,), (0, 64), (2, 64, 1), (2, 32)], ids=str)
def test_a_classifier_of_a_wrong_shape_is_named(checkpoint: Path, shape: tuple) -> None:
    edit_weights(checkpoint, lambda state: state.update({"classifier.weight": torch.zeros(shape)}))
    refuses(checkpoint, "classifier.weight", str(list(shape)))


def test_a_bias_that_is_missing_is_no_missing_head(checkpoint: Path) -> None:
    edit_weights(checkpoint, lambda state: state.pop("classifier.bias"))
    refuses(checkpoint, "the weights lack classifier.bias")
    with pytest.raises(CheckpointError, match=r"lack classifier\.bias$"):
        load_encoder(checkpoint)


def test_a_classifier_of_several_layers_is_named(checkpoint: Path) -> None:
    def stack(state: dict) -> None:
        for part in ("weight", "bias"):
            state[f"classifier.1.{part}"] = state.pop(f"classifier.{part}")

    edit_weights(checkpoint, stack)
    refuses(checkpoint, "lack classifier.weight", "classifier has several layers (classifier.1.")


def test_a_classifier_without_a_pooler_is_no_missing_head(checkpoint: Path) -> None:
    edit_weights(checkpoint, lambda state: [state.pop(n) for n in [*state] if "pooler" in n])
    refuses(checkpoint, "lack bert.pooler.dense.weight", "of another task, or of another model")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("BertModel", "a bare encoder"),
        ("BertForMaskedLM", "a masked language model"),
        ("BertForPreTraining", "a masked language model"),
        ("BertForNextSentencePrediction", "next-sentence prediction"),
        ("RobertaModel", "a bare encoder"),
        ("RobertaForMaskedLM", "a masked language model"),
        ("DistilBertForMaskedLM", "a masked language model"),
        ("ElectraForPreTraining", "ELECTRA's discriminator"),
    ],
)
@pytest.mark.parametrize("said", [True, False])
def test_a_model_without_a_classification_head_is_told_what_it_is(
    tmp_path: Path, name: str, kind: str, said: bool
) -> None:
    transformers_model(name).save_pretrained(tmp_path)
    if not said:
        edit_config(tmp_path, architectures=None)
    refuses(tmp_path, "lack", "classifier.", f"{kind} and have no classification head", "fine-tune")


@pytest.mark.parametrize("task", ["TokenClassification", "QuestionAnswering", "MultipleChoice"])
@pytest.mark.parametrize("family", ["Bert", "Roberta"])
def test_models_of_other_tasks_are_named_by_their_class(
    tmp_path: Path, family: str, task: str
) -> None:
    transformers_model(f"{family}For{task}").save_pretrained(tmp_path)
    refuses(tmp_path, f"{family}For{task} is not supported", "classification and regression of")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("BertForTokenClassification", "of another task"),
        ("BertForQuestionAnswering", "a model that marks answers in a text"),
        ("RobertaForTokenClassification", "a model of another task"),
        ("RobertaForMultipleChoice", "a model of another task"),
    ],
)
def test_models_of_other_tasks_are_named_by_their_weights(
    tmp_path: Path, name: str, words: str
) -> None:
    transformers_model(name).save_pretrained(tmp_path)
    edit_config(tmp_path, architectures=None)
    refuses(tmp_path, "the weights lack", words)


def transformers_model(name: str) -> transformers.PreTrainedModel:
    """A tiny model of one of transformers' classes."""
    kind = getattr(transformers, name)
    sizes = {"vocab_size": 20, "hidden_size": 16, "intermediate_size": 16}
    config = kind.config_class(
        **sizes, num_hidden_layers=1, num_attention_heads=2, max_position_embeddings=20
    )
    return kind(config)


@pytest.mark.parametrize("problem_type", [["regression"], {}, 5], ids=str)
def test_a_problem_type_that_is_no_text_is_refused(checkpoint: Path, problem_type: object) -> None:
    edit_config(checkpoint, problem_type=problem_type)
    refuses(checkpoint, f"config.json: problem_type {problem_type!r} is unknown; there are single_")


def test_an_embedding_projection_without_a_place_is_refused(tmp_path: Path) -> None:
    save_tiny(tmp_path, "electra", embedding_size=64)
    project = {"weight": torch.zeros(64, 64), "bias": torch.zeros(64)}
    added = {f"electra.embeddings_project.{part}": t for part, t in project.items()}
    edit_weights(tmp_path, lambda state: state.update(added))
    refuses(tmp_path, "electra.embeddings_project.weight", "embedding_size")


MODELS_CODE = {"AutoModelForSequenceClassification": "modeling_x.BertMeanPooling"}


@pytest.mark.parametrize(
    "auto_map", [MODELS_CODE, {"AutoModel": "x.Y"}, {"AutoConfig": "x.Y"}], ids=str
)
def test_a_model_with_code_of_its_own_is_refused(checkpoint: Path, auto_map: dict) -> None:
    edit_config(checkpoint, auto_map=auto_map)
    refuses(checkpoint, *next(iter(auto_map.items())), "never run", "remove auto_map")


def test_a_tokenizers_code_does_not_make_it_another_model(checkpoint: Path) -> None:
    edit_config(checkpoint, auto_map={"AutoTokenizer": ["tokenization_x.Y", None]})
    load_encoder(checkpoint)


@pytest.mark.parametrize(
    "name",
    [
        "BertMeanPoolingForSequenceClassification",
        "GPT2ForSequenceClassification",
        "RobertaForSequenceClassification",
        "BertGenerationEncoder",
        "pipeline",
    ],
)
def test_a_class_that_transformers_does_not_have_for_the_type_is_refused(
    checkpoint: Path, name: str
) -> None:
    edit_config(checkpoint, architectures=[name])
    advice = "write BertForSequenceClassification into config.json"
    refuses(checkpoint, f"{name} is not known as an encoder of model_type 'bert'", advice)


def test_types_of_one_layout_may_name_each_others_class(tmp_path: Path) -> None:
    checkpoint = save_tiny(tmp_path / "checkpoint", "xlm-roberta")
    edit_config(checkpoint, architectures=["RobertaForSequenceClassification"])
    load_encoder(checkpoint)


def test_a_class_of_someones_own_for_several_labels_is_told_what_says_so(checkpoint: Path) -> None:
    edit_config(checkpoint, architectures=["BertForMultiLabelClassification"])
    refuses(
        checkpoint,
        "write BertForSequenceClassification into config.json, and if it gives any number of",
        '"problem_type": "multi_label_classification"',
    )


def test_of_the_released_format_its_codes_classes_are_known(tmp_path: Path) -> None:
    save_released(tmp_path, None)
    for name in ("LTPForSequenceClassification", "PIBertForSequenceClassification"):
        edit_config(tmp_path, architectures=[name])
        load_encoder(tmp_path)
    edit_config(tmp_path, architectures=["BertForSequenceClassification"])
    refuses(
        tmp_path,
        "BertForSequenceClassification is not known as an encoder of model_type 'ltp'",
        "write ",
    )


@pytest.mark.parametrize(
    "architectures",
    [
        None,
        [],
        "BertForSequenceClassification",
        ["TFBertForSequenceClassification"],
        ["FlaxBertForSequenceClassification"],
        ["BertForMaskedLM"],  # as the model was before it was fine-tuned; the head is there
        ["BertForNextSentencePrediction"],
    ],
    ids=str,
)
def test_a_whole_classifier_is_read_whatever_it_began_as(
    checkpoint: Path, architectures: object
) -> None:
    edit_config(checkpoint, architectures=architectures)
    load_encoder(checkpoint)


@pytest.mark.parametrize(
    "name", ["adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"]
)
def test_an_adapter_beside_the_weights_is_refused(checkpoint: Path, name: str) -> None:
    (checkpoint / name).write_text("{}")
    refuses(checkpoint, "an adapter beside the weights", name, "merge_and_unload")


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("tf_model.h5", "from_tf=True"),
        ("flax_model.msgpack", "from_flax=True"),
        ("model.fp16.safetensors", "rename the variant that you mean to model.safetensors"),
        ("pytorch_model.fp16.bin", "rename the variant that you mean to pytorch_model.bin"),
        ("model-00001-of-00002.safetensors", "model.safetensors.index.json is missing"),
        ("pytorch_model-00001-of-00002.bin", "pytorch_model.bin.index.json is missing"),
        ("adapter_model.safetensors", "merge it into the model"),
        ("checkpoint-500/model.safetensors", "name the training run's folder"),
        ("onnx/model.onnx", "the checkpoint that it was exported from"),
        ("openvino_model.xml", "the checkpoint that it was exported from"),
        ("model.gguf", "the checkpoint that it was made from"),
        ("last.ckpt", "state_dict"),
        ("weights.pth", "pytorch_model.bin"),
        ("weights.safetensors", "rename the file that you mean to model.safetensors"),
    ],
)
def test_weights_in_other_files_are_named_with_what_to_do(
    checkpoint: Path, name: str, advice: str
) -> None:
    (checkpoint / name).parent.mkdir(exist_ok=True)
    (checkpoint / "model.safetensors").rename(checkpoint / name)
    refuses(checkpoint, "holds no weights", f"found {name.split('/model.safe')[0]}", advice)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_pointer_in_place_of_the_weights_is_named(checkpoint: Path, name: str) -> None:
    (checkpoint / "model.safetensors").unlink()
    (checkpoint / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\n")
    refuses(checkpoint, name, "Git LFS pointer", "git lfs pull")


def test_a_training_checkpoint_is_told_which_entry_to_save(checkpoint: Path) -> None:
    as_bin(checkpoint, {"state_dict": {QUERY: torch.zeros(64, 64)}, "epoch": 3})
    refuses(checkpoint, "pytorch_model.bin", "dict of tensors", "state_dict, epoch", "alone")


def test_a_byte_order_mark_is_named(checkpoint: Path) -> None:
    file = checkpoint / "config.json"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    refuses(checkpoint, "config.json", "not valid JSON in UTF-8", "byte order mark")


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
        (None, {"prune_mode": True}, ["True", "absolute_threshold", "topk", "null"]),
        ("topk", {"scoring_mode": "max"}, ["scoring_mode 'max'", "mean and mean_norm"]),
        (
            "absolute_threshold",
            {"prune_kwargs": {"scoring_mode": "max"}},
            ["scoring_mode 'max'", "mean and mean_norm"],
        ),
        (
            "absolute_threshold",
            {"model_type": "pibert", "quant_mode": True},
            ["quant_mode: true", "quant_mode: false"],
        ),
        (None, {"model_type": "ibert", "quant_mode": True}, ["quant_mode: true"]),
        ("topk", {"model_type": "ibert"}, ["prune_mode 'topk'", "'ltp'", "'ibert'"]),
        (None, {"hidden_act": "relu"}, ["'relu'", "'gelu' alone"]),
        (None, {"layer_norm_eps": None}, ["layer_norm_eps", "None"]),
        ("threshold", {"token_threshold": "0.4"}, ["token_threshold", "'0.4'"]),
        ("topk", {"token_keep_rate": None}, ["'topk'", "`token_keep_rate`"]),
        ("threshold", {"token_threshold": float("nan")}, ["token_threshold", "nan"]),
        (None, {"hidden_size": None}, ["hidden_size"]),
        (None, {"pad_token_id": None}, ["pad_token_id", "None"]),
        (None, {"pad_token_id": -1}, ["pad_token_id must be 0 or more", "-1"]),
        (None, {"pad_token_id": "x"}, ["pad_token_id", "'x'"]),
        (None, {"prune_mode": ["topk"]}, ["prune_mode ['topk']", "absolute_threshold"]),
        ("topk", {"prune_kwargs": "x"}, ["prune_kwargs must be an object", "'x'"]),
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
