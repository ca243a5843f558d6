"""Loading bundles, and what becomes of a server that cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ltp_deploy.bundle.files import BundleFiles
from ltp_deploy.errors import LtpError
from ltp_deploy.runtime.engine import Engine
from ltp_deploy.serve import service
from ltp_deploy.serve.service import Service, State
from ltp_deploy.serve.settings import Settings


def test_an_error_of_the_runtime_ends_the_server_as_well(
    classifier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> Engine:
        raise RuntimeError("no such instruction")

    monkeypatch.setattr(service, "load", fails)
    found = Service(Settings({"films": classifier}))
    found.load()
    assert isinstance(found.failure, LtpError)
    assert "no such instruction" in str(found.failure)
    assert found.state is State.LOADING


def test_a_server_that_is_to_end_loads_no_more(classifier: Path) -> None:
    found = Service(Settings({"films": classifier, "more": classifier}))
    found.drain()
    found.load()
    assert not found.models
    assert found.failure is None


def test_a_bundle_is_read_and_hashed_once(
    classifier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check, checked = BundleFiles.check, []

    def counted(files: BundleFiles, *given: Any, **named: Any) -> None:
        checked.append(files.directory)
        check(files, *given, **named)

    monkeypatch.setattr(BundleFiles, "check", counted)
    found = Service(Settings({"films": classifier}))
    found.load()
    found.close()
    assert checked == [classifier]
