"""Files that the workers of one test run share: whoever needs them first makes them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock


class Once:
    """Directories by their names and keys, each made once in a test run."""

    def __init__(self, root: Path):
        self._root = root
        self._found: dict[str, Path] = {}

    def __call__(self, make: Callable[[Path], object], name: str, *key: object) -> Path:
        """The directory of this name and key, which `make` is given empty and fills.

        Keys are told apart by their `repr`. Where `make` fails the next caller tries again.
        """
        digest = hashlib.sha256(repr(key).encode()).hexdigest()[:12]
        directory = self._root / f"{name}-{digest}"
        if directory.name not in self._found:
            done = directory.with_name(f"{directory.name}.done")
            with FileLock(f"{directory}.lock"):
                if not done.exists():
                    shutil.rmtree(directory, ignore_errors=True)
                    directory.mkdir()
                    make(directory)
                    done.touch()
            self._found[directory.name] = directory
        return self._found[directory.name]
