"""Fixtures that several test directories share."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from hypothesis import HealthCheck, settings

from ltp_deploy.builder.build import build
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.calibration.calibrate import calibrate
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.parity.oracle_run import OracleRun, run_oracle
from ltp_deploy.runtime.engine import Engine, load
from tests.released import save_released
from tests.tiny import POLICIES, save_tiny, save_tokenizer, write_texts
from tests.trained import TrainedCheckpoint, combined

pytest_plugins = ["tests.cuda.fixtures"]
transformers.utils.logging.disable_progress_bar()
torch.set_num_threads(1)  # tiny models gain nothing from more, and wait for busy cores
settings.register_profile(
    "ltp",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("ltp")


def pytest_configure(config: pytest.Config) -> None:
    # torch.jit is deprecated, but it is what OpenVINO converts from and LibTorch loads.
    config.addinivalue_line("filterwarnings", r"ignore:.torch\.jit\.:DeprecationWarning")


SHARED = Path(os.environ.get("LTP_SHARED", Path(__file__).parents[2] / "shared"))
SHARED_CHECKPOINTS = ("sst2", "sst2-topk", "sst2-relative")


@pytest.fixture(scope="session")
def checkpoint_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """(family, policy name or None, changes) -> a tiny checkpoint, made once.

    The family "ltp" is the released format, and its policy name a prune mode. BERT comes with a
    tokenizer and label names.
    """

    @functools.cache
    def make(family: str, policy: str | None = None, **changes: Any) -> Path:
        directory = tmp_path_factory.mktemp(f"{family}-{policy}")
        if family == "ltp":
            return save_released(directory, policy, **changes)
        if family == "bert":
            changes = {"id2label": {0: "bad", 1: "good"}, **changes}
            save_tokenizer(directory)
        return save_tiny(directory, family, POLICIES[policy] if policy else None, **changes)

    return make


@pytest.fixture(scope="session")
def bundle_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """(checkpoint, build options) -> a bundle that reports survivors, built once."""

    @functools.cache
    def make(checkpoint: Path, target: str, **options: Any) -> Path:
        output = tmp_path_factory.mktemp("bundle") / target
        build(checkpoint, output, BuildOptions(target, **options))
        return output

    def find(checkpoint: Path, target: str = "cpu", **options: Any) -> Path:
        return make(checkpoint, target, **{"survivors": True, **options})

    return find


@pytest.fixture(scope="session")
def bert_checkpoint(checkpoint_of: Callable[..., Path]) -> Path:
    """The checkpoint for tests that need no particular one: BERT with a tokenizer."""
    return checkpoint_of("bert", "absolute")


@pytest.fixture(scope="session")
def bert_bundle(bert_checkpoint: Path, bundle_of: Callable[..., Path]) -> Path:
    return bundle_of(bert_checkpoint)


@pytest.fixture(scope="session")
def engine(bert_bundle: Path) -> Engine:
    return load(bert_bundle)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with checkpoints trained by the method's authors' own code."""
    if not (SHARED / "checkpoints").is_dir():
        pytest.skip(f"no trained checkpoints at {SHARED}; set LTP_SHARED to their folder")
    return SHARED


@pytest.fixture(scope="session", params=SHARED_CHECKPOINTS)
def trained(
    request: pytest.FixtureRequest, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> TrainedCheckpoint:
    """Each trained checkpoint, with what the authors' code says about it."""
    checkpoints = shared / "checkpoints"
    directory = tmp_path_factory.mktemp(request.param)
    return combined(checkpoints / "sst2", checkpoints / request.param, directory)


@pytest.fixture(scope="session")
def trained_oracle(trained: TrainedCheckpoint) -> OracleRun:
    """The oracle's answers on the whole development set."""
    return run_oracle(load_encoder(trained.directory), trained.batch)


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty labelled texts."""
    return write_texts(tmp_path_factory.mktemp("texts") / "texts.tsv")


@pytest.fixture(scope="session")
def calibrated(
    bert_checkpoint: Path, texts: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The calibration of `bert_checkpoint` on `texts`."""
    pytest.importorskip("nncf", reason="NNCF is not installed")
    path = tmp_path_factory.mktemp("calibration") / "calibration.json"
    calibrate(bert_checkpoint, str(texts)).write(path)
    return path
