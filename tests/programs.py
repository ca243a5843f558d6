"""Programs that tests write."""

from __future__ import annotations

from pathlib import Path


def program(path: Path, text: str) -> Path:
    """A file that can be executed."""
    path.write_text(text)
    path.chmod(0o755)
    return path
