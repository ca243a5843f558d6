"""Graphs around a bundle's OpenVINO engine: other inputs before it, the same answers after it.

A request that the engine must not see gets an answer of no numbers, logits [B, 0]. An operator that
fails would be no safe refusal: with one thread OpenVINO's `infer` returns the answer to the request
before, and says nothing (2026.4.1; `start_async` and `wait` do raise).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ltp_deploy.backends.in_memory import library_path
from ltp_deploy.backends.openvino import OpenVinoEngine
from ltp_deploy.backends.openvino.nodes import PluginNodes
from ltp_deploy.backends.openvino.panels import packed
from ltp_deploy.backends.reports import import_openvino
from ltp_deploy.bundle.files import BundleFiles
from ltp_deploy.bundle.limits import Limits
from ltp_deploy.bundle.manifest import Manifest
from ltp_deploy.model.config import EncoderConfig

ANSWER = "logits"  # of the engine's outputs, and of the graph's
IDS = "packed_input_ids"  # the node of the [T] ids that the engine computes with


@dataclass(frozen=True)
class Front:
    """What makes packed sequences out of a graph's inputs.

    Attributes:
        inputs: the graph's parameters.
        ids, types: nodes [T] of integers: token ids and token types, without padding.
        lengths: a node [B] int64, the tokens of each sequence.
        refusals: nodes of booleans of any shape, true where the request is to be refused for
            another reason than those of `ltp_deploy.data.batch.check`.
    """

    inputs: Sequence[Any]
    ids: Any
    types: Any
    lengths: Any
    refusals: Sequence[Any] = ()


def behind(front: Front, files: BundleFiles, manifest: Manifest) -> Any:
    """The bundle's engine behind a front.

    Returns:
        An `ov.Model` with one output, "logits": [B, outputs] f32, the engine's answers, or [B, 0]
        where the request is refused.
    """
    from openvino import opset13 as ops

    model = _engine(files, manifest)
    accepted = _accepted(front, manifest.model, manifest.limits)
    feeds = _feeds(_harmless(front, accepted), manifest.model)
    for parameter in model.get_parameters():
        name = parameter.output(0).get_any_name()
        feeds[name].set_friendly_name(f"packed_{name}")
        for user in parameter.output(0).get_target_inputs():
            user.replace_source_output(feeds[name].output(0))
    logits = model.output(ANSWER).get_node().input_value(0)
    columns = ops.multiply(ops.convert(accepted, "i64"), _vector(manifest.model.num_labels))
    answer = ops.slice(logits, _vector(0), columns, _vector(1), _vector(1))
    return with_outputs({ANSWER: answer}, front.inputs)


def with_outputs(outputs: dict[str, Any], inputs: Sequence[Any]) -> Any:
    """An `ov.Model` with outputs of these names."""
    from openvino import opset13 as ops

    results = []
    for name, node in outputs.items():
        results.append(ops.result(node))
        results[-1].output(0).get_tensor().set_names({name})
    return import_openvino().Model(results, list(inputs))


def parameter(shape: Sequence[int], kind: str, name: str) -> Any:
    """An input of a graph, -1 for sizes that are not known."""
    from openvino import opset13 as ops

    ov = import_openvino()
    node = ops.parameter(list(shape), getattr(ov.Type, kind))
    node.set_friendly_name(name)
    node.output(0).get_tensor().set_names({name})
    return node


def _engine(files: BundleFiles, manifest: Manifest) -> Any:
    """The bundle's engine as an `ov.Model`, which computes in its own precision."""
    ov, record = import_openvino(), manifest.record(OpenVinoEngine)
    plugin = library_path(files, record.plugin)
    core = ov.Core()
    core.add_extension(plugin)
    weights = ov.Tensor(np.frombuffer(files.file(record.weights).data, np.uint8))
    model = core.read_model(bytes(files.file(record.file).data), weights)
    if manifest.activations == "f32":
        _use_no_bf16(model, PluginNodes(Path(plugin), "f32", record.isa))
    return model


