"""PyTorch's threads on the CPU, which a forked process may lack."""

from __future__ import annotations

import torch

from ltp_deploy.backends.process import inherited
from ltp_deploy.errors import LtpError


def use_threads(threads: int | None) -> None:
    """Have PyTorch compute with so many threads in the whole process; None leaves it as it is.

    In a process that was forked after PyTorch was imported it is one, since OpenMP would wait for
    threads that are in the parent alone, for ever.

    Raises:
        LtpError: more were asked for there.
    """
    if inherited("torch"):
        if threads is not None and threads > 1:
            raise LtpError(
                f"threads={threads}, but this process was forked after PyTorch was imported, whose "
                "threads are in the parent alone; load with threads=1, or start processes by the "
                "method `spawn`"
            )
        threads = 1
    if threads is not None:
        torch.set_num_threads(threads)
