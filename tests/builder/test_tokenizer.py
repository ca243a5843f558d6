"""The tokenizer in a bundle reads texts as transformers does with the checkpoint's."""

import importlib.util
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from ltp_deploy.builder.build import build
from ltp_deploy.builder.tokenizer import bundle_tokenizer
from ltp_deploy.bundle.tokenizer import TokenizerRecord
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.data.long_texts import LongTexts
from ltp_deploy.data.tokenizer import (
    Tokenizer,
    bundled_tokenizer,
    first_difference,
    open_tokenizer,
)
from ltp_deploy.errors import BundleError, InputError, LtpError
from ltp_deploy.model.config import EncoderConfig
from ltp_deploy.runtime.engine import load
from tests.tiny import save_tiny, save_tokenizer

MISSING = "sentencepiece"
TEXTS = [
    "the film was very good .",
    "The Film is GOOD",
    "",
    ("the film is good", "a dull film is not good ."),
    ["a film", "bad"],
    "bad " + "the film was very good . " * 20,
    ("the " * 40, "film " * 40),
]


def write_json(path: Path, **entries: object) -> None:
    known = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**known, **entries}))


def wordpiece(directory: Path, **settings: object) -> None:
    save_tokenizer(directory)
    (directory / "tokenizer_config.json").write_text(json.dumps(settings))


def byte_pairs(directory: Path) -> None:
    words = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *"abcdefghijklmnopqrstuvwxyz.", "\u0120"]
    words += ["\u0120t", "\u0120f", "th", "\u0120th", "\u0120the"]
    vocabulary = json.dumps({word: i for i, word in enumerate(words)})
    (directory / "vocab.json").write_text(vocabulary)
    merges = "#version: 0.2\n\u0120 t\n\u0120t h\n\u0120th e\n\u0120 f\n"
    (directory / "merges.txt").write_text(merges)


def class_in_config(directory: Path) -> None:
    """A RoBERTa body with a WordPiece vocabulary, which config.json alone says."""
    wordpiece(directory, do_lower_case=False)
    write_json(directory / "config.json", tokenizer_class="BertTokenizer")


def serialized(directory: Path) -> None:
    """tokenizer.json alone, with padding and a truncation of its own."""
    wordpiece(directory, tokenizer_class="BertTokenizer")
    AutoTokenizer.from_pretrained(directory).save_pretrained(directory)
    for name in ("vocab.txt", "tokenizer_config.json"):
        (directory / name).unlink()
    write_json(
        directory / "tokenizer.json",
        truncation={
            "direction": "Right",
            "max_length": 9,
            "strategy": "LongestFirst",
            "stride": 0,
        },
        padding={
            "strategy": {"Fixed": 16},
            "direction": "Right",
            "pad_to_multiple_of": None,
            "pad_id": 0,
            "pad_type_id": 0,
            "pad_token": "[PAD]",
        },
    )


def added_tokens(directory: Path) -> None:
    wordpiece(directory, tokenizer_class="BertTokenizer")
    (directory / "added_tokens.json").write_text('{"[user]": 18, "very good": 19}')


def settings(**entries: object) -> Callable[[Path], None]:
    return lambda directory: wordpiece(directory, **{"tokenizer_class": "BertTokenizer", **entries})


# name: (family, what writes the tokenizer, the longest sequence)
TOKENIZERS: dict[str, tuple[str, Callable[[Path], None], int]] = {
    "class in config.json": ("roberta", class_in_config, 38),
    "no class": ("bert", lambda directory: wordpiece(directory, do_lower_case=True), 40),
    "vocabulary and merges": ("roberta", byte_pairs, 38),
    "tokenizer.json": ("bert", serialized, 40),
    "added tokens": ("bert", added_tokens, 40),
    "no token types": ("bert", settings(model_input_names=["input_ids", "attention_mask"]), 40),
    "another class": ("bert", settings(tokenizer_class="DistilBertTokenizer"), 40),
    "no token types in the model": ("distilbert", settings(), 40),
    "a shorter maximum": ("bert", settings(model_max_length=8), 8),
    "no maximum": ("bert", settings(model_max_length=int(1e30)), 40),
    "left": ("bert", settings(padding_side="left", truncation_side="left"), 40),
    "other special tokens": ("bert", settings(cls_token="the", sep_token="."), 40),
    "split special tokens": ("bert", settings(split_special_tokens=True), 40),
}


def bundled(checkpoint: Path, bundle: Path) -> tuple[EncoderConfig, TokenizerRecord]:
    config = load_encoder(checkpoint).config
    bundle.mkdir(exist_ok=True)
    record = bundle_tokenizer(checkpoint, bundle, config, config.max_length)
    assert record is not None
    return config, record


