"""Where PyTorch would launch its next kernel on a tensor, for kernels of our own."""

from __future__ import annotations

import torch
from torch import Tensor

from ltp_deploy.cuda.compile import kernels
from ltp_deploy.cuda.kernels import Queue


def queue_of(tensor: Tensor) -> Queue:
    """The device that holds a tensor, PyTorch's current stream on it, and kernels compiled for it.

    Raises:
        LtpError: there are no compiled kernels, and no nvcc to compile them.
    """
    device = tensor.device.index or 0
    stream = torch.cuda.current_stream(tensor.device).cuda_stream
    return Queue(device, stream, kernels(device))
