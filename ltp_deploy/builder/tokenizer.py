"""The checkpoint's tokenizer, put into a bundle and compared with the checkpoint's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ltp_deploy.bundle.files import FolderName
from ltp_deploy.bundle.tokenizer import TokenizerRecord
from ltp_deploy.checkpoint.files import read_config
from ltp_deploy.data.json_tokenizer import FILE
from ltp_deploy.data.probes import PROBES
from ltp_deploy.data.texts import Text
from ltp_deploy.data.tokenizer import Tokenizer, bundled_tokenizer, first_difference
from ltp_deploy.data.transformers_tokenizer import TransformersTokenizer, has_tokenizer
from ltp_deploy.errors import LtpError
from ltp_deploy.model.config import EncoderConfig

FOLDER = FolderName("tokenizer")
SAMPLED = 512  # tokens of the vocabulary that are read one by one
SHORT = 12  # tokens; at this length most texts are cut


def bundle_tokenizer(
    checkpoint: Path,
    bundle: Path,
    config: EncoderConfig,
    max_length: int,
    cpp_texts: bool = False,
) -> TokenizerRecord | None:
    """Write the checkpoint's tokenizer into the bundle; None where the checkpoint has none.

    Args:
        max_length: the most tokens of a sequence that the engine will take.
        cpp_texts: also in the form by which the C++ runtime reads texts.

    Raises:
        LtpError: transformers cannot load it, the bundle's reads a text otherwise, or no text fits
            into `max_length`.
    """
    if not has_tokenizer(checkpoint):
        return None
    own = _own(checkpoint, config)
    if (special := own.tokenizer.num_special_tokens_to_add()) >= max_length:
        raise LtpError(
            f"--max-length {max_length} leaves no room for a text: its tokenizer adds {special} "
            "special tokens; raise it, or build with --no-tokenizer to pass ids"
        )
    (bundle / FOLDER).mkdir()
    record = _write(own, bundle / FOLDER)
    bundled = bundled_tokenizer(bundle, record, config)
    texts = list(_texts(own))
    _compare(own, bundled, texts)
    for tokenizer in (own, bundled):
        tokenizer.limit(SHORT)
    _compare(own, bundled, PROBES)
    if not cpp_texts:
        return record
    from ltp_deploy.builder.cpp_texts import write_cpp_texts

    bundled = bundled_tokenizer(bundle, record, config)
    bundled.limit(max_length)
    converted = write_cpp_texts(own.tokenizer, bundled, record.token_types, texts, SHORT, bundle)
    return replace(record, cpp_texts=converted)


def _own(checkpoint: Path, config: EncoderConfig) -> TransformersTokenizer:
    try:
        return TransformersTokenizer(checkpoint, config)
    except LtpError as error:
        raise LtpError(f"{error}; --no-tokenizer builds an engine for token ids alone") from error


def _write(own: TransformersTokenizer, folder: Path) -> TokenizerRecord:
    """One `tokenizer.json` where the tokenizer is one, else its files."""
    tokenizer = own.tokenizer
    if tokenizer.is_fast:
        backend = type(tokenizer.backend_tokenizer).from_str(tokenizer.backend_tokenizer.to_str())
        backend.no_padding()
        backend.enable_truncation(own.max_length, direction=tokenizer.truncation_side)
        (folder / FILE).write_text(backend.to_str(pretty=True), encoding="utf-8")
    else:
        own.copy_files(folder)
        settings = read_config(own.directory)
        known = {key: settings[key] for key in ("model_type", "tokenizer_class") if key in settings}
        (folder / "config.json").write_text(json.dumps(known) + "\n")
    return TokenizerRecord(
        folder=FOLDER,
        library="tokenizers" if tokenizer.is_fast else "transformers",
        token_types=own.token_types,
        split_special_tokens=bool(tokenizer.split_special_tokens),
        size=len(tokenizer),
        fingerprint=own.fingerprint(),
    )


def _texts(own: TransformersTokenizer) -> Iterator[Text]:
    """Difficult texts, too long ones, tokens from all over the vocabulary, and all added ones."""
    yield from PROBES
    long = "word " * own.max_length
    yield from (long, ("question?", long), (long, "answer."), (long, "other " * own.max_length))
    vocabulary = sorted(own.tokenizer.get_vocab())
    words = [str(word) for word in vocabulary[:: max(1, len(vocabulary) // SAMPLED)]]
    yield from words
    yield " ".join(words)
    yield "".join(words)
    yield (" ".join(words[::2]), " ".join(words[1::2]))
    for added in own.tokenizer.get_added_vocab():
        yield f"a {added} b{added}c{added.lower()}"


def _compare(own: Tokenizer, bundled: Tokenizer, texts: list[Text]) -> None:
    difference = first_difference(own.read(texts).batch, bundled.read(texts).batch)
    if difference is not None:
        number, what = difference
        raise LtpError(
            f"the bundle's tokenizer reads {texts[number]!r:.80} otherwise than the checkpoint's: "
            f"{what}; please report this, and build with --no-tokenizer to pass ids"
        )
