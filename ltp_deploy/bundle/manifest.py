"""The artifact on disk: a directory with a manifest, hashes, and all that a program needs.

`manifest.json` describes the bundle and holds the digest of every other file; `manifest.sha256`
holds the SHA-256 of the manifest. Both runtimes (Python and C++) check them before
anything is loaded.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from ltp_deploy.bundle.directory import check_new_directory, new_directory
from ltp_deploy.bundle.document import parse
from ltp_deploy.bundle.files import BundleFiles, FileEntry, FileName, named_files
from ltp_deploy.bundle.limits import Limits
from ltp_deploy.bundle.options import PRECISIONS, BuildOptions
from ltp_deploy.bundle.plan import PlanRecord
from ltp_deploy.bundle.tokenizer import TokenizerRecord
from ltp_deploy.codec import Malformed, from_json, to_json
from ltp_deploy.errors import BundleError
from ltp_deploy.model.config import EncoderConfig
from ltp_deploy.model.survivors import SurvivorSummary

FORMAT = "ltp-deploy bundle"
FORMAT_VERSION = 3
MANIFEST = FileName("manifest.json")
MANIFEST_HASH = FileName("manifest.sha256")
MAX_BYTES, MAX_HASH_BYTES = 64 << 20, 4096  # of these two: they are read before all else
INPUTS = ("input_ids", "position_ids", "token_type_ids", "offsets")  # of engines, see `feeds`


@dataclass(frozen=True)
class EngineRecord:
    """What a bundle records of its engine. Every backend adds fields of its own."""

    @property
    def native(self) -> bool:
        """Whether the engine needs machine code that the bundle brings along."""
        return False


Record = TypeVar("Record", bound=EngineRecord)


@dataclass(frozen=True)
class Platform:
    """What machine code is for, as `platform.system()` and `platform.machine()` name it."""

    system: str
    machine: str

    @classmethod
    def here(cls) -> Platform:
        return cls(platform.system(), platform.machine())

    def __str__(self) -> str:
        return f"{self.system} {self.machine}"


@dataclass(frozen=True)
class Source:
    """The checkpoint: its folder's name, and the SHA-256 of its config and weights."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Parity:
    """What the build's own check against the oracle found on random sequences.

    Attributes:
        ties: sequences in which a score lies within rounding of its threshold.
        max_logit_difference: the largest, in f32 over the sequences without ties.
    """

    sequences: int
    ties: int
    max_logit_difference: float


@dataclass(frozen=True, kw_only=True)
class Compiled:
    """An engine that a backend compiled: all that is needed to open it.

    Attributes:
        precision: of the matrix products; `activations`: of what flows between operators.
        options: what was asked of the build, every default and choice filled in.
        inputs, outputs: names of the engine's inputs and outputs, in order.
        versions: of the packages that took part, by name.
    """

    target: str
    backend: str
    precision: str
    activations: str
    options: BuildOptions
    model: EncoderConfig
    plan: PlanRecord
    limits: Limits
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    engine: EngineRecord
    versions: Mapping[str, str]

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS or self.activations not in PRECISIONS:
            raise ValueError(f"unknown precisions {self.precision!r} and {self.activations!r}")
        if len(self.plan.layers) != self.model.layers:
            raise ValueError(f"a plan of {len(self.plan.layers)} layers for {self.model.layers}")
        if self.limits.max_length > self.model.max_length:
            raise ValueError(
                f"a limit of {self.limits.max_length} tokens, and the model takes "
                f"{self.model.max_length}"
            )
        unknown = set(self.inputs) - set(INPUTS)
        if unknown:
            raise ValueError(f"unknown inputs {sorted(unknown)}; known are {', '.join(INPUTS)}")

    def record(self, kind: type[Record]) -> Record:
        """The backend's own record of the engine."""
        assert isinstance(self.engine, kind), f"{self.backend} has no {kind.__name__}"
        return self.engine

    def version(self, package: str) -> str:
        """The release of a package that took part.

        Raises:
            BundleError: the manifest names none.
        """
        if package not in self.versions:
            raise BundleError(f"the manifest has no entry `versions.{package}`; rebuild the bundle")
        return self.versions[package]


