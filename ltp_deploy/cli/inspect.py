"""`ltp-deploy inspect`"""

from __future__ import annotations

from pathlib import Path

import click

from ltp_deploy.cli.options import json_option


@click.command()
@click.argument("path", metavar="BUNDLE|CHECKPOINT", type=click.Path(path_type=Path))
@json_option
def inspect(path: Path, as_json: bool) -> None:
    """Show what is in a bundle or a checkpoint."""
    import json

    from ltp_deploy.bundle.manifest import MANIFEST
    from ltp_deploy.codec import to_json

    if (path / MANIFEST).is_file():
        from ltp_deploy.backends.table import read_bundle
        from ltp_deploy.report.bundle import describe

        manifest = read_bundle(path)
        click.echo(json.dumps(to_json(manifest), indent=2) if as_json else describe(manifest))
        return
    from ltp_deploy.checkpoint import load_encoder
    from ltp_deploy.report.checkpoint import describe as describe_checkpoint

    encoder = load_encoder(path)
    config = to_json(encoder.config)
    click.echo(json.dumps(config, indent=2) if as_json else describe_checkpoint(encoder.config))
