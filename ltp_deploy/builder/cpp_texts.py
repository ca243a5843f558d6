"""The checkpoint's tokenizer as models of OpenVINO, by which the C++ runtime reads texts.

openvino-tokenizers converts it. It knows another version of Unicode than the library `tokenizers`,
and folds case where that lowers it, so every character is tried: those that are read otherwise are
listed, for the runtime to refuse. All other texts must be read alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from string import printable
from typing import Any

import numpy as np
import tokenizers

from ltp_deploy.backends.openvino.session import release
from ltp_deploy.backends.reports import import_openvino, no_usage_reports
from ltp_deploy.bundle.files import FileName
from ltp_deploy.bundle.tokenizer import CppTexts, Ir
from ltp_deploy.data.batch import pack
from ltp_deploy.data.texts import Text
from ltp_deploy.data.tokenizer import Tokenized, Tokenizer, first_difference
from ltp_deploy.errors import LtpError, needs

FOLDER = "cpp_texts"
REFUSED = FileName(f"{FOLDER}/refused.txt")
INPUTS = ("texts", "seconds")
OUTPUTS = ("begins", "ends", "input_ids", "token_type_ids", "truncated")
# Planes 0 to 3 without surrogates, and the tags. The others are private, or not assigned.
TRIED = (range(0xD800), range(0xE000, 0x40000), range(0xE0000, 0xE1000))
LAST = 0x10FFFF
CHUNK = 4096  # texts of a request
ROOM = 512  # tokens, which no text of one character fills
# The control characters that BERT's normalizer removes: as the package has them, and all of them.
_CONTROLS = rb"([\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F\p{Cf}])"
_ALL_CONTROLS = rb"([\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F\x{FFFD}\p{Cf}\p{Co}])"
_WITHOUT = "leave --cpp-texts out: the C++ runtime then takes token ids"


def write_cpp_texts(
    tokenizer: Any,
    bundled: Tokenizer,
    token_types: bool,
    texts: Sequence[Text],
    short: int,
    folder: Path,
) -> CppTexts:
    """Convert a tokenizer, compare the result with the bundle's own, and write it.

    Args:
        tokenizer: the checkpoint's, of transformers.
        bundled: the same, as the bundle has it for Python. It is left cut to `short` tokens.
        token_types: whether the model is told the texts of a pair apart.
        texts: what must be read alike, also when cut to `short` tokens.
        folder: the bundle.

    Raises:
        LtpError: openvino-tokenizers is missing or of another release, it cannot convert the
            tokenizer, or what it makes reads a text otherwise.
    """
    if not tokenizer.is_fast:
        raise LtpError(f"the checkpoint's tokenizer exists in Python alone; {_WITHOUT}")
    with openvino_tokenizers("--cpp-texts needs openvino-tokenizers") as package:
        refused = _read_otherwise(package, tokenizer)
        if ordinary := refused.intersection(map(ord, printable)):
            raise LtpError(
                f"openvino-tokenizers reads {chr(min(ordinary))!r} otherwise than the checkpoint's "
                f"tokenizer; {_WITHOUT}"
            )
        read = [text for text in texts if refused.isdisjoint(map(ord, chain(*text)))]
        kinds: dict[int, list[Text]] = {1: [], 2: []}
        for text in read:
            kinds[1 if isinstance(text, str) else 2].append(text)
        readers: dict[int, _Reader] = {}
        for length in (bundled.max_length, short):
            bundled.limit(length)
            for inputs in list(kinds):
                try:
                    reader = _Reader(package, tokenizer, inputs, bundled.max_length)
                    reader.compare(kinds[inputs], bundled, token_types)
                    readers.setdefault(inputs, reader)
                except LtpError:
                    if inputs == 1:
                        raise
                    del kinds[inputs]  # pairs are an extra, and C++ refuses them then
                    readers.pop(inputs, None)
        (folder / FOLDER).mkdir()
        _write_ranges(refused, folder / REFUSED)
        return CppTexts(
            texts=readers[1].save(folder, "texts"),
            pairs=readers[2].save(folder, "pairs") if 2 in readers else None,
            refused=REFUSED,
            version=package.version,
        )


@dataclass(frozen=True)
class Package:
    """openvino-tokenizers and the OpenVINO that it extends."""

    ov: Any
    module: Any

    @property
    def version(self) -> str:
        return ".".join(self.module.__version__.split(".")[:3])

    @property
    def extension(self) -> str:
        """The path of the library with its operators."""
        return str(self.module._ext_path)


@contextmanager
def openvino_tokenizers(what: str) -> Iterator[Package]:
    """The package, which changes classes of OpenVINO when it is imported and used: so that nobody
    else is given its extension, they are changed back afterwards.

    Args:
        what: needs it, for the message where it is missing.

    Raises:
        LtpError: it is missing, or of another release than OpenVINO.
    """
    ov = import_openvino()
    from openvino.frontend.frontend import FrontEnd
    from openvino.utils.node_factory import NodeFactory

    changed = (ov.Core, FrontEnd, NodeFactory)
    before = [kind.__init__ for kind in changed]
    try:
        with needs(what, "cpp-texts"), no_usage_reports():
            import openvino_tokenizers
        package = Package(ov, openvino_tokenizers)
        if package.version != (wanted := release(ov.__version__)):
            raise LtpError(
                f"openvino-tokenizers {package.version} does not work with OpenVINO {wanted}: "
                f"pip install openvino-tokenizers=={wanted}"
            )
        yield package
    finally:
        for kind, init in zip(changed, before, strict=True):
            kind.__init__ = init


class _Reader:
    """A converted tokenizer.

    Args:
        inputs: 1 for single texts, 2 for pairs.
        max_length: tokens at which texts are cut.

    Raises:
        LtpError: it cannot be converted.
    """

    def __init__(self, package: Package, tokenizer: Any, inputs: int, max_length: int):
        self.ov, self.inputs = package.ov, inputs
        try:
            converted = package.module.convert_tokenizer(
                deepcopy(tokenizer), truncation=True, max_length=max_length, number_of_inputs=inputs
            )
            room = max_length - tokenizer.num_special_tokens_to_add(pair=inputs == 2)
            side = tokenizer.truncation_side
            self.model = _packed(package.ov, converted, inputs, room, side)
            core = package.ov.Core()
            core.add_extension(package.extension)
            self.compiled = core.compile_model(self.model, "CPU")
        except Exception as error:  # the package raises many kinds
            raise LtpError(
                "openvino-tokenizers cannot convert the checkpoint's tokenizer: "
                f"{error}; {_WITHOUT}"
            ) from error

    def read(self, texts: Sequence[Text]) -> Tokenized:
        """The texts as packed sequences."""
        columns = [texts] if self.inputs == 1 else list(zip(*texts, strict=True))
        names = INPUTS[: self.inputs]
        found = self.compiled(dict(zip(names, map(list, columns), strict=True)))
        begins, ends, ids, types, truncated = (found[name] for name in OUTPUTS)
        spans = list(zip(begins.tolist(), ends.tolist(), strict=True))
        batch = pack([ids[a:b] for a, b in spans], [types[a:b] for a, b in spans])
        return Tokenized(batch, np.ones(len(spans), np.int64), truncated.astype(bool))

    def compare(self, texts: Sequence[Text], bundled: Tokenizer, token_types: bool) -> None:
        """Refuse a difference to the bundle's own tokenizer.

        Raises:
            LtpError: with the text.
        """
        expected, found = bundled.read(texts), self.read(texts)
        types = found.batch.token_type_ids if token_types else np.zeros_like(found.batch.input_ids)
        difference = first_difference(expected.batch, replace(found.batch, token_type_ids=types))
        if difference is None and (expected.truncated != found.truncated).any():
            number = int(np.argmax(expected.truncated != found.truncated))
            difference = number, "it is cut in one of them alone"
        if difference is not None:
            number, what = difference
            raise LtpError(
                f"openvino-tokenizers reads {texts[number]!r:.80} otherwise than the checkpoint's "
                f"tokenizer: {what}; {_WITHOUT}"
            )

    def save(self, folder: Path, name: str) -> Ir:
        """Write the model into the bundle `folder`."""
        file, weights = (FileName(f"{FOLDER}/{name}.{end}") for end in ("xml", "bin"))
        self.ov.save_model(self.model, folder / file, compress_to_fp16=False)
        return Ir(file, weights)


def _packed(ov: Any, converted: Any, inputs: int, room: int, side: str) -> Any:
    """A converted tokenizer without its padding, and cut by operators of OpenVINO: the tokens of
    text i are begins[i] to ends[i] of `input_ids`, all int32.

    Args:
        room: tokens of a text or pair that fit, without special ones.
        side: where texts are cut, "left" or "right".
    """
    op = ov.opset15
    if len(converted.inputs) != inputs:
        raise LtpError("its pairs are not its single texts with something after them")
    nodes = {node.get_type_name(): node for node in converted.get_ordered_ops()}
    _remove_all_controls(ov, converted)
    cut, combined = nodes["Truncate"], nodes["CombineSegments"]
    spans = [(cut.input_value(3 * i), cut.input_value(3 * i + 1)) for i in range(inputs)]
    lengths = [op.subtract(end, begin) for begin, end in spans]
    kept = _kept(op, lengths, room)
    for i, (begin, end) in enumerate(spans):
        if side == "left":
            begin = op.subtract(end, kept[i]).output(0)
        else:
            end = op.add(begin, kept[i]).output(0)
        for port, output in enumerate((begin, end, cut.input_value(3 * i + 2))):
            for target in cut.output(3 * i + port).get_target_inputs():
                target.replace_source_output(output)
    shorter = [op.greater(*both) for both in zip(lengths, kept, strict=True)]
    truncated = shorter[0] if inputs == 1 else op.logical_or(*shorter)
    found = [*(combined.output(i) for i in (0, 1, 2, 5)), truncated.output(0)]
    results = [op.result(op.convert(output, "i32")) for output in found]
    for result, name in zip(results, OUTPUTS, strict=True):
        result.output(0).get_tensor().set_names({name})
    model = ov.Model(results, converted.get_parameters(), FOLDER)
    for port, name in zip(model.inputs, INPUTS, strict=False):
        port.get_tensor().set_names({name})
    return model


def _kept(op: Any, lengths: list[Any], room: int) -> list[Any]:
    """Tokens of each text that are kept, as the library `tokenizers` has it for the strategy
    "longest first". The package's own operator gives an odd token to the other text of a pair where
    the second is the longer one, and writes into its inputs."""

    def number(value: int) -> Any:
        return op.constant(np.array(value, np.int32))

    if len(lengths) == 1:
        return [op.minimum(lengths[0], number(room))]
    first, second = lengths
    less = op.minimum(op.minimum(first, second), number(room // 2))
    more = op.minimum(op.maximum(first, second), op.subtract(number(room), less))
    longer_first = op.greater(first, second)
    return [op.select(longer_first, more, less), op.select(longer_first, less, more)]


def _remove_all_controls(ov: Any, model: Any) -> None:
    """As BERT's normalizer does: U+FFFD and characters for private use as well."""
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Constant" and node.data.tobytes() == _CONTROLS:
            everything = np.frombuffer(_ALL_CONTROLS, np.uint8)
            ov.utils.replace_node(node, ov.opset15.constant(everything))