@dataclass(frozen=True, kw_only=True)
class Manifest(Compiled):
    """What `manifest.json` says.

    Attributes:
        tokenizer: None where the checkpoint has none, or the build left it out.
        calibration: the file that the build was calibrated by.
        profile: the survivors on the texts that the plan rests on; None where nothing was measured.
        parity: None where the engine could not be run on the machine that built it.
        files: every file of the bundle but the manifest and its hash.
    """

    source: Source
    tokenizer: TokenizerRecord | None
    calibration: FileName | None
    profile: SurvivorSummary | None
    parity: Parity | None
    platform: Platform = field(default_factory=Platform.here)
    files: Mapping[FileName, FileEntry] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.profile is not None and len(self.profile.kept) != self.model.layers:
            raise ValueError(
                f"a profile of {len(self.profile.kept)} layers for {self.model.layers}"
            )


def new_bundle(path: Path, force: bool = False) -> AbstractContextManager[Path]:
    """A temporary directory that becomes the bundle `path`, see `new_directory`."""
    return new_directory(path, force, MANIFEST, "bundle")


def check_new_bundle(path: Path, force: bool) -> None:
    """Raises LtpError where `new_bundle` would."""
    check_new_directory(path.absolute(), force, MANIFEST, "bundle")


def write_manifest(directory: Path, manifest: Manifest) -> Manifest:
    """Write the manifest with the digests of all files in `directory`; returns it with them."""
    complete = replace(
        manifest, files=BundleFiles(directory).listing(without=(MANIFEST, MANIFEST_HASH))
    )
    document = {"format": FORMAT, "format_version": FORMAT_VERSION, **to_json(complete)}
    text = json.dumps(document, indent=2, allow_nan=False)
    encoded = f"{text}\n".encode()
    (directory / MANIFEST).write_bytes(encoded)
    (directory / MANIFEST_HASH).write_text(hashlib.sha256(encoded).hexdigest() + "\n")
    return complete


def bundle_digest(bundle: str | Path | BundleFiles) -> str:
    """What tells one bundle from another: the SHA-256 of its manifest, which has the digests of all
    its other files.

    Raises:
        BundleError: there is no manifest, or it cannot be read.
    """
    files = BundleFiles.of(bundle)
    return hashlib.sha256(files.file(MANIFEST, MAX_BYTES).data).hexdigest()


def read_manifest(files: BundleFiles, record_of: Callable[[str], type[EngineRecord]]) -> Manifest:
    """Read and check a bundle: format, every entry, platform, and the digest of every file.

    Args:
        record_of: the record that a backend writes, by the backend's name.

    Raises:
        BundleError: with the reason and what to do.
    """
    directory = files.directory
    file = directory / MANIFEST
    document = _read_document(files)
    try:
        if not isinstance(document.get("backend"), str):
            raise Malformed("it names no `backend`")
        kind = record_of(document["backend"])
        engine = from_json(kind, document.get("engine"), "engine")
        manifest = from_json(Manifest, document, engine=engine)
    except Malformed as error:
        raise BundleError(f"{file} cannot be used: {error}; rebuild the bundle") from None
    if manifest.engine.native and manifest.platform != Platform.here():
        raise BundleError(
            f"{directory} was built for {manifest.platform}, this is {Platform.here()}; "
            "rebuild it here"
        )
    files.check(named_files(manifest), manifest.files, besides=(MANIFEST, MANIFEST_HASH))
    return manifest


def _read_document(files: BundleFiles) -> dict[str, Any]:
    """The manifest's entries without the two that name its format."""
    directory, file = files.directory, files.directory / MANIFEST
    try:
        if not file.exists():
            raise BundleError(f"{directory} is not a bundle: it has no {MANIFEST}")
    except OSError as error:
        raise BundleError(f"{directory} cannot be read: {error.strerror}") from None
    encoded = bytes(files.file(MANIFEST, MAX_BYTES).data)
    recorded = bytes(files.file(MANIFEST_HASH, MAX_HASH_BYTES).data)
    if re.split(rb"[ \r\n]", recorded)[0] != hashlib.sha256(encoded).hexdigest().encode():
        raise BundleError(f"{file} was edited or damaged: its hash is not the recorded one")
    try:
        document = parse(encoded)
    except ValueError as error:
        raise BundleError(f"{file} is not valid JSON: {error}") from error
    if not isinstance(document, dict) or document.pop("format", None) != FORMAT:
        raise BundleError(f"{file} is not the manifest of a bundle")
    version = document.pop("format_version", None)
    if type(version) is not int or version != FORMAT_VERSION:
        raise BundleError(
            f"{directory} has bundle format {version}, this version reads {FORMAT_VERSION}; "
            "rebuild it, or install a matching ltp-deploy"
        )
    return document
