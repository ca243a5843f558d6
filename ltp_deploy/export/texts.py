"""The front that reads texts: strings in, by the bundle's tokenizer as models of OpenVINO.

These are the models by which the C++ runtime reads texts (`build --cpp-texts`): compared with the
checkpoint's own tokenizer, and cut where it cuts. The few characters that they read otherwise are
looked for, and a text with one is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ltp_deploy.backends.reports import import_openvino
from ltp_deploy.builder.cpp_texts import INPUTS, openvino_tokenizers
from ltp_deploy.bundle.files import BundleFiles
from ltp_deploy.bundle.tokenizer import CppTexts, Ir
from ltp_deploy.export.graph import Front

_SURROGATES = (0xD800, 0xDFFF)  # no text in UTF-8 has them


def text_front(files: BundleFiles, texts: CppTexts, model: Ir, token_types: bool) -> Front:
    """Inputs [B] of strings: "texts"; for pairs also "seconds".

    Args:
        model: `texts.texts` or `texts.pairs`.
        token_types: whether the engine's tokenizer tells the texts of a pair apart.

    Raises:
        LtpError: openvino-tokenizers is missing or of another release.
    """
    with openvino_tokenizers("texts inside a graph need openvino-tokenizers") as package:
        from openvino_tokenizers.tokenizer_pipeline import RegexNormalizationStep

        core = import_openvino().Core()
        core.add_extension(package.extension)
        weights = np.frombuffer(files.file(model.weights).data, np.uint8)
        graph = core.read_model(bytes(files.file(model.file).data), package.ov.Tensor(weights))
        unwanted = RegexNormalizationStep(_pattern(bytes(files.file(texts.refused).data)), "")
        return _front(graph, unwanted, token_types)


def _front(graph: Any, unwanted: Any, token_types: bool) -> Front:
    from openvino import opset13 as ops

    begins, ends, ids, types = (
        graph.output(name).get_node().input_value(0)
        for name in ("begins", "ends", "input_ids", "token_type_ids")
    )
    refusals = []
    for node in graph.get_ordered_ops():
        if node.get_type_name() == "StringTensorUnpack":
            before = node.outputs()
            after = unwanted.get_ov_subgraph(list(before))
            sizes = [ops.subtract(spans[1], spans[0]) for spans in (before, after)]
            refusals.append(ops.not_equal(*sizes))
    lengths = ops.convert(ops.subtract(ends, begins), "i64")
    if not token_types:
        types = ops.multiply(types, np.int32(0))
    inputs = sorted(
        graph.get_parameters(), key=lambda node: INPUTS.index(node.output(0).get_any_name())
    )
    return Front(inputs, ids, types, lengths, refusals)


def _pattern(ranges: bytes) -> str:
    """A regular expression for the characters of a file of ranges, see `CppTexts.refused`."""
    return "[" + "".join(f"\\x{{{a:x}}}-\\x{{{b:x}}}" for a, b in _ranges(ranges)) + "]"


def _ranges(lines: bytes) -> Iterator[tuple[int, int]]:
    """(first, last) of each range, without surrogates."""
    below, above = _SURROGATES[0] - 1, _SURROGATES[1] + 1
    for line in lines.splitlines():
        first, last = (int(number, 16) for number in line.split())
        if first <= below:
            yield first, min(last, below)
        if last >= above:
            yield max(first, above), last