@pytest.mark.parametrize("name", TOKENIZERS)
def test_texts_are_read_as_by_the_checkpoint(name: str, tmp_path: Path) -> None:
    family, write, longest = TOKENIZERS[name]
    checkpoint = save_tiny(tmp_path / "checkpoint", family)
    write(checkpoint)
    config, record = bundled(checkpoint, tmp_path / "bundle")
    assert record.library == "tokenizers"
    assert [path.name for path in (tmp_path / "bundle").rglob("*.*")] == ["tokenizer.json"]
    found = open_tokenizer(tmp_path / "bundle", record, config).tokenize([*TEXTS, "very good"])
    own = AutoTokenizer.from_pretrained(checkpoint)
    for i, text in enumerate([*TEXTS, "very good"]):
        parts = [text] if isinstance(text, str) else text
        expected = own(*parts, truncation=True, max_length=longest)
        one = found.batch.select([i])
        assert one.input_ids.tolist() == expected["input_ids"]
        types = expected.get("token_type_ids", [0] * len(expected["input_ids"]))
        assert one.token_type_ids.tolist() == (types if record.token_types else [0] * len(types))
        assert found.truncated[i] == (len(own(*parts, verbose=False)["input_ids"]) > longest)
    assert record.token_types == (
        config.type_vocab_size > 1 and "token_type_ids" in own.model_input_names
    )


@pytest.mark.parametrize("class_named", [True, False])
@pytest.mark.parametrize("model_type", ["ltp", "pibert"])
def test_the_released_format_needs_no_class(
    class_named: bool, model_type: str, tmp_path: Path
) -> None:
    """The released code leaves vocab.json and merges.txt, and transformers knows no such model."""
    checkpoint = save_tiny(tmp_path / "checkpoint", "roberta")
    byte_pairs(checkpoint)
    expected = AutoTokenizer.from_pretrained(checkpoint)("the film", "bad")["input_ids"]
    config = load_encoder(checkpoint).config
    write_json(checkpoint / "config.json", model_type=model_type)
    if class_named:
        write_json(checkpoint / "tokenizer_config.json", tokenizer_class="RobertaTokenizer")
    record = bundle_tokenizer(checkpoint, tmp_path, config, 38)
    assert record is not None
    found = open_tokenizer(tmp_path, record, config)([("the film", "bad")])
    assert found.input_ids.tolist() == expected


def python_alone(directory: Path) -> None:
    """BERTweet's layout: files of its own names, a class that exists in Python alone."""
    words = ["the</w>", "film</w>", "g", "o", "d</w>", "t", "h", "e</w>"]
    (directory / "vocab.txt").write_text("".join(f"{word} 1\n" for word in words))
    (directory / "bpe.codes").write_text("t h 5\nth e</w> 4\ng o 3\n")
    (directory / "tokenizer_config.json").write_text('{"model_max_length": 12}')
    write_json(directory / "config.json", tokenizer_class="BertweetTokenizer")


@pytest.fixture
def tweets(tmp_path: Path) -> Path:
    checkpoint = save_tiny(tmp_path / "checkpoint", "roberta")
    python_alone(checkpoint)
    return checkpoint


