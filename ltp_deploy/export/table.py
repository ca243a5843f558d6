"""The table of consumers, and exporting with it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import ltp_deploy
from ltp_deploy.backends.table import read_bundle
from ltp_deploy.bundle.directory import check_new_directory, new_directory
from ltp_deploy.bundle.files import BundleFiles
from ltp_deploy.bundle.manifest import MANIFEST_HASH
from ltp_deploy.errors import LtpError
from ltp_deploy.export.consumer import Bundle, Consumer
from ltp_deploy.export.optimum import Optimum
from ltp_deploy.export.ovms import Ovms
from ltp_deploy.export.triton import Triton

_ALL: tuple[Consumer, ...] = (Optimum(), Ovms(), Triton())

CONSUMERS = {consumer.name: consumer for consumer in _ALL}
RECORD = "ltp-export.json"  # what a folder was made from; by it an older one is known
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def export(
    path: str | Path,
    consumer: str,
    output: str | Path,
    name: str | None = None,
    force: bool = False,
) -> None:
    """Write a bundle in the form that something else opens. Nothing is written where it fails.

    Args:
        path: the bundle's directory.
        consumer: a name in `CONSUMERS`.
        output: a new directory.
        name: what a server calls the model, by default the bundle's directory.
        force: replace an earlier export.

    Raises:
        BundleError: the bundle is damaged or edited.
        LtpError: the consumer cannot open such a bundle, a package is missing, or the directory
            exists.
    """
    directory, output = Path(path), Path(output)
    if consumer not in CONSUMERS:
        raise LtpError(f"nothing is exported for {consumer!r}; known: {', '.join(CONSUMERS)}")
    name = name or directory.resolve().name
    if not _NAME.fullmatch(name):
        raise LtpError(
            f"{name!r} is no name for a model: letters, digits and ._- are; pass another by --name"
        )
    check_new_directory(output.absolute(), force, RECORD, "export")
    files = BundleFiles(directory)
    bundle = Bundle(files, read_bundle(files), name)
    if reason := CONSUMERS[consumer].refusal(bundle):
        raise LtpError(f"{directory} cannot be exported for {consumer}: {reason}")
    with new_directory(output, force, RECORD, "export") as folder:
        CONSUMERS[consumer].write(bundle, folder)
        record = {
            "format": "ltp-deploy export",
            "for": consumer,
            "ltp_deploy": ltp_deploy.__version__,
            "manifest_sha256": bytes(files.file(MANIFEST_HASH).data).decode().strip(),
        }
        (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n")
