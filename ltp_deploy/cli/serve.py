"""`ltp-deploy serve`"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ltp_deploy.cli.command import Command, section
from ltp_deploy.cli.options import (
    COUNT,
    FILE,
    Number,
    Whole,
    compose,
    gathered,
    long_text_options,
    pruning_option,
)

if TYPE_CHECKING:
    from ltp_deploy.serve.settings import Limits, Loading

TOKEN = "LTP_SERVE_TOKEN"

network_section = section("Network")
limits_section = section("Limits")
engine_section = section("Engines")

network_options = compose(
    network_section(
        "--host",
        metavar="ADDRESS",
        default="127.0.0.1",
        show_default=True,
        help="Address to listen on; 0.0.0.0 for all of this machine's.",
    ),
    network_section(
        "--port",
        type=Whole(min=0, max=65535),
        metavar="N",
        default=8000,
        show_default=True,
        help="Port to listen on; 0 for any that is free.",
    ),
    network_section(
        "--workers",
        type=COUNT,
        metavar="N",
        default=1,
        show_default=True,
        help="Processes. They share the weights in memory, and the cores.",
    ),
    network_section(
        "--token-file",
        type=FILE,
        metavar="FILE",
        help="File with a token that clients must send as `Authorization: Bearer TOKEN`. Without "
        f"it the environment variable {TOKEN} counts.",
    ),
    network_section(
        "--drain",
        type=Number(min=0),
        metavar="SECONDS",
        default=0.0,
        show_default=True,
        help="After SIGTERM, listen on for so long and say that nothing is ready.",
    ),
    network_section(
        "--grace",
        type=COUNT,
        metavar="SECONDS",
        default=60,
        show_default=True,
        help="Then wait at most so long for the requests that have begun.",
    ),
    network_section(
        "--access-log",
        is_flag=True,
        help="Print a line for each request: its address and status, nothing of its body.",
    ),
)
limits_options = compose(
    limits_section(
        "--max-body",
        "body",
        type=COUNT,
        metavar="BYTES",
        default=2_000_000,
        show_default=True,
        help="Bytes of a request.",
    ),
    limits_section(
        "--max-texts",
        "texts",
        type=COUNT,
        metavar="N",
        default=256,
        show_default=True,
        help="Texts of a request.",
    ),
    limits_section(
        "--max-tokens",
        "tokens",
        type=COUNT,
        metavar="N",
        default=65_536,
        show_default=True,
        help="Tokens of a request.",
    ),
    limits_section(
        "--max-waiting",
        "waiting",
        type=COUNT,
        metavar="N",
        default=1024,
        show_default=True,
        help="Requests to a bundle at the same time, for each process.",
    ),
)
engine_options = compose(
    engine_section(
        "--threads",
        type=COUNT,
        metavar="N",
        help="CPU threads of each process. Default: its share of all.",
    ),
    engine_section(
        "--throughput",
        is_flag=True,
        help="Compute several batches side by side, each with fewer threads.",
    ),
    engine_section(
        "--batch-tokens",
        type=COUNT,
        metavar="N",
        default=1024,
        show_default=True,
        help="Tokens up to which requests are computed together.",
    ),
    long_text_options(": see `run`.", engine_section),
    pruning_option(engine_section),
    engine_section(
        "--alive/--no-alive",
        default=True,
        show_default=True,
        help="Count the tokens that are alive after each layer, for /metrics.",
    ),
)


@click.command(cls=Command)
@click.argument("bundles", metavar="BUNDLES", nargs=-1, required=True)
@network_options
@limits_options
@engine_options
@gathered(
    limits="ltp_deploy.serve.settings:Limits",
    loading="ltp_deploy.serve.settings:Loading",
)
def serve(
    bundles: tuple[str, ...],
    host: str,
    port: int,
    workers: int,
    token_file: Path | None,
    drain: float,
    grace: int,
    access_log: bool,
    limits: Limits,
    loading: Loading,
) -> None:
    """Answer requests over HTTP.

    As text-embeddings-inference does, and by the Open Inference Protocol V2. BUNDLES are
    directories, which are served under their own names, or NAME=DIRECTORY. SIGTERM ends the server
    once what it has begun is answered. The API's pages are at /docs.
    """
    from ltp_deploy.serve.server import listen
    from ltp_deploy.serve.server import serve as serve_here
    from ltp_deploy.serve.settings import Settings, named_bundles
    from ltp_deploy.serve.workers import serve_in_workers

    settings = Settings(
        bundles=named_bundles(bundles),
        host=host,
        port=port,
        workers=workers,
        limits=limits,
        loading=loading,
        token=_token(token_file),
        drain=drain,
        grace=grace,
        access_log=access_log,
    )
    with listen(settings) as listener:
        address = f"[{host}]" if ":" in host else host
        url = f"http://{address}:{listener.getsockname()[1]}"
        click.echo(f"serving {', '.join(settings.bundles)} on {url}", err=True)
        (serve_here if workers == 1 else serve_in_workers)(settings, listener)


def _token(file: Path | None) -> str | None:
    """The token, if there is to be one.

    Raises:
        LtpError: it cannot be read, or is none.
    """
    from ltp_deploy.errors import LtpError

    if file is None:
        token, where = os.environ.get(TOKEN), TOKEN
    else:
        where = str(file)
        try:
            token = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise LtpError(f"the token in {file} cannot be read: {error}") from None
    if token is not None and not (token.isascii() and token.isprintable() and token.split()):
        raise LtpError(f"{where} holds no token: it has printable ASCII characters, at least one")
    return token
