"""The artifact on disk: a directory with a manifest, hashes, and all that a program needs.

`manifest.json` describes the bundle and holds the SHA-256 of every other file;
`manifest.sha256` holds the manifest's own. Both runtimes (Python and C++) check them before
anything is loaded.
"""

from __future__ import annotations

import hashlib
import json
import platform
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from ltp_deploy.bundle.directory import check_new_directory, new_directory
from ltp_deploy.errors import BundleError

FORMAT = "ltp-deploy bundle"
FORMAT_VERSION = 2
MANIFEST = "manifest.json"
MANIFEST_HASH = "manifest.sha256"


def new_bundle(path: Path, force: bool = False) -> AbstractContextManager[Path]:
    """A temporary directory that becomes the bundle `path`, see `new_directory`."""
    return new_directory(path, force, MANIFEST, "bundle")


def check_new_bundle(path: Path, force: bool) -> None:
    """Raises LtpError where `new_bundle` would."""
    check_new_directory(path.absolute(), force, MANIFEST, "bundle")


def write_manifest(directory: Path, manifest: dict[str, Any]) -> None:
    """Add format, platform and the hashes of all files in `directory`, and write the manifest."""
    files = {
        str(p.relative_to(directory)): {"sha256": file_hash(p), "bytes": p.stat().st_size}
        for p in sorted(directory.rglob("*"))
        if p.is_file() and p.name not in (MANIFEST, MANIFEST_HASH)
    }
    text = json.dumps(
        {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "platform": {"system": platform.system(), "machine": platform.machine()},
            **manifest,
            "files": files,
        },
        indent=2,
        allow_nan=False,
    )
    (directory / MANIFEST).write_text(text + "\n", encoding="utf-8")
    (directory / MANIFEST_HASH).write_text(file_hash(directory / MANIFEST) + "\n")


def read_manifest(path: str | Path) -> dict[str, Any]:
    """Read and check a bundle: format, platform, and the hash of every file.

    Raises:
        BundleError: with the reason and what to do.
    """
    directory = Path(path)
    file = directory / MANIFEST
    if not file.is_file():
        raise BundleError(f"{directory} is not a bundle: it has no {MANIFEST}")
    recorded = directory / MANIFEST_HASH
    if not recorded.is_file() or recorded.read_bytes().strip() != file_hash(file).encode():
        raise BundleError(f"{file} was edited or damaged: its hash is not the recorded one")
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BundleError(f"{file} is not valid JSON: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise BundleError(f"{file} is not the manifest of a bundle")
    if manifest.get("format_version") != FORMAT_VERSION:
        raise BundleError(
            f"{directory} has bundle format {manifest.get('format_version')}, this version reads "
            f"{FORMAT_VERSION}; rebuild it, or install a matching ltp-deploy"
        )
    try:
        _check_entries(file, manifest)
        _check_platform(directory, manifest)
        _check_files(directory, manifest)
    except (AttributeError, KeyError, TypeError) as error:
        raise BundleError(f"{file} holds an entry of a wrong kind: {error}") from error
    return manifest


def _check_entries(file: Path, manifest: dict[str, Any]) -> None:
    for name in ("target", "backend", "precision", "isa", "limits", "versions", "model", "outputs"):
        if name not in manifest:
            raise BundleError(f"{file} has no entry {name!r}; rebuild the bundle")


def _check_platform(directory: Path, manifest: dict[str, Any]) -> None:
    made_for = manifest.get("platform", {})
    here = {"system": platform.system(), "machine": platform.machine()}
    if manifest.get("plugin") and made_for != here:
        raise BundleError(
            f"{directory} was built for {made_for.get('system')} {made_for.get('machine')}, "
            f"this is {here['system']} {here['machine']}; rebuild it here"
        )


def _check_files(directory: Path, manifest: dict[str, Any]) -> None:
    files = manifest.get("files")
    if not isinstance(files, dict):
        raise BundleError(f"{directory / MANIFEST} lists no files")
    names = [
        manifest[key]
        for key in ("engine", "weights", "plugin", "kernels", "tokenizer")
        if manifest.get(key)
    ]
    for name in [*files, *names]:
        inside = (directory / name).resolve()
        if Path(name).is_absolute() or not inside.is_relative_to(directory.resolve()):
            raise BundleError(f"the manifest names {name!r}, which lies outside the bundle")
        if name not in files and name != manifest.get("tokenizer"):
            raise BundleError(f"{directory / MANIFEST} names {name!r}, but lists no hash of it")
    for name, entry in files.items():
        path = directory / name
        if not path.is_file():
            raise BundleError(f"{directory} is incomplete: {name} is missing")
        if path.stat().st_size != entry["bytes"]:
            raise BundleError(
                f"{path} is truncated or edited: {path.stat().st_size} bytes, "
                f"expected {entry['bytes']}"
            )
        if file_hash(path) != entry["sha256"]:
            raise BundleError(f"{path} was edited or damaged: its hash is not the recorded one")


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
