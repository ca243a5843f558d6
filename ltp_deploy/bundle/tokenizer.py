"""What a manifest says of the tokenizer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ltp_deploy.bundle.files import FileName, FolderName


@dataclass(frozen=True)
class Ir:
    """A model as OpenVINO reads it."""

    file: FileName
    weights: FileName


@dataclass(frozen=True)
class CppTexts:
    """The tokenizer as models of OpenVINO, which the C++ runtime reads texts with.

    Attributes:
        texts: for single texts.
        pairs: for pairs of texts, None where they are read otherwise than in Python.
        refused: the characters that are read otherwise, as a line of two hexadecimal numbers for
            each range.
        version: of openvino-tokenizers, whose operators they have.
    """

    texts: Ir
    pairs: Ir | None
    refused: FileName
    version: str


@dataclass(frozen=True)
class TokenizerRecord:
    """The tokenizer that a bundle carries.

    Attributes:
        folder: where it lies: `tokenizer.json` for the library `tokenizers`; for `transformers`,
            which runs tokenizers that exist in Python alone, the checkpoint's own files.
        library: what reads it.
        token_types: whether it tells the texts of a pair apart; otherwise all types are 0.
        split_special_tokens: special tokens in texts are read as ordinary characters.
        size: of its vocabulary. Where the model's is smaller, the tokens beyond are refused.
        fingerprint: see `Tokenizer.fingerprint`.
        cpp_texts: the same for C++, None where the build was not asked for it.
    """

    folder: FolderName
    library: Literal["tokenizers", "transformers"]
    token_types: bool
    split_special_tokens: bool
    size: int
    fingerprint: str
    cpp_texts: CppTexts | None = None
