"""`tokenizer.json`, read by the library `tokenizers` alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import tokenizers

from ltp_deploy.bundle.tokenizer import TokenizerRecord
from ltp_deploy.data.long_texts import LongTexts
from ltp_deploy.data.texts import Text
from ltp_deploy.data.tokenizer import Encoded, Tokenizer
from ltp_deploy.errors import BundleError, InputError

FILE = "tokenizer.json"


class JsonTokenizer(Tokenizer):
    """The file that a build wrote, which also says how long texts may be and where they are cut."""

    def __init__(self, folder: Path, record: TokenizerRecord, max_length: int, long: LongTexts):
        try:
            self.tokenizer = tokenizers.Tokenizer.from_file(str(folder / FILE))
        except Exception as error:  # the library raises nothing narrower
            raise BundleError(
                f"tokenizers {tokenizers.__version__} cannot read {folder / FILE}: {error}"
            ) from None
        stored = self.tokenizer.truncation
        assert stored, f"{folder / FILE} says how long texts may be"
        self.token_types = record.token_types
        self.max_length = min(max_length, stored["max_length"])
        self.long = long
        self.tokenizer.encode_special_tokens = record.split_special_tokens
        # Set once: the library cannot change it while another thread tokenizes.
        if long.windows:
            self.tokenizer.no_truncation()
        else:
            self.tokenizer.enable_truncation(self.max_length, direction=stored["direction"])

    def encode(self, texts: list[Text]) -> Iterator[Encoded]:
        for number, encoding in enumerate(self.tokenizer.encode_batch_fast(texts)):
            if self.long.windows and len(encoding) > self.max_length:
                yield self._encoded(self._windows(number, texts[number]))
            else:
                yield self._encoded([encoding], bool(encoding.overflowing))

    def _encoded(self, sequences: list[tokenizers.Encoding], truncated: bool = False) -> Encoded:
        types = [s.type_ids if self.token_types else [0] * len(s) for s in sequences]
        return Encoded([s.ids for s in sequences], types, truncated)

    def _windows(self, number: int, text: Text) -> list[tokenizers.Encoding]:
        """The windows of a text; of a pair, those of its second text, each after the whole first.

        Raises:
            InputError: the first text leaves no room.
        """
        pair = isinstance(text, tuple)
        first, last = (
            self.tokenizer.encode(part, add_special_tokens=False)
            for part in (text if isinstance(text, tuple) else ("", text))
        )
        room = self.max_length - self.tokenizer.num_special_tokens_to_add(pair) - len(first)
        if room < 1:
            raise InputError(
                f"text {number}: {self.max_length - room} tokens stand before every window, and a "
                f"sequence holds {self.max_length}; shorten the first text of the pair"
            )
        last.truncate(room, self.long.overlap(room))
        process = self.tokenizer.post_process
        windows = [last, *last.overflowing]
        return [process(first, window) if pair else process(window) for window in windows]
