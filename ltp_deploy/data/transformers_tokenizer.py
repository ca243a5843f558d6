"""A tokenizer as transformers loads it: a checkpoint's own."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ltp_deploy.data.long_texts import LongTexts
from ltp_deploy.data.texts import Text
from ltp_deploy.data.tokenizer import Encoded, Tokenizer
from ltp_deploy.errors import LtpError, how_to_install, needs
from ltp_deploy.model.config import EncoderConfig

# Files that belong to a tokenizer and to nothing else.
_SIGNS = ("tokenizer*", "vocab*", "*.model", "*.codes", "merges.txt", "added_tokens.json")
_COMMON = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)
# Model types of the released code, which took RoBERTa's tokenizers for them.
_LIKE_ROBERTA = ("ltp", "pibert")


def has_tokenizer(checkpoint: Path) -> bool:
    """Whether a checkpoint has files of a tokenizer."""
    return any(path.is_file() for sign in _SIGNS for path in checkpoint.glob(sign))


class TransformersTokenizer(Tokenizer):
    """The tokenizer in a folder, by `AutoTokenizer`. No code of the folder runs.

    Args:
        directory: a checkpoint, or the tokenizer's folder in a bundle.
        max_length: the most tokens of a sequence; the model or the tokenizer may allow fewer.

    Raises:
        LtpError: the folder has no tokenizer, transformers cannot load it, or a package that it
            needs is missing.
    """

    def __init__(self, directory: Path, config: EncoderConfig, max_length: int | None = None):
        if not has_tokenizer(directory):
            raise LtpError(f"{directory} has no tokenizer to read texts with")
        self.tokenizer = _load(directory)
        self.directory = directory
        self.long = LongTexts()
        longest = min(config.max_length, self.tokenizer.model_max_length)
        self.max_length = min(max_length or longest, longest)
        # Models with one row of token types, or none, do not tell the texts of a pair apart.
        self.token_types = (
            config.type_vocab_size > 1 and "token_type_ids" in self.tokenizer.model_input_names
        )

    def encode(self, texts: list[Text]) -> Iterator[Encoded]:
        encoded = self._encoded(texts, truncation=True, max_length=self.max_length)
        for text, ids, types in zip(texts, *encoded, strict=True):
            cut = len(ids) >= self.max_length and len(self._encoded([text])[0][0]) > len(ids)
            yield Encoded([ids], [types], cut)

    def _encoded(self, texts: list[Text], **truncation: Any) -> tuple[list[Any], list[Any]]:
        found = self.tokenizer(
            texts, return_token_type_ids=self.token_types, verbose=False, **truncation
        )
        ids = found["input_ids"]
        types = found["token_type_ids"] if self.token_types else [[0] * len(row) for row in ids]
        return ids, types


def copy_tokenizer(source: Path, destination: Path) -> None:
    """Copy the files that the tokenizer in a folder reads, as they are; none where it has none.

    Raises:
        LtpError: transformers cannot load it, which is how these files are known.
    """
    if not has_tokenizer(source):
        return
    for name in sorted({*_COMMON, *_load(source).vocab_files_names.values()}):
        if (source / name).is_file():
            shutil.copyfile(source / name, destination / name)


def _load(directory: Path) -> Any:
    with needs(f"the tokenizer in {directory} needs transformers", "python-tokenizers"):
        from transformers import AutoConfig, AutoTokenizer
    _check_code(directory)
    _check_packages(directory)
    settings = _read_json(directory / "config.json")
    config = None
    if settings.get("model_type") in _LIKE_ROBERTA:
        config = AutoConfig.for_model("roberta", tokenizer_class=settings.get("tokenizer_class"))
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            directory, config=config, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # transformers raises many kinds
        raise LtpError(f"transformers cannot load the tokenizer in {directory}: {error}") from error
    if getattr(tokenizer, "demojizer", "") is None and tokenizer.normalization:
        raise LtpError(
            f"the tokenizer in {directory} spells emoji out: {how_to_install('python-tokenizers')}"
        )
    return tokenizer


def _check_code(directory: Path) -> None:
    code = _read_json(directory / "tokenizer_config.json").get("auto_map")
    if code:
        raise LtpError(
            f"{directory}/tokenizer_config.json names code of its own, {code}, and no code of a "
            "checkpoint runs; if tokenizer.json reads texts alike, remove `auto_map`"
        )


def _check_packages(directory: Path) -> None:
    """Without sentencepiece, transformers takes a model of it for something else."""
    models = sorted(path.name for path in directory.glob("*.model"))
    needed = models and not (directory / "tokenizer.json").is_file()
    if needed and importlib.util.find_spec("sentencepiece") is None:
        raise LtpError(
            f"{directory} has {models[0]} and no tokenizer.json, and sentencepiece is missing to "
            f"read it: {how_to_install('python-tokenizers')}"
        )


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise LtpError(f"{path} is not valid JSON: {error}") from error
    return found if isinstance(found, dict) else {}
