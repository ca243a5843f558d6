"""Changing bundles as another build, or an attacker, would."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ltp_deploy.bundle.files import PIECE


def rewrite_manifest(bundle: Path, text: str) -> None:
    """Another manifest, with its right hash."""
    path = bundle / "manifest.json"
    path.write_text(text)
    (bundle / "manifest.sha256").write_text(hashlib.sha256(path.read_bytes()).hexdigest())


def edit_manifest(bundle: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    """The manifest after `edit`, with its right hash."""
    manifest = json.loads((bundle / "manifest.json").read_text())
    edit(manifest)
    rewrite_manifest(bundle, json.dumps(manifest))


def digest(content: bytes) -> str:
    """Of a file, as manifests record it."""
    pieces = [content[i : i + PIECE] for i in range(0, len(content), PIECE)]
    return hashlib.sha256(b"".join(hashlib.sha256(p).digest() for p in pieces)).hexdigest()