def _use_no_bf16(model: Any, nodes: PluginNodes) -> None:
    """Replace OpenVINO's own matrix products by the plugin's, in place.

    Where the CPU has bf16 OpenVINO computes in it unless it is told otherwise, and who opens the
    graph may not know that it must be told. It begins at its last matrix product: there is none.
    """
    from openvino import opset13 as ops

    for product in model.get_ordered_ops():
        if product.get_type_name() != "MatMul":
            continue
        x, weight = product.input_value(0), np.array(product.input_value(1).get_node().data)
        columns, depth = weight.shape
        panels = ops.constant(packed(weight, np.zeros(columns, np.float32), "f32"))
        shape = {"columns": columns, "depth": depth}
        (linear,) = nodes.create(
            "Linear", [x, panels.output(0)], {"activation": "none", "weights": "f32", **shape}
        )
        for user in product.output(0).get_target_inputs():
            user.replace_source_output(linear)
    model.validate_nodes_and_infer_types()


def _accepted(front: Front, config: EncoderConfig, limits: Limits) -> Any:
    """[1] boolean: whether `ltp_deploy.data.batch.check` would accept the request."""
    from openvino import opset13 as ops

    sequences, tokens = ops.shape_of(front.lengths), ops.shape_of(front.ids)
    bounds = [
        (front.lengths, 1, limits.max_length),
        (front.ids, 0, config.vocab_size - 1),
        (front.types, 0, max(config.type_vocab_size, 1) - 1),
    ]
    bounds += [(sequences, 1, limits.max_batch)] * bool(limits.max_batch)
    bounds += [(tokens, 1, limits.max_tokens)] * bool(limits.max_tokens)
    refusals = list(front.refusals)
    for values, least, most in bounds:
        wide = ops.convert(values, "i64")
        refusals += [ops.less(wide, np.int64(least)), ops.greater(wide, np.int64(most))]
    flat = [ops.reshape(node, _vector(-1), False) for node in refusals]
    return ops.logical_not(ops.reduce_logical_or(ops.concat(flat, 0), _vector(0), True))


def _harmless(front: Front, accepted: Any) -> Front:
    """The request; where it is refused, as many sequences of one token each."""
    from openvino import opset13 as ops

    sequences = ops.shape_of(front.lengths)
    end = ops.select(accepted, ops.shape_of(front.ids), sequences)
    nothing = ops.broadcast(np.int64(0), sequences)

    def tokens(values: Any) -> Any:
        filled = ops.concat([ops.convert(values, "i64"), nothing], 0)
        kept = ops.slice(filled, _vector(0), end, _vector(1), _vector(0))
        return ops.select(accepted, kept, np.int64(0))

    lengths = ops.select(accepted, front.lengths, np.int64(1))
    return Front(front.inputs, tokens(front.ids), tokens(front.types), lengths)


def _feeds(front: Front, config: EncoderConfig) -> dict[str, Any]:
    """All inputs that an engine may ask for, by name, as `PackedBatch.feeds` gives them."""
    from openvino import opset13 as ops

    ends = ops.cumsum(front.lengths, np.int64(0))
    feeds = {
        "input_ids": front.ids,
        "position_ids": _positions(front, ends, config),
        "token_type_ids": front.types,
        "offsets": ops.concat([_vector(0), ends], 0),
    }
    return {name: ops.convert(node, "i32") for name, node in feeds.items()}


def _positions(front: Front, ends: Any, config: EncoderConfig) -> Any:
    """[T] what `ltp_deploy.model.positions` computes."""
    from openvino import opset15 as ops

    zero, tokens = np.int64(0), ops.shape_of(front.ids)
    counted = ops.broadcast(np.int64(1), tokens)
    if config.padding_skips:
        counted = ops.convert(ops.not_equal(front.ids, np.int64(config.pad_token_id)), "i64")
    total = ops.cumsum(counted, zero)
    before = ops.gather(ops.subtract(total, counted), ops.subtract(ends, front.lengths), zero)
    numbers = ops.range(zero, ops.squeeze(tokens, _vector(0)), np.int64(1), "i64")
    sequence = ops.search_sorted(ends, numbers, right_mode=True)
    within = ops.subtract(total, ops.gather(before, sequence, zero))
    return ops.add(ops.multiply(within, counted), np.int64(config.position_start - 1))


def _vector(value: int) -> np.ndarray:
    return np.array([value], np.int64)
