"""Files about another bundle, and files that are none of ours, are refused in one sentence."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ltp_deploy.bundle.manifest import bundle_digest
from ltp_deploy.errors import LtpError
from ltp_deploy.report.page.findings import BundleFacts, Findings, bundle_facts
from ltp_deploy.report.page.page import page_of
from ltp_deploy.report.page.read import (
    read_benchmarked,
    read_learned,
    read_tuned,
    read_verified,
)
from tests.report.page.conftest import Material

Reader = Callable[[Path, BundleFacts], Any]
FILES: dict[str, Reader] = {
    "verify.json": read_verified,
    "bench.json": read_benchmarked,
    "tuned/tuned.json": read_tuned,
    "learned.json": lambda path, facts: read_learned(path, facts)[0],
}
PARTS = {
    "verify.json": "verified",
    "bench.json": "benchmarked",
    "tuned/tuned.json": "tuned",
    "learned.json": "learned",
}


@pytest.fixture
def facts(material: Material) -> BundleFacts:
    return bundle_facts(material / "bundle")


@pytest.mark.parametrize("name", FILES)
def test_what_the_commands_write_is_read(name: str, material: Material, facts: BundleFacts) -> None:
    assert FILES[name](material / name, facts)


@pytest.mark.parametrize("name", FILES)
def test_another_bundle_is_refused(name: str, material: Material, bert_bundle: Path) -> None:
    other = bundle_facts(bert_bundle)
    with pytest.raises(LtpError, match=r"is about another (bundle|checkpoint), with the hash"):
        FILES[name](material / name, other)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "cannot be read as JSON"),
        ("{", "cannot be read as JSON"),
        ("\xff", "cannot be read as JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        ("[]", "must be an object"),
        ("{}", "it has no entry"),
        ("null", "must be an object"),
    ],
    ids=["empty", "cut", "latin", "deep", "list", "nothing", "null"],
)
def test_what_is_no_result_is_refused(
    name: str, content: str, said: str, facts: BundleFacts, tmp_path: Path
) -> None:
    path = tmp_path / "some.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(LtpError, match=said) as error:
        FILES[name](path, facts)
    assert str(path) in str(error.value)


def test_a_file_that_is_missing_is_named(facts: BundleFacts, tmp_path: Path) -> None:
    with pytest.raises(LtpError, match=r"none\.json does not exist; `ltp-deploy bench -o` writes"):
        read_benchmarked(tmp_path / "none.json", facts)


@pytest.mark.parametrize("name", FILES)
def test_every_entry_is_checked(
    name: str, material: Material, facts: BundleFacts, tmp_path: Path
) -> None:
    """Each entry is made a wrong one: it is refused, or the page can show it."""
    path, document = tmp_path / "file.json", json.loads((material / name).read_text())
    document |= {key: document[key][:2] for key in ("curve", "path") if key in document}
    part, refused = PARTS[name], 0
    for place in places(document):
        for wrong in (None, {"a": [{}]}, "text", -1e400, []):
            changed = with_value(document, place, wrong)
            path.write_text(json.dumps(changed))
            try:
                found = FILES[name](path, facts)
            except LtpError:
                refused += 1
                continue
            page_of(Findings("changed", facts, **{part: found}))
    assert refused > 40


def places(document: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The addresses of all entries, of a list the first one alone."""
    if isinstance(document, dict):
        inner = [p for key, value in document.items() for p in places(value, (*before, key))]
    elif isinstance(document, list) and document:
        inner = places(document[0], (*before, 0))
    else:
        inner = []
    return [*([before] if before else []), *inner]


def with_value(document: Any, place: tuple[Any, ...], value: Any) -> Any:
    changed = json.loads(json.dumps(document))
    at = changed
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    return changed


def test_survivors_of_another_number_of_layers_are_refused(
    material: Material, facts: BundleFacts, tmp_path: Path
) -> None:
    document = json.loads((material / "verify.json").read_text())
    document["mean_alive"].append(1.0)
    for shares in document["shares_alive"].values():
        shares.append(0.1)
    path = tmp_path / "verify.json"
    path.write_text(json.dumps(document))
    with pytest.raises(LtpError, match="is of 4 layers, and bundle has 3"):
        read_verified(path, facts)


def test_a_damaged_log_is_refused_with_its_line(
    material: Material, facts: BundleFacts, tmp_path: Path
) -> None:
    for name in ("learned.json", "log.jsonl"):
        (tmp_path / name).write_bytes((material / name).read_bytes())
    assert len(read_learned(tmp_path / "learned.json", facts)[1]) == 6
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write('{"stage": "hard", "step": 40, "loss": "none"}\n')
    with pytest.raises(LtpError, match=r"log\.jsonl is no log of `learn`: line 8"):
        read_learned(tmp_path / "learned.json", facts)
    (tmp_path / "log.jsonl").unlink()
    assert read_learned(tmp_path / "learned.json", facts)[1] == ()


def test_results_name_the_bundle_and_the_checkpoint_that_they_are_about(
    material: Material, facts: BundleFacts
) -> None:
    digest = bundle_digest(material / "bundle")
    recorded = (material / "bundle" / "manifest.sha256").read_text().strip()
    assert digest == facts.sha256 == recorded
    for name in ("verify.json", "bench.json"):
        assert json.loads((material / name).read_text())["bundle_sha256"] == digest
    tuned = json.loads((material / "tuned" / "tuned.json").read_text())
    assert tuned["checkpoint_sha256"] == facts.manifest.source.sha256


def test_verify_says_how_shares_of_tokens_are_spread(material: Material) -> None:
    found = json.loads((material / "verify.json").read_text())
    shares = found["shares_alive"]
    for low, middle, high in zip(shares["p10"], shares["p50"], shares["p90"], strict=True):
        assert 0 <= low <= middle <= high <= 1
    assert shares["p10"][0] == 1
    assert not math.isclose(shares["p10"][-1], 1)
