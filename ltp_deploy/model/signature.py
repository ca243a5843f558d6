"""The op's signature, for PyTorch's operator, the ONNX node and the TensorRT plugin alike.

All three have the same inputs and attributes in the same order. This module needs no torch, so
that a TensorRT runtime can import it. What each argument means is said in
`ltp_deploy.model.reference.packed_reference`.
"""

from __future__ import annotations

# The type of the ONNX node and of the TensorRT plugin.
NAME = "LtpPrunedAttention"

# Tensors that go in; each layer's rule, as constants with their types; tensors that come out.
INPUTS = ("qkv", "offsets", "alive", "lengths")
ATTRIBUTES: dict[str, type[int] | type[float] | type[bool]] = {
    "heads": int,
    "mode": int,
    "threshold": float,
    "score_length": int,
    "keep_first": bool,
    "carry": int,
}
RESULTS = ("context", "kept", "offsets_out", "alive_out")

# The arguments of PyTorch's operator, in its order.
ARGUMENTS = (*INPUTS, *ATTRIBUTES)

# The outputs of the node and the plugin. `count`, the number of rows carried, is there only where
# the size of the others depends on the data (`Carry.SURVIVORS`).
OUTPUTS = (*RESULTS, "count")

# The tensors that hold floating-point values; all others are int32.
FLOATING = frozenset({"qkv", "context"})

# What the node says besides, and no answer depends on: of 1000 rows that enter, those that a
# typical request hands on. TensorRT tunes what follows for so many.
EXPECTED = "expected_per_mille"

# The node's attributes by type: ONNX and TensorRT have no bool, which becomes an integer.
INTEGERS = tuple(name for name, kind in ATTRIBUTES.items() if kind is not float)
FLOATS = tuple(name for name, kind in ATTRIBUTES.items() if kind is float)
