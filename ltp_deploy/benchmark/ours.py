"""Our engine as a runner, and the same build with nothing pruned."""

from __future__ import annotations

from pathlib import Path

from ltp_deploy.backends.backend import RunOptions
from ltp_deploy.backends.table import open_session
from ltp_deploy.benchmark.runner import Layout, Runner
from ltp_deploy.builder.rebuild import compile_variant
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.runtime.engine import Engine

OURS = "ltp-deploy"
UNPRUNED = "ltp-deploy, nothing pruned"


def our_runner(engine: Engine) -> Runner:
    """The engine as it is."""
    return Runner(OURS, engine.session, Layout.PACKED, prunes=True, carries=engine.carries)


def unpruned_runner(engine: Engine, encoder: Encoder, folder: Path, threads: int | None) -> Runner:
    """The same build with a policy that keeps every token; its files go into `folder`."""
    dense = encoder.unpruned()
    compiled = compile_variant(engine, dense, folder)
    session = open_session(folder, compiled, RunOptions(threads))
    return Runner(UNPRUNED, session, Layout.PACKED, carries=compiled.plan.carries)
