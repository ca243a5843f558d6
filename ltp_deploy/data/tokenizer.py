"""The checkpoint's own tokenizer: copied into bundles, loaded with transformers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from ltp_deploy.data.batch import PackedBatch, pack
from ltp_deploy.errors import InputError, LtpError
from ltp_deploy.model.config import EncoderConfig

VOCABULARIES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "sentencepiece.bpe.model",
    "spiece.model",
)
FILES = (
    *VOCABULARIES,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "merges.txt",
)


def copy_tokenizer(checkpoint: Path, destination: Path, family: str) -> bool:
    """Copy the tokenizer into a new folder; false where the checkpoint has none.

    The model type goes with it, since transformers needs it where the files name no class.
    """
    if not any((checkpoint / name).is_file() for name in VOCABULARIES):
        return False
    destination.mkdir()
    copy_tokenizer_files(checkpoint, destination)
    if family != "ltp":  # which transformers does not know
        (destination / "config.json").write_text(json.dumps({"model_type": family}) + "\n")
    return True


def copy_tokenizer_files(checkpoint: Path, destination: Path) -> None:
    """Copy whatever tokenizer files there are."""
    for name in FILES:
        if (checkpoint / name).is_file():
            shutil.copyfile(checkpoint / name, destination / name)


class Tokenizer:
    """Texts, or pairs of texts, to a packed batch for the model that `config` describes.

    Raises:
        LtpError: transformers cannot load the tokenizer in `directory`.
    """

    def __init__(self, directory: Path, config: EncoderConfig):
        from transformers import AutoTokenizer

        try:
            self.tokenizer = AutoTokenizer.from_pretrained(
                directory, local_files_only=True, trust_remote_code=False
            )
        except Exception as error:  # transformers raises many kinds
            raise LtpError(
                f"transformers cannot load the tokenizer in {directory}: {error}"
            ) from error
        self.config = config

    def __call__(
        self, texts: str | tuple[str, str] | Sequence[str | tuple[str, str]]
    ) -> PackedBatch:
        if isinstance(texts, str | tuple):
            texts = [texts]
        if not isinstance(texts, Iterable):
            raise InputError(f"texts must be a list of strings, found {type(texts).__name__}")
        texts = list(texts)
        for i, text in enumerate(texts):
            pair = isinstance(text, tuple) and len(text) == 2
            if not all(isinstance(part, str) for part in (text if pair else (text,))):
                raise InputError(f"text {i} must be a string or a pair of strings, found {text!r}")
        if not texts:
            return pack([])
        typed = self.config.type_vocab_size > 1  # others do not tell a pair's texts apart
        encoded = self.tokenizer(
            texts,
            truncation=True,
            max_length=self.config.max_length,
            return_token_type_ids=typed,
        )
        return pack(encoded["input_ids"], encoded["token_type_ids"] if typed else None)
