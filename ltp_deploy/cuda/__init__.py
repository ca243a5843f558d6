"""CUDA from Python: memory, streams, and the kernels of `plugins/cuda`."""
