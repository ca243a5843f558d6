"""Everything that a page may show, and where it comes from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from ltp_deploy.backends.table import read_bundle
from ltp_deploy.bundle.document import parse
from ltp_deploy.bundle.files import BundleFiles
from ltp_deploy.bundle.manifest import MANIFEST, Manifest, bundle_digest
from ltp_deploy.codec import Malformed
from ltp_deploy.errors import BundleError
from ltp_deploy.explain.explanation import Explanation
from ltp_deploy.model.survivors import SurvivorProfile
from ltp_deploy.report.page.documents.benchmarked import Benchmarked
from ltp_deploy.report.page.documents.calibrated import Calibrated
from ltp_deploy.report.page.documents.trained import LearnedView, LogLine, TunedView
from ltp_deploy.report.page.documents.verified import Verified
from ltp_deploy.report.page.documents.view import view

LOG = "log.jsonl"  # as in `ltp_deploy.learn.stage`


@dataclass(frozen=True)
class CalibrationFacts:
    """The calibration that a bundle carries.

    Attributes:
        record: its file.
        profile: the survivors on its texts.
    """

    record: Calibrated
    profile: SurvivorProfile


@dataclass(frozen=True)
class BundleFacts:
    """What a bundle says of itself.

    Attributes:
        name: of its folder.
        sha256: see `bundle_digest`.
        written: the time of its manifest's file.
    """

    name: str
    manifest: Manifest
    sha256: str
    written: datetime
    calibration: CalibrationFacts | None


@dataclass(frozen=True)
class Examples:
    """Texts with the layer that pruned each token.

    Attributes:
        explanations: of each text that is shown.
        of: how many texts there are.
        source: where they come from.
    """

    explanations: Sequence[Explanation]
    of: int
    source: str


@dataclass(frozen=True)
class Findings:
    """What is known; None is what is not.

    Attributes:
        name: of the bundle's folder, or of the checkpoint's where there is no bundle.
        log: of the training.
        no_examples: why texts that are there are not shown; "" where nothing is in the way.
    """

    name: str
    bundle: BundleFacts | None = None
    verified: Verified | None = None
    benchmarked: Benchmarked | None = None
    tuned: TunedView | None = None
    learned: LearnedView | None = None
    log: tuple[LogLine, ...] = ()
    examples: Examples | None = None
    no_examples: str = ""


def bundle_facts(directory: Path) -> BundleFacts:
    """Read a bundle.

    Raises:
        BundleError: see `read_bundle`; or its calibration cannot be read.
    """
    files = BundleFiles(directory)
    manifest = read_bundle(files)
    return BundleFacts(
        directory.resolve().name,
        manifest,
        bundle_digest(files),
        datetime.fromtimestamp((directory / MANIFEST).stat().st_mtime).astimezone(),
        _calibration(files, manifest),
    )


def _calibration(files: BundleFiles, manifest: Manifest) -> CalibrationFacts | None:
    name = manifest.calibration
    if name is None:
        return None
    try:
        record = view(Calibrated, parse(bytes(files.file(name).data)))
        alive = np.array(record.alive, np.int64).reshape(len(record.alive), -1)
        finished = np.array(record.finished, bool).reshape(len(alive), -1)
        shape = (len(alive), manifest.model.layers)
        if not len(alive) or alive.shape != (shape[0], shape[1] + 1) or finished.shape != shape:
            raise Malformed(f"survivors of shape {alive.shape} and {finished.shape}")
        if alive[:, 0].min() < 1:
            raise Malformed("a text without tokens")
    except ValueError as error:
        raise BundleError(f"{files.directory / name} cannot be used: {error}") from None
    return CalibrationFacts(record, SurvivorProfile(alive, finished))


def read_log(path: Path) -> tuple[LogLine, ...]:
    """The lines of a training's log that have a loss; () where there is no log.

    Raises:
        Malformed: a line that is no such line, with its number.
    """
    if not path.is_file():
        return ()
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            document = json.loads(line)
            if isinstance(document, dict) and "loss" in document:
                found.append(view(LogLine, document))
        except ValueError as error:
            raise Malformed(f"line {number}: {error}") from None
    return tuple(found)
