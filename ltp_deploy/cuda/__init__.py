"""CUDA from Python: memory, streams, and launches of the kernels in `plugins/cuda`."""
