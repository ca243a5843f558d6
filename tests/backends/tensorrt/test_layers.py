"""The layers of an engine are read from TensorRT's build log."""

from ltp_deploy.backends.tensorrt.layers import count_layers, read_layers


def line(name: str, kind: str, reads: str = "", writes: str = "", nodes: str = "") -> str:
    """A layer as TensorRT logs it; `reads` and `writes` are data types, constants are float."""
    inputs, outputs = (
        " ".join(
            f"{{ Name: t{i}, Dimensions: [-1,384], Datatype: {t}, Format: (Linear) Row }},"
            for i, t in enumerate(types.split())
        )
        for types in (reads, writes)
    )
    metadata = "".join(f"[ONNX Layer: {node}]" for node in nodes.split())
    return (
        f"Name: {name}, LayerType: {kind}, Inputs: [ {inputs}], "
        f"Constants: [ {{ Name: w, Dimensions: [1], Datatype: Float }}], Outputs: [ {outputs}], "
        f"TacticName: stub, StreamId: 0, Metadata: {metadata}"
    )


LOG = "\n".join(
    [
        "Layers:",
        "Name: [trainStation1], LayerType: TrainStation, Inputs: [], Outputs: [], TacticValue: 0x0",
        line("a", "runtime_fusion", "Half", "Half", "layers.0.intermediate node_gelu"),
        line("b", "gemm", "Float", "Half", "layers.0.output"),
        line("c", "kgen", "Half Int32", "Half", "layers.0.output node_add layers.0.output_norm"),
        line("d", "PluginV3", "Half Int32", "Half Int32", "layers.0.attention"),
        line("count[DevicetoShapeHostCopy]", "DeviceToShapeHost", "Int32", "Int32"),
        line("__mye6571_0_myl2_0", "shape_call"),
        line("layers.0.output [profile 1]_myl2_1", "gemm", "Half", "Half", "layers.0.output"),
        line("e", "kgen"),
        "",
        "I/O Tensors:",
        " Name: input_ids, IOMode: Input, DataType: Int32",
    ]
)
OPERATORS = {
    "layers.0.intermediate": "Gemm",
    "node_gelu": "Gelu",
    "layers.0.output": "Gemm",
    "node_add": "Add",
    "layers.0.output_norm": "LayerNormalization",
    "layers.0.attention": "LtpPrunedAttention",
}


def test_each_line_of_the_layer_log_is_a_layer() -> None:
    layers = read_layers(["Some other message", LOG])
    assert [layer["kind"] for layer in layers] == [
        "TrainStation",
        "runtime_fusion",
        "gemm",
        "kgen",
        "PluginV3",
        "DeviceToShapeHost",
        "shape_call",
        "gemm",
        "kgen",
    ]
    assert [layer["profile"] for layer in layers] == [0] * 6 + [1] * 3
    assert layers[1] == {
        "name": "a",
        "profile": 0,
        "kind": "runtime_fusion",
        "inputs": ["Half"],
        "outputs": ["Half"],
        "nodes": ["layers.0.intermediate", "node_gelu"],
    }
    assert layers[4]["outputs"] == ["Half", "Int32"]


def test_layers_of_the_first_profile_are_counted_by_kind() -> None:
    counts = count_layers(read_layers([LOG]), OPERATORS)
    assert counts.plugins == 1
    assert counts.host_syncs == 1
    assert counts.products == 2  # the bias after one of them is no product
    assert counts.products_fp16 == 1  # the other reads float32
    assert counts.fused_activations == 1
    assert counts.fused_norms == 1


def test_a_log_without_layers_gives_no_layers() -> None:
    assert read_layers(["Building", "Done"]) == []
