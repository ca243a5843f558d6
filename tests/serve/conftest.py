"""Bundles to serve, one for each kind of answer, and a server that has them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ltp_deploy.builder.build import build
from ltp_deploy.bundle.options import BuildOptions
from tests.embeddings import save_embedding
from tests.once import Once
from tests.tiny import POLICIES

pytest.importorskip("fastapi", reason="FastAPI is not installed")
pytest.importorskip("httpx", reason="httpx is not installed")

from starlette.testclient import TestClient

from tests.serve.serving import serving


@pytest.fixture(scope="session")
def classifier(checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]) -> Path:
    return bundle_of(checkpoint_of("bert", "absolute"), survivors=False)


@pytest.fixture(scope="session")
def reranker(checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]) -> Path:
    checkpoint = checkpoint_of("bert", "topk", labels=1, id2label={0: "LABEL_0"})
    return bundle_of(checkpoint, survivors=False)


@pytest.fixture(scope="session")
def embedder(once: Once) -> Path:
    def make(directory: Path) -> None:
        prompts = {"query": "the film is "}
        checkpoint = save_embedding(directory / "checkpoint", normalize=False, prompts=prompts)
        build(checkpoint, directory / "bundle", BuildOptions("cpu"))

    return once(make, "served-embedding", POLICIES["absolute"]) / "bundle"


@pytest.fixture(scope="session")
def bundles(classifier: Path, reranker: Path, embedder: Path) -> dict[str, Path]:
    return {"films": classifier, "ranks": reranker, "vectors": embedder}


@pytest.fixture(scope="module")
def client(bundles: dict[str, Path]) -> Iterator[TestClient]:
    with serving(bundles) as found:
        yield found
