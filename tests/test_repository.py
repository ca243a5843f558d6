"""What git tracks: files with plain names and of moderate size."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PLAIN_NAME = re.compile(r"[A-Za-z0-9._/+@-]+")
LARGEST = 200_000  # bytes
MAY_BE_LARGER = ("docs/*.svg", "docs/results/*", "benchmarks/results/*")


def faults(sizes: Mapping[str, int]) -> list[str]:
    """What is wrong with files of these names (relative to the root) and sizes in bytes."""
    found = []
    for name, size in sizes.items():
        if not PLAIN_NAME.fullmatch(name):
            found.append(f"{name!r}: a name has letters, digits and ._/+@- only")
        if size > LARGEST and not any(fnmatch(name, place) for place in MAY_BE_LARGER):
            found.append(f"{name!r}: {size} bytes, more than {LARGEST}")
    return found


def test_tracked_files_have_plain_names_and_moderate_sizes() -> None:
    if not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout")
    command = ["git", "ls-files", "-z"]
    listing = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    paths = {name: ROOT / name for name in listing.split("\0") if name}
    assert "tests/test_repository.py" in paths
    sizes = {name: path.lstat().st_size for name, path in paths.items() if path.exists()}
    assert faults(sizes) == []


@pytest.mark.parametrize(
    ("name", "size", "count"),
    [
        ("ltp_deploy/cuda/op.py", 10_000, 0),
        ("<_io.BytesIO object at 0x7f54d5f99350>", 134_306, 1),
        ("docs/größe.md", 10, 1),
        ("line\nbreak", 10, 1),
        ("tests/weights.safetensors", LARGEST, 0),
        ("tests/weights.safetensors", LARGEST + 1, 1),
        ("docs/speed.svg", LARGEST + 1, 0),
        ("benchmarks/results/learning/imdb-0.json", LARGEST + 1, 0),
        ("docs/page two.md", LARGEST + 1, 2),
    ],
)
def test_odd_names_and_large_files_are_found(name: str, size: int, count: int) -> None:
    assert len(faults({name: size})) == count
