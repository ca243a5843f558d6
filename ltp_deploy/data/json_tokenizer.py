"""`tokenizer.json`, read by the library `tokenizers` alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import tokenizers

from ltp_deploy.bundle.files import BundleFiles, FileName
from ltp_deploy.bundle.tokenizer import TokenizerRecord
from ltp_deploy.data.long_texts import LongTexts
from ltp_deploy.data.pieces import encoded_pieces
from ltp_deploy.data.texts import Text
from ltp_deploy.data.tokenizer import Encoded, Tokenizer
from ltp_deploy.errors import BundleError, InputError, LtpError
from ltp_deploy.model.config import EncoderConfig

FILE = "tokenizer.json"
VERSION = tokenizers.__version__


@contextmanager
def _errors_of_library(kind: type[LtpError], what: str) -> Iterator[None]:
    """Around calls of the library, which raises nothing narrower than Exception. Where its own code
    is at fault, as on a file that contradicts itself, it raises not even that."""
    try:
        yield
    except BaseException as error:
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise kind(f"{what}: {error}") from None
        raise


class JsonTokenizer(Tokenizer):
    """The file that a build wrote, which also says how long texts may be and where they are cut."""

    def __init__(self, files: BundleFiles, record: TokenizerRecord, config: EncoderConfig):
        name = FileName(f"{record.folder}/{FILE}")
        path, data = files.directory / name, files.file(name).data
        with _errors_of_library(BundleError, f"tokenizers {VERSION} cannot read {path}"):
            self.tokenizer = tokenizers.Tokenizer.from_buffer(bytes(data))
        stored = self.tokenizer.truncation
        if stored is None:
            raise BundleError(f"{path} does not say how long texts may be; rebuild the bundle")
        super().__init__(config, stored["max_length"])
        self.token_types = record.token_types
        self.tokenizer.encode_special_tokens = record.split_special_tokens

    def limit(self, max_length: int | None, long: LongTexts | None = None) -> None:
        """Before the first text: the library cannot change it while another thread tokenizes."""
        super().limit(max_length, long)
        if self.long.windows:
            self.tokenizer.no_truncation()
        else:
            side = (self.tokenizer.truncation or {})["direction"]
            self.tokenizer.enable_truncation(self.max_length, direction=side)

    def encode(self, texts: list[Text], pieces: bool) -> Iterator[Encoded]:
        # The fast way finds no places of tokens.
        encode = self.tokenizer.encode_batch if pieces else self.tokenizer.encode_batch_fast
        with _errors_of_library(InputError, "the tokenizer cannot read these texts"):
            encodings = encode(texts)
        for number, encoding in enumerate(encodings):
            if self.long.windows and len(encoding) > self.max_length:
                yield self._result(self._windows(number, texts[number]), pieces)
            else:
                yield self._result([encoding], pieces, bool(encoding.overflowing))

    def _result(
        self, sequences: list[tokenizers.Encoding], pieces: bool, truncated: bool = False
    ) -> Encoded:
        types = [s.type_ids if self.token_types else [0] * len(s) for s in sequences]
        named = [encoded_pieces(s) for s in sequences] if pieces else None
        return Encoded([s.ids for s in sequences], types, truncated, named)

    def _windows(self, number: int, text: Text) -> list[tokenizers.Encoding]:
        """The windows of a text; of a pair, those of its second text, each after the whole first.

        Raises:
            InputError: windows have no room for new tokens.
        """
        pair = isinstance(text, tuple)
        first, last = (
            self.tokenizer.encode(part, add_special_tokens=False)
            for part in (text if isinstance(text, tuple) else ("", text))
        )
        before = self.tokenizer.num_special_tokens_to_add(pair) + len(first)
        room = self.max_length - before
        overlap = self.long.overlap(room)
        if room < 1:
            raise InputError(
                f"text {number}: special tokens and the first text are {before} tokens, and a "
                f"window holds {self.max_length}: shorten the first text"
            )
        if overlap >= room:
            raise InputError(
                f"text {number}: its windows hold {room} tokens of it, so two of them cannot share "
                f"{overlap}: lower the stride"
            )
        last.truncate(room, overlap)
        process = self.tokenizer.post_process
        windows = [last, *last.overflowing]
        return [process(first, window) if pair else process(window) for window in windows]
