"""Where PyTorch would run the next kernel on a tensor."""

from __future__ import annotations

import torch
from torch import Tensor

from ltp_deploy.cuda.compile import kernels
from ltp_deploy.cuda.kernels import Queue


def queue_of(tensor: Tensor) -> Queue:
    """The tensor's device, PyTorch's current stream there, and kernels compiled for it.

    Raises:
        LtpError: there are no compiled kernels, and none can be made.
    """
    device = tensor.device.index or 0
    stream = torch.cuda.current_stream(tensor.device).cuda_stream
    return Queue(device, stream, kernels(device))
