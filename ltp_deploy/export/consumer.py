"""What opens an exported bundle."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ltp_deploy.backends.openvino import OpenVinoEngine
from ltp_deploy.bundle.files import BundleFiles
from ltp_deploy.bundle.manifest import Manifest


@dataclass(frozen=True)
class Bundle:
    """A bundle that was read and checked.

    Attributes:
        name: what a server calls the model.
    """

    files: BundleFiles
    manifest: Manifest
    name: str


class Consumer(ABC):
    """One of the things that open an exported bundle.

    Attributes:
        name: what `--for` calls it.
        summary: what it is, for the help page.
    """

    name: ClassVar[str]
    summary: ClassVar[str]

    @abstractmethod
    def refusal(self, bundle: Bundle) -> str | None:
        """Why it cannot open this bundle, and what to do; None where it can."""

    @abstractmethod
    def write(self, bundle: Bundle, folder: Path) -> None:
        """Write all that it opens into an empty folder.

        Raises:
            LtpError: a package is missing.
        """


def not_openvino(bundle: Bundle) -> str | None:
    """Why the bundle is no graph of OpenVINO; None where it is one."""
    manifest = bundle.manifest
    if isinstance(manifest.engine, OpenVinoEngine):
        return None
    return (
        f"its engine, for the target {manifest.target}, runs in {manifest.backend}, and this needs "
        "one that runs in OpenVINO; build the checkpoint for such a target"
    )


def copy_plugin(bundle: Bundle, folder: Path) -> str:
    """Copy the plugin with our operators; returns its name."""
    plugin = bundle.manifest.record(OpenVinoEngine).plugin
    copy = folder / Path(plugin).name
    copy.write_bytes(bundle.files.file(plugin).data)
    copy.chmod(0o755)
    return copy.name
