"""Cases: a seed and what is changed of it. Half of all changed bundles are signed again."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ltp_deploy.bundle.manifest import MANIFEST, MANIFEST_HASH
from tests.fuzz.edits import Edit
from tests.fuzz.mutation import random_edit
from tests.spoil import digest


@dataclass(frozen=True)
class Kind:
    """What is changed, and who reads it.

    Attributes:
        seeds: names of directories to begin from.
        files: what may be changed; those that a seed lacks are left out.
        reader: a name in `tests.fuzz.reader.KINDS`.
        signed: whether the directory is a bundle, with digests.
    """

    seeds: tuple[str, ...]
    files: tuple[str, ...]
    reader: str = "bundle"
    signed: bool = True


# A plugin is machine code, and TorchScript a program: whoever signs one anew may do anything.
KINDS = {
    "manifest": Kind(("cpu", "survivors", "torchscript"), (MANIFEST,)),
    "ir": Kind(("cpu", "survivors"), ("engine.xml",) * 4 + ("engine.bin",)),
    "tokenizer": Kind(("cpu",), ("tokenizer/tokenizer.json",), "tokenizer"),
    "checkpoint": Kind(
        ("checkpoint",),
        ("config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json"),
        "checkpoint",
        signed=False,
    ),
}


@dataclass(frozen=True)
class Case:
    """One changed directory.

    Attributes:
        kind: a name in `KINDS`.
        signed: all hashes are computed anew, so that what was changed is read.
    """

    kind: str
    seed: str
    edits: tuple[Edit, ...]
    signed: bool

    @classmethod
    def random(cls, kind: str, seeds: Mapping[str, Path], number: int, rng: random.Random) -> Case:
        """Every second one is signed again."""
        what = KINDS[kind]
        seed = rng.choice([name for name in what.seeds if name in seeds])
        files = [name for name in what.files if (seeds[seed] / name).is_file()]
        edits = []
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            name = rng.choice(files)
            edits.append(random_edit(rng, name, (seeds[seed] / name).read_bytes()))
        return cls(kind, seed, tuple(edits), number % 2 == 0)

    def write(self, seeds: Mapping[str, Path], directory: Path) -> bool:
        """Make the directory; returns whether anything in it differs from the seed."""
        source = seeds[self.seed]
        shutil.rmtree(directory, ignore_errors=True)
        shutil.copytree(source, directory, copy_function=os.link)
        for edit in self.edits:
            edit.apply(directory)
        changed = any(_differs(source / edit.file, directory / edit.file) for edit in self.edits)
        if self.signed and KINDS[self.kind].signed:
            sign(directory)
        return changed

    def to_json(self) -> dict[str, Any]:
        edits = [edit.to_json() for edit in self.edits]
        return {"kind": self.kind, "seed": self.seed, "edits": edits, "signed": self.signed}

    @classmethod
    def from_json(cls, entries: dict[str, Any]) -> Case:
        edits = tuple(Edit.from_json(edit) for edit in entries["edits"])
        return cls(entries["kind"], entries["seed"], edits, entries["signed"])


def sign(bundle: Path) -> None:
    """Record what the files are now. A manifest that is no JSON any more keeps its digests, and
    gets its own hash alone."""
    manifest = bundle / MANIFEST
    if manifest.is_symlink() or not manifest.is_file() or manifest.stat().st_size > 1 << 20:
        return
    content = manifest.read_bytes()
    try:
        document = json.loads(content)
        changed = False
        for name, entry in document["files"].items():
            path = bundle / name
            if path.is_symlink() or not path.is_file() or path.stat().st_size > 1 << 30:
                continue
            data = path.read_bytes()
            found = {"digest": digest(data), "bytes": len(data)}
            changed |= found != entry
            document["files"][name] = found
        content = json.dumps(document).encode() if changed else content
    except (ValueError, LookupError, TypeError, AttributeError, OSError, RecursionError):
        pass
    _write(manifest, content)
    _write(bundle / MANIFEST_HASH, hashlib.sha256(content).hexdigest().encode())


def _write(path: Path, content: bytes) -> None:
    """Anew: the seed has the same file."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def _differs(one: Path, other: Path) -> bool:
    plain = all(path.is_file() and not path.is_symlink() for path in (one, other))
    if not plain or one.stat().st_size != other.stat().st_size:
        return True
    return one.read_bytes() != other.read_bytes()
