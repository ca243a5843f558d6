"""The op outside of PyTorch: name, inputs, outputs and attributes of the ONNX node, which are also
those of the TensorRT plugin."""

NAME = "LtpPrunedAttention"
INPUTS = ("qkv", "offsets", "alive", "lengths")
# `count`, the number of rows carried, is an output of the node only where the others' size depends
# on the data (Survivors).
OUTPUTS = ("context", "kept", "offsets_out", "alive_out", "count")
INTEGERS = ("heads", "mode", "score_length", "keep_first", "carry")
FLOATS = ("threshold",)
