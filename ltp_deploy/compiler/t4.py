"""An NVIDIA T4, as the cost model sees it.

`benchmarks/t4_fit.py` fits FLOP/s, bandwidth, launch and dense attention to all figures that NVIDIA
published for BERT-base in TensorRT 8.2 and FasterTransformer, and says how well they are met. The
data sheet's peaks are 65 TFLOP/s in fp16, 130 TOP/s in int8 and 320 GB/s; 70 W do not sustain them.

The rest is published nowhere. A host sync: users of data-dependent shapes report 20 to 30 us. A
request of another shape: TensorRT "needs to allocate/rearrange some resource" (NVIDIA, issue 881
of its repository); 0.1 ms is assumed. This project's attention: counted in instructions of its
kernels for sm_75, for 32 sequences of 384 tokens with scores 0.8 ms at 1.59 GHz and 1.2 ms at 1
GHz, for one of 128 tokens 11 us.
"""

from __future__ import annotations

from dataclasses import replace

from ltp_deploy.compiler.cost import GpuCost

T4 = GpuCost(
    "T4",
    flops=26.4e12,
    bandwidth=150e9,
    attention=20e12,
    launch=6.2e-6,
    sync=30e-6,
    key=85e-9,
    dense_attention=25e12,
    request=100e-6,
)
T4_INT8 = replace(T4, flops=60e12, value_bytes=1)
