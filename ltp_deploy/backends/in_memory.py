"""The plugin's machine code, loaded from memory."""

from __future__ import annotations

import hashlib
import os
import threading
from contextlib import suppress

from ltp_deploy.bundle.files import BundleFiles, FileName

_EXECUTABLE = 0x10  # MFD_EXEC of Linux 6.3, which may refuse to run other files in memory
_paths: dict[bytes, str] = {}  # by SHA-256
_lock = threading.Lock()


def library_path(files: BundleFiles, name: FileName) -> str:
    """A path at which the linker finds the bundle's library, as it was checked.

    A library is mapped as it is used, and whoever wrote to its file would end the process. So it is
    a file in memory, one for all bundles that bring the same. Where the system has none, or runs
    nothing from there, it is the bundle's own file.
    """
    data = files.file(name).data
    key = hashlib.sha256(data).digest()
    with _lock:
        if key not in _paths:
            _paths[key] = _in_memory(data, name) or str(files.directory / name)
        return _paths[key]


def _in_memory(data: memoryview, name: str) -> str | None:
    """A file in memory, which stays open: the linker takes one path for one library for ever."""
    if not hasattr(os, "memfd_create"):
        return None
    for flags in (os.MFD_CLOEXEC | _EXECUTABLE, os.MFD_CLOEXEC):
        with suppress(OSError):
            descriptor = os.memfd_create(name, flags)
            break
    else:
        return None
    with open(descriptor, "wb", closefd=False) as file:
        file.write(data)
    path = f"/proc/self/fd/{descriptor}"
    if os.access(path, os.X_OK):
        return path
    os.close(descriptor)  # /proc is not mounted
    return None
