"""Bundles and data to score."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ltp_deploy.runtime.engine import Engine, load
from tests.tiny import random_texts

pytest.importorskip("pyarrow", reason="pyarrow is not installed")


@pytest.fixture(scope="session")
def bundle(checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]) -> Path:
    """A classifier of two named classes."""
    return bundle_of(checkpoint_of("bert", "absolute"), survivors=False)


@pytest.fixture(scope="session")
def alone(bundle: Path) -> Callable[[Any], list[float]]:
    """(text) -> its logits, answered alone in this process."""
    engine = load(bundle)
    return lambda text: logits_alone(engine, text)


def logits_alone(engine: Engine, text: Any) -> list[float]:
    return engine([text]).logits[0].tolist()


@pytest.fixture(scope="session")
def sentences() -> list[str]:
    return random_texts(40, seed=5)
