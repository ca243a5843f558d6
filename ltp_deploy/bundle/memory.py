"""Pages of memory that hold a file: mapped from it, or a copy of it."""

from __future__ import annotations

import ctypes
import mmap
import os
from io import FileIO
from pathlib import Path

_READ, _WRITE = mmap.PROT_READ, mmap.PROT_WRITE
_SHARED, _PRIVATE = mmap.MAP_SHARED, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
_HUGE_PAGES = getattr(mmap, "MADV_HUGEPAGE", None)
_MAY_MOVE, _TO_ADDRESS = 1, 2  # MREMAP_MAYMOVE and MREMAP_FIXED of <sys/mman.h>
_FAILED = ctypes.c_void_p(-1).value

_libc = ctypes.CDLL(None, use_errno=True)
_address, _size, _int = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
_libc.mmap.restype = _libc.mremap.restype = _address
_libc.mmap.argtypes = [_address, _size, _int, _int, _int, ctypes.c_long]
_libc.mremap.argtypes = [_address, _size, _size, _int, _address]
_libc.mprotect.argtypes = [_address, _size, _int]
_libc.madvise.argtypes = [_address, _size, _int]
_libc.munmap.argtypes = [_address, _size]


class Memory:
    """`size` bytes at one address, read-only until `release`."""

    def __init__(self, address: int, size: int):
        self.address = address
        self.size = size

    @classmethod
    def mapped(cls, descriptor: int) -> Memory:
        """The pages of an open file. Raises OSError."""
        size = os.fstat(descriptor).st_size
        return cls(_map(size, _READ, _SHARED, descriptor), size)

    @classmethod
    def copied(cls, path: Path) -> Memory:
        """A copy of a file, in large pages where the system has them. Raises OSError."""
        with path.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            copy = cls(_map(size, _READ | _WRITE, _PRIVATE), size)
            try:
                if _HUGE_PAGES is not None:
                    _libc.madvise(copy.address, size, _HUGE_PAGES)  # refusal does no harm
                _fill(copy.data(), file)
                _check(_libc.mprotect(copy.address, size, _READ))
            except BaseException:
                copy.release()
                raise
            return copy

    def data(self) -> memoryview:
        """The bytes, which may be written to only in a copy that is being made."""
        return memoryview((ctypes.c_ubyte * self.size).from_address(self.address)).cast("B")

    def detach(self) -> None:
        """Put a copy in the place of a mapped file, unnoticed by whoever reads it. Raises OSError
        where there is no memory for it."""
        if not self.size:
            return
        copy = _map(self.size, _READ | _WRITE, _PRIVATE)
        ctypes.memmove(copy, self.address, self.size)
        _check(_libc.mprotect(copy, self.size, _READ))
        moved = _libc.mremap(copy, self.size, self.size, _MAY_MOVE | _TO_ADDRESS, self.address)
        _check(-1 if moved == _FAILED else 0)

    def release(self) -> None:
        """Give the pages back."""
        _libc.munmap(self.address, max(self.size, 1))


def _map(size: int, access: int, kind: int, descriptor: int = -1) -> int:
    found = _libc.mmap(None, max(size, 1), access, kind, descriptor, 0)
    _check(-1 if found == _FAILED else 0)
    assert isinstance(found, int)
    return found


def _fill(data: memoryview, file: FileIO) -> None:
    read = 0
    while read < len(data):
        count = file.readinto(data[read:])
        if not count:
            raise OSError(f"{file.name} ends after {read} of {len(data)} bytes")
        read += count


def _check(status: int) -> None:
    if status != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