def _read_otherwise(package: Package, tokenizer: Any) -> set[int]:
    """The characters that are read otherwise, alone or next to others."""
    reader = _Reader(package, tokenizer, 1, ROOM)
    backend = tokenizers.Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.encode_special_tokens = tokenizer.split_special_tokens
    backend.no_padding()
    backend.enable_truncation(ROOM)
    found: set[int] = set()
    characters = list(chain(*TRIED))
    for start in range(0, len(characters), CHUNK):
        chunk = characters[start : start + CHUNK]
        texts = [f"a{c}b {c} {c}{c}" for c in map(chr, chunk)]
        expected = [encoding.ids for encoding in backend.encode_batch_fast(texts)]
        batch = reader.read(texts).batch
        ends = batch.offsets.tolist()
        ids = batch.input_ids.tolist()
        for character, wanted, begin, end in zip(chunk, expected, ends, ends[1:], strict=False):
            if wanted != ids[begin:end]:
                found.add(character)
    return found


def _write_ranges(characters: set[int], file: Path) -> None:
    """A line for each range of characters: its first and its last one, in hexadecimal. What was not
    tried is among them."""
    refused = np.ones(LAST + 1, bool)
    for tried in TRIED:
        refused[tried.start : tried.stop] = False
    refused[list(characters)] = True
    edges = np.flatnonzero(np.diff(refused, prepend=False, append=False)).tolist()
    ranges = zip(edges[::2], edges[1::2], strict=True)
    file.write_text("".join(f"{first:x} {end - 1:x}\n" for first, end in ranges))
