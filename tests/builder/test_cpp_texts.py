"""Texts for C++: what openvino-tokenizers makes of a tokenizer reads texts as that one does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ltp_deploy.backends.reports import import_openvino
from ltp_deploy.builder import cpp_texts
from ltp_deploy.builder.build import build
from ltp_deploy.builder.tokenizer import bundle_tokenizer
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.bundle.tokenizer import TokenizerRecord
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.data.tokenizer import bundled_tokenizer
from ltp_deploy.errors import LtpError
from tests.builder.test_tokenizer import TOKENIZERS
from tests.tiny import save_tiny, save_tokenizer

REASON = "openvino-tokenizers is not installed"
# What the library does not do alike, with the text by which the build finds it.
OTHERWISE = {
    "added tokens": r"'\[user\]'",  # those that are not special
    "split special tokens": r"'\[CLS\] \[SEP\]",
    "vocabulary and merges": '"the film is good',  # bytes that the vocabulary lacks
}


@pytest.fixture
def few_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of two bytes alone are tried, since all of them take ten seconds."""
    pytest.importorskip("openvino_tokenizers", reason=REASON)
    monkeypatch.setattr(cpp_texts, "TRIED", (range(0x500),))


@pytest.fixture
def converted(few_characters: None, tmp_path: Path) -> Callable[..., TokenizerRecord]:
    """(family, what writes the tokenizer, the longest sequence) -> its record in a bundle."""

    def convert(family: str, write: Callable[[Path], None], longest: int) -> TokenizerRecord:
        checkpoint = save_tiny(tmp_path / "checkpoint", family)
        write(checkpoint)
        (tmp_path / "bundle").mkdir()
        config = load_encoder(checkpoint).config
        record = bundle_tokenizer(checkpoint, tmp_path / "bundle", config, longest, cpp_texts=True)
        assert record is not None
        return record

    return convert


@pytest.mark.parametrize("name", sorted(set(TOKENIZERS) - set(OTHERWISE)))
def test_tokenizers_of_every_kind_are_converted(
    name: str, converted: Callable[..., TokenizerRecord], tmp_path: Path
) -> None:
    """The build compares many texts and pairs, whole and cut, or refuses."""
    family, write, longest = TOKENIZERS[name]
    record = converted(family, write, longest)
    assert record.cpp_texts is not None
    assert record.cpp_texts.pairs is not None
    ranges = [line.split() for line in (tmp_path / "bundle" / "cpp_texts" / "refused.txt").open()]
    assert ranges[-1][1] == "10ffff"
    assert all(int(first, 16) <= int(last, 16) for first, last in ranges)


@pytest.mark.parametrize("name", OTHERWISE)
def test_what_reads_texts_otherwise_is_refused_with_the_text(
    name: str, converted: Callable[..., TokenizerRecord]
) -> None:
    family, write, longest = TOKENIZERS[name]
    message = f"reads {OTHERWISE[name]}.*otherwise than the checkpoint's.*leave --cpp-texts out"
    with pytest.raises(LtpError, match=message):
        converted(family, write, longest)


def test_pairs_that_are_read_otherwise_are_left_out(
    converted: Callable[..., TokenizerRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = cpp_texts._kept

    def first_alone(op: Any, lengths: list[Any], room: int) -> list[Any]:
        return kept(op, lengths[:1], room) + lengths[1:]

    monkeypatch.setattr(cpp_texts, "_kept", first_alone)
    record = converted("bert", save_tokenizer, 40)
    assert record.cpp_texts is not None
    assert record.cpp_texts.pairs is None


@pytest.mark.parametrize("room", [0, 1, 4, 5])
def test_texts_are_cut_as_the_library_tokenizers_cuts_them(room: int) -> None:
    """Every pair of lengths, by the operators of OpenVINO."""
    tokenizers = pytest.importorskip("tokenizers")
    ov = import_openvino()
    lengths = np.array([(a, b) for a in range(12) for b in range(12)], np.int32)
    inputs = [ov.opset15.parameter([-1], np.int32) for _ in range(2)]
    model = ov.compile_model(ov.Model(cpp_texts._kept(ov.opset15, inputs, room), inputs), "CPU")
    found = model(list(lengths.T))
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0, "b": 1}, "a"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.enable_truncation(room)
    for i, (first, second) in enumerate(lengths.tolist()):
        ids = tokenizer.encode("a " * first, "b " * second).ids
        assert (ids.count(0), ids.count(1)) == (found[0][i], found[1][i]), (first, second)


def test_the_characters_that_are_read_otherwise_are_found(
    few_characters: None, converted: Callable[..., TokenizerRecord], tmp_path: Path
) -> None:
    """The library makes a final sigma an ordinary one, which the vocabulary here tells apart."""

    def greek(directory: Path) -> None:
        save_tokenizer(directory)
        with (directory / "vocab.txt").open("a") as file:
            file.write("\u03c2\n\u03c3\na\n")

    converted("bert", greek, 40)
    text = (tmp_path / "bundle" / "cpp_texts" / "refused.txt").read_text()
    assert "3c2 3c2\n" in text
    assert text.endswith("500 10ffff\n")  # what was not tried


def test_nobody_else_gets_the_librarys_operators(converted: Callable[..., TokenizerRecord]) -> None:
    ov = import_openvino()
    before = ov.Core.__init__
    converted("bert", save_tokenizer, 40)
    assert ov.Core.__init__ is before


def test_a_missing_or_another_library_is_named(
    bert_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = BuildOptions(cpp_texts=True)
    monkeypatch.setitem(sys.modules, "openvino_tokenizers", None)
    with pytest.raises(LtpError, match="--cpp-texts needs openvino-tokenizers: pip install"):
        build(bert_checkpoint, tmp_path / "out", options)
    fake = type(sys)("openvino_tokenizers")
    fake.__version__ = "2020.1.0.0"
    monkeypatch.setitem(sys.modules, "openvino_tokenizers", fake)
    message = r"openvino-tokenizers 2020.1.0 does not work with .*install openvino-tokenizers==20"
    with pytest.raises(LtpError, match=message):
        build(bert_checkpoint, tmp_path / "out", options)


def test_texts_need_a_tokenizer(bert_checkpoint: Path, tmp_path: Path) -> None:
    options = BuildOptions(cpp_texts=True, tokenizer=False)
    with pytest.raises(LtpError, match="or --no-tokenizer leaves it out"):
        build(bert_checkpoint, tmp_path / "out", options)
    with pytest.raises(LtpError, match="and it has none"):
        build(save_tiny(tmp_path / "none", "bert"), tmp_path / "out", BuildOptions(cpp_texts=True))


def test_python_reads_the_bundle_without_the_library(
    converted: Callable[..., TokenizerRecord], tmp_path: Path
) -> None:
    record = converted("bert", save_tokenizer, 40)
    config = load_encoder(tmp_path / "checkpoint").config
    found = bundled_tokenizer(tmp_path / "bundle", record, config)(["the film"])
    assert found.sequences == 1
