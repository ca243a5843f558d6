"""Reading what other commands wrote about a bundle, and refusing what is about another one."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from ltp_deploy.bundle.document import parse
from ltp_deploy.codec import Malformed
from ltp_deploy.errors import LtpError
from ltp_deploy.report.page.documents.benchmarked import Benchmarked
from ltp_deploy.report.page.documents.trained import LearnedView, LogLine, TunedView
from ltp_deploy.report.page.documents.verified import Verified
from ltp_deploy.report.page.documents.view import view
from ltp_deploy.report.page.findings import LOG, BundleFacts, read_log

T = TypeVar("T")


def read_verified(path: Path, bundle: BundleFacts) -> Verified:
    """What `verify --json` printed.

    Raises:
        LtpError: it cannot be read, or is about another bundle.
    """
    found = _read(path, Verified, "verify --json")
    _check_bundle(path, found.bundle_sha256, bundle, "verify --json")
    _check_layers(path, len(found.mean_alive) - 1, bundle)
    return found


def read_benchmarked(path: Path, bundle: BundleFacts) -> Benchmarked:
    """What `bench -o` wrote; raises as `read_verified`."""
    found = _read(path, Benchmarked, "bench -o")
    _check_bundle(path, found.bundle_sha256, bundle, "bench -o")
    return found


def read_tuned(path: Path, bundle: BundleFacts) -> TunedView:
    """The tuned.json of the checkpoint that the bundle was built from; raises as
    `read_verified`."""
    found = _read(path, TunedView, "tune -o")
    _check_source(path, found.checkpoint_sha256, bundle)
    _check_layers(path, len(found.chosen.policy.layers), bundle)
    return found


def read_learned(path: Path, bundle: BundleFacts) -> tuple[LearnedView, tuple[LogLine, ...]]:
    """The learned.json of the checkpoint that the bundle was built from, and the log beside it;
    raises as `read_verified`."""
    found = _read(path, LearnedView, "learn -o")
    _check_source(path, found.checkpoint_sha256, bundle)
    _check_layers(path, len(found.policy.layers), bundle)
    log = path.with_name(LOG)
    try:
        return found, read_log(log)
    except (OSError, ValueError) as error:
        raise LtpError(f"{log} is no log of `learn`: {error}") from None


def _read(path: Path, kind: type[T], writer: str) -> T:
    try:
        document = parse(path.read_bytes(), foreign=True)
    except FileNotFoundError:
        raise LtpError(f"{path} does not exist; `ltp-deploy {writer}` writes it") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LtpError(f"{path} cannot be read as JSON: {reason}") from None
    try:
        return view(kind, document)
    except Malformed as error:
        raise LtpError(
            f"{path} is not what `ltp-deploy {writer}` of this version writes: {error}; run it "
            "again"
        ) from None


def _check_bundle(path: Path, found: str, bundle: BundleFacts, writer: str) -> None:
    if found != bundle.sha256:
        raise LtpError(
            f"{path} is about another bundle, with the hash {found[:16]}, and {bundle.name} has "
            f"{bundle.sha256[:16]}; run `ltp-deploy {writer}` on this one"
        )


def _check_source(path: Path, found: str, bundle: BundleFacts) -> None:
    source = bundle.manifest.source
    if found != source.sha256:
        raise LtpError(
            f"{path} is about another checkpoint, with the hash {found[:16]}, and {bundle.name} "
            f"was built from {source.name} with {source.sha256[:16]}; give the file that lies in "
            "that checkpoint, or build the other one"
        )


def _check_layers(path: Path, found: int, bundle: BundleFacts) -> None:
    layers = bundle.manifest.model.layers
    if found != layers:
        raise LtpError(f"{path} is of {found} layers, and {bundle.name} has {layers}")
