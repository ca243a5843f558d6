"""Fixtures that several test directories share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from ltp_deploy.builder.build import build
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.calibration.calibrate import calibrate
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.parity.oracle_run import OracleRun, run_oracle
from ltp_deploy.runtime.engine import Engine, load
from tests.known import (
    KnownCheckpoint,
    by_the_definition,
    by_the_released_code,
    combined,
    first_texts,
)
from tests.ltp.make import MODES
from tests.once import Once
from tests.released import save_released
from tests.tiny import POLICIES, save_tiny, save_tokenizer, write_texts

pytest_plugins = ["tests.properties", "tests.cuda.fixtures"]
transformers.utils.logging.disable_progress_bar()
torch.set_num_threads(1)  # tiny models gain nothing from more, and wait for busy cores


def pytest_configure(config: pytest.Config) -> None:
    # torch.jit is deprecated, but it is what OpenVINO converts from and LibTorch loads.
    config.addinivalue_line("filterwarnings", r"ignore:.torch\.jit\.:DeprecationWarning")


# They run whole programs.
LONGEST = ("test_install.py", "test_wheel.py", "test_readme.py", "test_cpp.py", "test_gpu_check.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests come first, so that no worker is left alone with one at the end."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


SHARED = Path(os.environ.get("LTP_SHARED", Path(__file__).parents[2] / "shared"))
NOT_SHARED = f"no trained checkpoints at {SHARED}; set LTP_SHARED to their folder"
OWN = Path(__file__).parent / "ltp"


def known_checkpoints() -> list[Any]:
    """Parameters of `known`: (its folder, how many of its texts or None for all)."""
    found = [pytest.param((OWN / mode, None), id=f"ltp-{mode}") for mode in MODES]
    trained = [SHARED / "checkpoints" / name for name in ("sst2", "sst2-topk", "sst2-relative")]
    if not trained[0].is_dir():
        return [*found, pytest.param(None, id="sst2", marks=pytest.mark.skip(NOT_SHARED))]
    found.append(pytest.param((trained[0], 100), id="sst2-first-100", marks=pytest.mark.slow))
    whole = [pytest.param((t, None), id=t.name, marks=pytest.mark.full) for t in trained]
    return [*found, *whole]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """(make, name, key) -> a directory that `make` filled, the same one for every worker."""
    own = tmp_path_factory.getbasetemp()  # below that of the run, where there are workers
    root = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "once"
    root.mkdir(exist_ok=True)
    return Once(root)


@pytest.fixture(scope="session")
def checkpoint_of(once: Once) -> Callable[..., Path]:
    """(family, policy name or None, changes) -> a tiny checkpoint, made once.

    The family "ltp" is the released format, and its policy name a prune mode. BERT comes with a
    tokenizer and label names.
    """

    def find(family: str, policy: str | None = None, **changes: Any) -> Path:
        def make(directory: Path) -> None:
            if family == "ltp":
                save_released(directory, policy, **changes)
                return
            if family == "bert":
                save_tokenizer(directory)
            save_tiny(directory, family, POLICIES[policy] if policy else None, **changes)

        if family == "bert":
            changes = {"id2label": {0: "bad", 1: "good"}, **changes}
        return once(make, f"{family}-{policy}", sorted(changes.items()))

    return find


@pytest.fixture(scope="session")
def bundle_of(once: Once) -> Callable[..., Path]:
    """(checkpoint, target, build options) -> a bundle that reports survivors, built once."""

    def find(checkpoint: Path, target: str = "cpu", **options: Any) -> Path:
        options = {"survivors": True, **options}

        def make(directory: Path) -> None:
            build(checkpoint, directory / target, BuildOptions(target, **options))

        name = f"{checkpoint.name}-{target}"
        return once(make, name, checkpoint, sorted(options.items())) / target

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
        pytest.skip(NOT_SHARED)
    return SHARED


@pytest.fixture(scope="session", params=known_checkpoints())
def known(request: pytest.FixtureRequest, once: Once) -> KnownCheckpoint:
    """Our own checkpoints of the released format with what the definition says about them, and
    those that the method's authors' code trained with what that code says."""
    source, rows = request.param
    own = source.parent == OWN
    donor = OWN if own else source.with_name("sst2")
    directory = once(lambda new: combined(donor, source, new), source.name, source)
    if own:
        return by_the_definition(directory, OWN / "texts.tsv")
    texts = SHARED / "data" / "sst2" / "dev.tsv"
    if rows:
        first = once(lambda new: first_texts(texts, rows, new), "first", texts, rows)
        texts = first / "texts.tsv"
    return by_the_released_code(directory, texts)


@pytest.fixture(scope="session")
def known_oracle(known: KnownCheckpoint) -> OracleRun:
    """The oracle's answers on the texts of `known`."""
    return run_oracle(load_encoder(known.directory), known.batch)


@pytest.fixture(scope="session")
def texts(once: Once) -> Path:
    """Forty labelled texts."""
    return once(lambda directory: write_texts(directory / "texts.tsv"), "texts") / "texts.tsv"


@pytest.fixture(scope="session")
def calibrated(bert_checkpoint: Path, texts: Path, once: Once) -> Path:
    """The calibration of `bert_checkpoint` on `texts`."""
    pytest.importorskip("nncf", reason="NNCF is not installed")

    def make(directory: Path) -> None:
        calibrate(bert_checkpoint, str(texts)).write(directory / "calibration.json")

    return once(make, "calibration") / "calibration.json"
