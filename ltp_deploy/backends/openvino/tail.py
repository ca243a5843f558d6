"""What ends an embedding model's graph, so that OpenVINO computes what lies before it in bf16."""

from __future__ import annotations

from typing import Any

import numpy as np

from ltp_deploy.backends.backend import Job


def spread_bf16(model: Any, job: Job) -> None:
    """Put a product with the identity before the pooling of an `ov.Model`, in place.

    OpenVINO's CPU plugin gives bf16 to the operators between its own products. A classifier's head
    is the last of them; an embedding model has none behind its layers, whose sums and norms would
    stay in f32, with a conversion at each operation of ours. The product changes no value, and
    pooling and normalisation after it stay in f32.
    """
    from openvino import opset13 as ops

    embedding = job.config.embedding
    if embedding is None or embedding.dense is not None or job.plan.activations != "bf16":
        return
    kind = "Gather" if job.config.reads_first else "EmbeddingBagOffsets"
    pooling = [op for op in model.get_ordered_ops() if op.get_type_name() == kind][-1]
    identity = np.eye(job.config.hidden_size, dtype=np.float32)
    product = ops.matmul(pooling.input_value(0), ops.constant(identity), False, True)
    product.set_friendly_name("pooled_states")
    pooling.input(0).replace_source_output(product.output(0))
    model.validate_nodes_and_infer_types()
