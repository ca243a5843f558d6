"""`ltp-deploy inspect`"""

from __future__ import annotations

from pathlib import Path

import click

from ltp_deploy.cli.command import Command
from ltp_deploy.cli.options import PATH, json_option, show


@click.command(cls=Command)
@click.argument("path", metavar="BUNDLE|CHECKPOINT", type=PATH)
@json_option
def inspect(path: Path, as_json: bool) -> None:
    """Show what is in a bundle or a checkpoint."""
    from ltp_deploy.bundle.manifest import MANIFEST
    from ltp_deploy.codec import to_json

    if (path / MANIFEST).is_file():
        from ltp_deploy.backends.table import read_bundle
        from ltp_deploy.report.bundle import describe

        manifest = read_bundle(path)
        show(to_json(manifest), describe(manifest), as_json)
        return
    from ltp_deploy.checkpoint import load_encoder
    from ltp_deploy.report.checkpoint import describe as describe_checkpoint

    config = load_encoder(path).config
    show(to_json(config), describe_checkpoint(config), as_json)
