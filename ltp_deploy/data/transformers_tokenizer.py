"""A tokenizer as transformers loads it: a checkpoint's own."""

from __future__ import annotations

import codecs
import importlib.util
import logging
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ltp_deploy.bundle.document import parse
from ltp_deploy.bundle.mapping import MappedFile
from ltp_deploy.data.own_files import check_own, check_stored
from ltp_deploy.data.pieces import Piece, encoded_pieces, named_pieces
from ltp_deploy.data.texts import Text
from ltp_deploy.data.tokenizer import Encoded, Tokenizer
from ltp_deploy.errors import LtpError, how_to_install, needs
from ltp_deploy.model.config import EncoderConfig

# Files that belong to a tokenizer and to nothing else.
_SIGNS = (
    *("tokenizer*", "vocab*", "*.model", "*.codes", "merges.txt"),
    *("added_tokens.json", "special_tokens_map.json"),
)
READING = "sentence_bert_config.json"  # how sentence-transformers reads texts
# Model types of the released code, which took RoBERTa's tokenizers for them.
_LIKE_ROBERTA = ("ltp", "pibert")


def has_tokenizer(checkpoint: Path) -> bool:
    """Whether a checkpoint has files of a tokenizer."""
    return any(path.is_file() for sign in _SIGNS for path in checkpoint.glob(sign))


class TransformersTokenizer(Tokenizer):
    """The tokenizer in a folder, by `AutoTokenizer`. No code of the folder runs.

    Args:
        directory: a checkpoint, or a copy of the tokenizer's folder in a bundle.
        max_length: the most tokens of a sequence; the model or the tokenizer may allow fewer.

    Attributes:
        folder: the directory, where it is to last as long as the tokenizer.

    Raises:
        LtpError: the folder has no tokenizer, transformers cannot load it, or a package that it
            needs is missing.
    """

    folder: tempfile.TemporaryDirectory[str] | None = None

    def __init__(self, directory: Path, config: EncoderConfig, max_length: int | None = None):
        if not has_tokenizer(directory):
            raise LtpError(f"{directory} has no tokenizer to read texts with")
        self.directory = directory
        self.tokenizer = _load(directory)
        # It warns of every pair that is cut, which the result says.
        logging.getLogger("transformers.tokenization_python").setLevel(logging.ERROR)
        super().__init__(config, _max_length(self.tokenizer, directory))
        self.limit(_longest_embedded(directory, self.tokenizer))
        self.limit(max_length)
        # Models with one row of token types, or none, do not tell the texts of a pair apart.
        self.token_types = (
            config.type_vocab_size > 1 and "token_type_ids" in self.tokenizer.model_input_names
        )

    def _read(self, texts: list[Text]) -> Any:
        try:
            return self.tokenizer(
                texts,
                truncation=True,
                max_length=self.max_length,
                return_token_type_ids=self.token_types,
                verbose=False,
            )
        except Exception as error:  # transformers raises many kinds
            raise LtpError(
                f"the tokenizer in {self.directory} cannot read texts: {error}"
            ) from error

    def encode(self, texts: list[Text], pieces: bool) -> Iterator[Encoded]:
        found = self._read(texts)
        for i, ids in enumerate(found["input_ids"]):
            types = found["token_type_ids"][i] if self.token_types else [0] * len(ids)
            named = [self._pieces(found, i)] if pieces else None
            yield Encoded([ids], [types], self._is_cut(texts[i], found, i), named)

    def copy_files(self, destination: Path) -> None:
        """Copy the files that it reads, as they are."""
        _copy_files(self.tokenizer, self.directory, destination)

    def _pieces(self, found: Any, number: int) -> list[Piece]:
        if self.tokenizer.is_fast:
            return encoded_pieces(found.encodings[number])
        ids = found["input_ids"][number]
        special = self.tokenizer.get_special_tokens_mask(ids, already_has_special_tokens=True)
        return named_pieces(self.tokenizer.convert_ids_to_tokens(ids), special)

    def _is_cut(self, text: Text, found: Any, number: int) -> bool:
        """Whether a text is longer than what was read of it."""
        if self.tokenizer.is_fast:
            return bool(found.encodings[number].overflowing)
        length = len(found["input_ids"][number])
        if length < self.max_length:
            return False
        return len(self.tokenizer([text], verbose=False)["input_ids"][0]) > length


