"""What a manifest says of the tokenizer."""

from __future__ import annotations

from dataclasses import dataclass

from ltp_deploy.bundle.files import FolderName

LIBRARIES = ("tokenizers", "transformers")


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
    """

    folder: FolderName
    library: str
    token_types: bool
    split_special_tokens: bool
    size: int
    fingerprint: str

    def __post_init__(self) -> None:
        if self.library not in LIBRARIES:
            raise ValueError(f"unknown library {self.library!r}")