def test_a_tokenizer_in_python_alone_is_taken_with_its_files(tweets: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    config, record = bundled(tweets, bundle)
    assert record.library == "transformers"
    assert {p.name for p in (bundle / "tokenizer").iterdir()} == {
        "bpe.codes",
        "config.json",
        "tokenizer_config.json",
        "vocab.txt",
    }
    found = open_tokenizer(bundle, record, config).tokenize(["the good film", "the " * 20])
    expected = AutoTokenizer.from_pretrained(tweets)("the good film")["input_ids"]
    assert found.batch.select([0]).input_ids.tolist() == expected
    assert found.batch.lengths[1] == 12
    assert found.truncated.tolist() == [False, True]


def test_packages_that_read_texts_otherwise_are_refused(tweets: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    config, record = bundled(tweets, bundle)
    other = replace(record, fingerprint="0" * 64)
    with pytest.raises(BundleError, match="the packages here read texts otherwise"):
        open_tokenizer(bundle, other, config)


def test_a_missing_package_is_named_at_build(tmp_path: Path, monkeypatch) -> None:
    checkpoint = save_tiny(tmp_path / "checkpoint", "xlm-roberta")
    (checkpoint / "sentencepiece.bpe.model").write_bytes(b"")
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *at: find(name, *at) if name != MISSING else None
    )
    with pytest.raises(LtpError, match=r"sentencepiece is missing to read it: pip install.*--no-t"):
        bundle_tokenizer(checkpoint, tmp_path, load_encoder(checkpoint).config, 38)


def test_emoji_that_a_tokenizer_spells_out_need_a_package(
    tweets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Transformers only warns, and reads them otherwise."""
    write_json(tweets / "tokenizer_config.json", normalization=True)
    monkeypatch.setitem(__import__("sys").modules, "emoji", None)
    with pytest.raises(LtpError, match="spells emoji out: pip install"):
        bundle_tokenizer(tweets, tmp_path, load_encoder(tweets).config, 38)


def test_a_tokenizer_that_differs_is_refused(
    bert_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_other_types(bundle: Path, record: TokenizerRecord, config: EncoderConfig) -> Tokenizer:
        return bundled_tokenizer(bundle, replace(record, token_types=False), config)

    monkeypatch.setattr("ltp_deploy.builder.tokenizer.bundled_tokenizer", with_other_types)
    with pytest.raises(LtpError, match=r"reads .* otherwise than the checkpoint's: token_type_ids"):
        bundle_tokenizer(bert_checkpoint, tmp_path, load_encoder(bert_checkpoint).config, 40)


def test_a_checkpoint_without_a_tokenizer_has_none(tmp_path: Path) -> None:
    checkpoint = save_tiny(tmp_path / "checkpoint", "bert")
    assert bundle_tokenizer(checkpoint, tmp_path, load_encoder(checkpoint).config, 38) is None


@pytest.fixture
def window(bert_checkpoint: Path, tmp_path: Path) -> Callable[..., Tokenizer]:
    config, record = bundled(bert_checkpoint, tmp_path)

    def opened(rule: str, stride: int | None = None, max_length: int = 10) -> Tokenizer:
        return open_tokenizer(tmp_path, record, config, max_length, LongTexts(rule, stride))

    return opened


def test_windows_cover_a_text_and_share_the_stride(window: Callable[..., Tokenizer]) -> None:
    text = " ".join("the a film is was good bad very not dull great".split() * 2)  # 22 tokens
    found = window("window", 2).tokenize(["good", text, ("a", "b")])
    assert found.windows.tolist() == [1, 4, 1]
    assert not found.truncated.any()
    rows = [found.batch.select([i]).input_ids.tolist() for i in range(1, 5)]
    whole = window("truncate", max_length=40)([text]).input_ids.tolist()
    assert all(row[0] == whole[0] and row[-1] == whole[-1] for row in rows)
    assert rows[0][1:-1] == whole[1:9]
    assert rows[1][1:3] == rows[0][-3:-1]
    joined = rows[0][1:-1] + [token for row in rows[1:] for token in row[3:-1]]
    assert joined == whole[1:-1]


def test_the_windows_of_a_pair_begin_with_its_first_text(window: Callable[..., Tokenizer]) -> None:
    found = window("window", 0).tokenize([("the film", "good " * 12)])
    assert found.windows.tolist() == [3]
    heads = {tuple(found.batch.select([i]).input_ids[:4].tolist()) for i in range(3)}
    assert len(heads) == 1
    assert found.batch.select([0]).token_type_ids.tolist() == [0] * 4 + [1] * 6
    with pytest.raises(
        InputError, match="first text are 11 tokens, and a window holds 10: shorten"
    ):
        window("window").tokenize([("the " * 8, "good " * 12)])


@pytest.mark.parametrize("text", ["good " * 20, ("the film is", "good " * 20)])
def test_windows_share_less_than_they_hold(text: object, window: Callable[..., Tokenizer]) -> None:
    room = 8 if isinstance(text, str) else 4
    assert window("window", room - 1).tokenize([text]).windows[0] > 12
    with pytest.raises(InputError, match=f"two of them cannot share {room}: lower the stride"):
        window("window", room).tokenize([text])


def test_long_texts_are_refused_where_that_was_asked(window: Callable[..., Tokenizer]) -> None:
    assert window("refuse")(["good " * 8]).lengths.tolist() == [10]
    with pytest.raises(InputError, match="text 1 has more than 10 tokens"):
        window("refuse")(["good", "good " * 9])


@pytest.mark.parametrize(
    ("rule", "stride"), [("cut", None), ("truncate", 3), ("window", -1), ("window", 2.5)]
)
def test_rules_that_say_nothing_are_refused(rule: str, stride: int | None) -> None:
    with pytest.raises(LtpError, match="long_texts"):
        LongTexts(rule, stride)


def without_vocabulary(directory: Path) -> None:
    """What the class reads is not there: transformers makes a tokenizer of special tokens."""
    (directory / "tokenizer_config.json").write_text("{}")


def of_another_class(directory: Path) -> None:
    save_tokenizer(directory)
    (directory / "tokenizer_config.json").unlink()


@pytest.mark.parametrize(
    ("family", "write", "there"),
    [
        ("bert", without_vocabulary, "tokenizer_config.json"),
        ("roberta", of_another_class, "vocab.txt"),
        ("bert", byte_pairs, "merges.txt, vocab.json"),
    ],
)
def test_a_tokenizer_without_words_is_refused(
    family: str, write: Callable[[Path], None], there: str, tmp_path: Path
) -> None:
    checkpoint = save_tiny(tmp_path / "checkpoint", family)
    write(checkpoint)
    message = rf"knows no words: its class \w+ reads .*, and there are {there}; add the vocabulary"
    with pytest.raises(LtpError, match=message):
        bundle_tokenizer(checkpoint, tmp_path, load_encoder(checkpoint).config, 38)


@pytest.mark.parametrize(
    ("value", "longest"), [(16, 16), (16.0, 16), ("16", None), (-1, None), (0, None), (2.5, None)]
)
def test_the_maximum_of_a_tokenizer_is_a_number_of_tokens(
    value: object, longest: int | None, tmp_path: Path
) -> None:
    checkpoint = save_tiny(tmp_path / "checkpoint", "bert")
    wordpiece(checkpoint, tokenizer_class="BertTokenizer", model_max_length=value)
    config = load_encoder(checkpoint).config
    if longest is None:
        with pytest.raises(LtpError, match=r"model_max_length is .*, which is no number of tokens"):
            bundle_tokenizer(checkpoint, tmp_path, config, 40)
        return
    record = bundle_tokenizer(checkpoint, tmp_path, config, 40)
    assert record is not None
    assert open_tokenizer(tmp_path, record, config)(["film " * 50]).lengths.tolist() == [longest]


def test_a_limit_must_leave_room_for_a_text(bert_checkpoint: Path, tmp_path: Path) -> None:
    config = load_encoder(bert_checkpoint).config
    with pytest.raises(LtpError, match=r"--max-length 2 leaves no room .* adds 2 special tokens"):
        bundle_tokenizer(bert_checkpoint, tmp_path, config, 2)
    record = bundle_tokenizer(bert_checkpoint, tmp_path, config, 3)
    assert record is not None
    assert open_tokenizer(tmp_path, record, config, 3)(["good film"]).lengths.tolist() == [3]


def test_a_vocabulary_without_an_unknown_token_is_refused(tmp_path: Path) -> None:
    checkpoint = save_tiny(tmp_path / "checkpoint", "bert")
    save_tokenizer(checkpoint)
    (checkpoint / "vocab.txt").write_text("[PAD]\n[CLS]\n[SEP]\nfilm\n")
    config = load_encoder(checkpoint).config
    with pytest.raises(LtpError, match=r"the tokenizer in .* cannot read texts: .*UNK"):
        bundle_tokenizer(checkpoint, tmp_path, config, 40)


def test_a_tokenizer_that_is_opened_later_is_the_one_that_was_loaded(
    tweets: Path, tmp_path: Path
) -> None:
    build(tweets, tmp_path / "bundle")
    expected = load(tmp_path / "bundle").tokenize(["the good film"])
    engine = load(tmp_path / "bundle")  # its tokenizer, in Python alone, waits for the first text
    shutil.rmtree(tmp_path / "bundle" / "tokenizer")
    assert first_difference(expected, engine.tokenize(["the good film"])) is None


def test_a_tokenizer_that_sets_no_length_is_refused(bert_checkpoint: Path, tmp_path: Path) -> None:
    config, record = bundled(bert_checkpoint, tmp_path)
    file = tmp_path / "tokenizer" / "tokenizer.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "truncation": None}))
    with pytest.raises(BundleError, match="does not say how long texts may be; rebuild"):
        open_tokenizer(tmp_path, record, config)


def test_a_tokenizer_that_contradicts_itself_is_refused(
    bert_checkpoint: Path, tmp_path: Path
) -> None:
    """The library panics, which is no Exception."""
    config, record = bundled(bert_checkpoint, tmp_path)
    file = tmp_path / "tokenizer" / "tokenizer.json"
    content = json.loads(file.read_text())
    content["post_processor"]["special_tokens"]["[SEP"] = content["post_processor"][
        "special_tokens"
    ].pop("[SEP]")
    file.write_text(json.dumps(content))
    with pytest.raises(BundleError, match=r"the tokenizer of .* cannot be used: the tokenizer can"):
        open_tokenizer(tmp_path, record, config)