def _max_length(tokenizer: Any, directory: Path) -> int:
    """`model_max_length`, which is huge where nobody has set it."""
    value = tokenizer.model_max_length
    if not isinstance(value, int | float) or value < 1 or value != value // 1:
        raise LtpError(
            f"{directory}/tokenizer_config.json: model_max_length is {value!r}, which is no number "
            "of tokens"
        )
    return int(value)


def _longest_embedded(directory: Path, tokenizer: Any) -> int | None:
    """The most tokens that sentence-transformers reads, where it says so.

    Raises:
        LtpError: it puts texts into small letters that the tokenizer does not, or says no number.
    """
    settings = _read_json(directory / READING)
    length = settings.get("max_seq_length")
    if length is not None and (
        isinstance(length, bool) or not isinstance(length, int) or length < 1
    ):
        raise LtpError(f"{directory / READING}: max_seq_length is {length!r}, no number of tokens")
    if settings.get("do_lower_case") and tokenizer("A")["input_ids"] != tokenizer("a")["input_ids"]:
        raise LtpError(
            f"{directory / READING}: do_lower_case is not supported where the tokenizer tells "
            "capitals apart; let the tokenizer itself do it"
        )
    return length


def copied_tokenizer(files: Mapping[str, MappedFile], config: EncoderConfig) -> Tokenizer:
    """The tokenizer whose files are in memory. transformers reads folders, and some tokenizers read
    theirs again later, so that there is a copy as long as the tokenizer lives.

    Args:
        files: by their names in the folder.

    Raises:
        LtpError: see `TransformersTokenizer`.
    """
    folder = tempfile.TemporaryDirectory(prefix="ltp-tokenizer-")
    for name, file in files.items():
        path = Path(folder.name, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.data)
    tokenizer = TransformersTokenizer(Path(folder.name), config)
    tokenizer.folder = folder
    return tokenizer


def copy_tokenizer(source: Path, destination: Path) -> None:
    """Copy the files that the tokenizer in a folder reads, as they are; none where it has none.

    Raises:
        LtpError: transformers cannot load it, which is how these files are known.
    """
    if has_tokenizer(source):
        _copy_files(_load(source), source, destination)


def _copy_files(tokenizer: Any, source: Path, destination: Path) -> None:
    for path in tokenizer_files(source, *tokenizer.vocab_files_names.values()):
        check_own(path, source)
        shutil.copyfile(path, destination / path.name)


def tokenizer_files(directory: Path, *others: str) -> list[Path]:
    """The files of a folder's tokenizer; `others` are names that it alone has."""
    signs = (*others, *_SIGNS, READING)
    return sorted({path for sign in signs for path in directory.glob(sign) if path.is_file()})


def _load(directory: Path) -> Any:
    with needs(f"the tokenizer in {directory} needs transformers", "python-tokenizers"):
        from transformers import AutoConfig, AutoTokenizer
    check_stored(directory.iterdir())
    _check_code(directory)
    settings = _read_json(directory / "config.json")
    config = None
    if settings.get("model_type") in _LIKE_ROBERTA:
        config = AutoConfig.for_model("roberta", tokenizer_class=settings.get("tokenizer_class"))
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            directory, config=config, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # transformers raises many kinds
        _check_packages(directory)
        raise LtpError(f"transformers cannot load the tokenizer in {directory}: {error}") from error
    _check_vocabulary(tokenizer, directory)
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
    """Without sentencepiece, transformers takes a model of it for something else and fails."""
    models = sorted(path.name for path in directory.glob("*.model"))
    if models and importlib.util.find_spec("sentencepiece") is None:
        raise LtpError(
            f"{directory} has {models[0]} for a tokenizer, and sentencepiece is missing to "
            f"read it: {how_to_install('python-tokenizers')}"
        )


def _check_vocabulary(tokenizer: Any, directory: Path) -> None:
    """Without its files a class of transformers knows its special tokens and nothing else."""
    known = set(tokenizer.get_vocab())
    if known <= {*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()}:
        wanted = sorted({"tokenizer.json", *tokenizer.vocab_files_names.values()})
        there = sorted({path.name for sign in _SIGNS for path in directory.glob(sign)})
        raise LtpError(
            f"the tokenizer in {directory} knows no words: its class {type(tokenizer).__name__} "
            f"reads {', '.join(wanted)}, and there are {', '.join(there)}; add the vocabulary, or "
            "name the right tokenizer_class in tokenizer_config.json"
        )


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        found = parse(path.read_bytes().removeprefix(codecs.BOM_UTF8), foreign=True)
    except ValueError as error:
        raise LtpError(f"{path} is not valid JSON: {error}") from error
    return found if isinstance(found, dict) else {}
