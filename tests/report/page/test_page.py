"""The page: what is in it, and that no text gets out of its place."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ltp_deploy.report.page import sections
from ltp_deploy.report.page.documents.benchmarked import Benchmarked
from ltp_deploy.report.page.documents.verified import Verified
from ltp_deploy.report.page.documents.view import view
from ltp_deploy.report.page.findings import LOG, Findings, bundle_facts
from ltp_deploy.report.page.gather import explained
from ltp_deploy.report.page.page import page_of
from ltp_deploy.report.page.read import (
    read_benchmarked,
    read_learned,
    read_tuned,
    read_verified,
)
from tests.embeddings import save_embedding
from tests.once import Once
from tests.report.page.conftest import HOSTILE, Material
from tests.tiny import POLICIES

NAMES = {0: "first", 1: "second", 2: "third"}
VOID = {"meta", "link", "input"}
LARGEST = 300_000  # bytes


class Page(HTMLParser):
    """The elements of a page, which must all be closed in their order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.headings: list[tuple[int, str]] = []
        self.texts: dict[str, str] = {}  # by the id of the section
        self.titles = 0  # of pictures
        self.hidden = 0  # pictures
        self._open: list[str] = []
        self._section = ""
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        assert not any(name.startswith("on") for name in named)
        self.tags.append(tag)
        self.ids += [str(named["id"])] if "id" in named else []
        self.links += [str(named[name]) for name in ("href", "src") if name in named]
        self.hidden += tag == "svg" and named.get("aria-hidden") == "true"
        self.titles += tag == "title" and self._open[-1] == "svg"
        if tag == "section" and "id" in named:
            self._section = str(named["id"])
        if re.fullmatch("h[1-6]", tag):
            self.headings.append((int(tag[1]), ""))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.texts[self._section] = self.texts.get(self._section, "") + data
        if self._open and re.fullmatch("h[1-6]", self._open[-1]):
            level, text = self.headings[-1]
            self.headings[-1] = (level, text + data)


@pytest.fixture(scope="module")
def findings(material: Material) -> Findings:
    """Everything but a calibration."""
    facts = bundle_facts(material / "bundle")
    learned, log = read_learned(material / "learned.json", facts)
    return Findings(
        HOSTILE,
        facts,
        read_verified(material / "verify.json", facts),
        read_benchmarked(material / "bench.json", facts),
        read_tuned(material / "tuned" / "tuned.json", facts),
        learned,
        log,
        explained(material / "bundle", [HOSTILE, ("a film", "very dull .")], HOSTILE, 5),
    )


@pytest.fixture(scope="module")
def text(findings: Findings) -> str:
    return page_of(findings)


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_it_loads_and_runs_nothing(text: str, page: Page) -> None:
    assert set(page.tags).isdisjoint({"script", "iframe", "img", "object", "embed", "form", "base"})
    assert not re.search(r"@import|url\(|https?:", text)
    own = [link for link in page.links if link.startswith("#")]
    assert [link for link in page.links if link not in own] == ["data:,"]
    assert {link[1:] for link in own} <= set(page.ids)
    assert len(set(page.ids)) == len(page.ids)
    assert len(text.encode()) < LARGEST


def test_no_text_is_taken_for_markup(text: str, page: Page) -> None:
    """The bundle's name, a label, a text and the source of the texts are all hostile."""
    assert "<script" not in text
    assert text.count("<!--") == 0
    assert page.headings[0] == (1, HOSTILE)
    assert HOSTILE in page.texts["examples"]


def test_its_sections_have_what_was_found(page: Page, material: Material) -> None:
    verified, timed, tuned, learned = (
        json.loads((material / name).read_text())
        for name in ("verify.json", "bench.json", "tuned/tuned.json", "learned.json")
    )
    texts = page.texts
    assert set(texts) >= {section.id for section in sections.SECTIONS if section.id in page.ids}
    missing = {section.id for section in sections.SECTIONS} - set(page.ids)
    assert missing == {"calibration"}
    assert "not calibrated: f32 needs no ranges" in texts["lacking"]
    for layer in range(3):
        rule = tuned["chosen"]["policy"]["layers"][layer]
        assert rule["mode"] in texts["plan"]
    assert "survivors (compacts)" in texts["plan"]
    p50 = verified["shares_alive"]["p50"]
    assert all(f"{100 * share:.1f} %" in texts["tokens"] for share in p50)
    assert "40 texts of verify" in texts["tokens"]
    for gate in verified["gates"]:
        assert gate["what"] in texts["parity"]
        assert gate["allowed"] in texts["parity"]
    assert texts["parity"].count("passed") == len(verified["gates"])
    assert "PASSED" in texts["parity"]
    for case in timed["cases"]:
        assert case["name"] in texts["latency"]
        for runner in case["runners"]:
            assert texts["latency"].count(runner["name"]) >= 3  # plot, its title, and table
            assert f"{runner['p50_ms']:.2f}" in texts["latency"]
    assert ", ".join(timed["machine"]["flags"]) in texts["latency"]
    found = tuned["estimate"]["pruned"]["flops_ratio"]
    assert f"{found:.2f}\N{MULTIPLICATION SIGN} FLOPs" in texts["tuning"]
    assert texts["tuning"].count("chosen") >= 3
    assert f"{learned['pruned']['score']:.2f}" in texts["learning"]
    assert "stage soft" in texts["learning"]
    assert "stage hard" in texts["learning"]


def test_it_says_what_it_is_about(page: Page, findings: Findings) -> None:
    bundle = findings.bundle
    assert bundle is not None
    head = page.texts[""]
    assert bundle.sha256 in head
    assert bundle.manifest.source.sha256 in head
    assert f"{bundle.written:%Y-%m-%d %H:%M}" in head
    assert "f32" in head


def test_headings_leave_out_no_level_and_pictures_have_titles(page: Page) -> None:
    levels = [level for level, _ in page.headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    keys = page.tags.count("svg") - page.titles  # samples in legends, which are not read out
    assert page.titles >= 6
    assert keys == page.hidden


def test_every_plot_has_its_numbers_as_a_table(page: Page) -> None:
    assert page.tags.count("figure") == page.titles
    assert page.tags.count("caption") == page.tags.count("table")


def test_a_bundle_alone_has_its_plan_and_says_how_to_get_the_rest(material: Material) -> None:
    facts = bundle_facts(material / "bundle")
    page = Page(page_of(Findings("alone", facts)))
    assert {"plan", "tokens", "lacking"} <= set(page.ids)
    assert {"parity", "latency", "tuning", "learning", "examples"}.isdisjoint(page.ids)
    for command in ("verify BUNDLE", "bench BUNDLE", "tune CHECKPOINT", "learn CHECKPOINT"):
        assert f"ltp-deploy {command}" in page.texts["lacking"]
    assert "report --texts FILE" in page.texts["lacking"]
    assert "the build's own check" in page.texts["lacking"]


def test_a_checkpoint_alone_has_how_it_came_to_prune(findings: Findings) -> None:
    page = Page(page_of(Findings("tuned", tuned=findings.tuned)))
    assert "tuning" in page.ids
    assert "nothing is built yet" in page.texts["lacking"]


def test_a_failure_is_plain(findings: Findings) -> None:
    verified = findings.verified
    assert verified is not None
    gates = (replace(verified.gates[0], passed=False), *verified.gates[1:])
    failing = replace(verified, gates=gates, failures=("logits: all of them, allowed none",))
    page = Page(page_of(replace(findings, verified=failing)))
    assert "FAILED" in page.texts[""]
    assert "PASSED" not in page.texts[""]
    assert "logits: all of them, allowed none" in page.texts["parity"]


def test_numbers_that_are_none_are_said(material: Material) -> None:
    document = json.loads((material / "verify.json").read_text())
    document["logits"].update(max=float("nan"), mean=float("inf"), max_without_ties=float("nan"))
    document["gates"][1].update(found=float("nan"), passed=False)
    document["scores"] = {"f1 %": {"oracle": float("nan"), "engine": 1.0, "dense": 2.0}}
    facts = bundle_facts(material / "bundle")
    page = Page(page_of(Findings("broken", facts, verified=view(Verified, document))))
    assert page.texts["parity"].count("not finite") >= 4
    assert "undefined" in page.texts["parity"]


def test_an_engine_that_was_timed_alone_is_shown_alone(material: Material) -> None:
    document = json.loads((material / "bench.json").read_text())
    for case in document["cases"]:
        case.update(runners=case["runners"][:1], same_predictions=None)
    facts = bundle_facts(material / "bundle")
    page = Page(page_of(Findings("timed", facts, benchmarked=view(Benchmarked, document))))
    assert "against the fastest other" not in page.texts[""]
    assert f"{document['cases'][0]['runners'][0]['p50_ms']:.3g} ms" in page.texts[""]


def test_why_texts_are_not_shown_is_said(findings: Findings) -> None:
    page = Page(page_of(replace(findings, examples=None, no_examples="it needs a GPU <here>")))
    assert "it needs a GPU <here>" in page.texts["lacking"]


def test_the_log_has_the_name_that_training_gives_it() -> None:
    from ltp_deploy.learn.stage import LOG as WRITTEN

    assert LOG == WRITTEN


def test_half_a_character_is_replaced(findings: Findings) -> None:
    text = page_of(Findings("half \ud800 and \x00", findings.bundle))
    assert "half \N{REPLACEMENT CHARACTER} and \N{REPLACEMENT CHARACTER}" in text
    text.encode()


@pytest.mark.slow
def test_a_calibration_is_shown(bert_checkpoint: Path, calibrated: Path, tmp_path: Path) -> None:
    from ltp_deploy.builder.build import build
    from ltp_deploy.builder.draft import Measured
    from ltp_deploy.bundle.options import BuildOptions

    options = BuildOptions(precision="int8", not_int8=(0,))
    build(bert_checkpoint, tmp_path / "int8", options, Measured(calibration=calibrated))
    facts = bundle_facts(tmp_path / "int8")
    page = Page(page_of(Findings("int8", facts)))
    document = json.loads(calibrated.read_text())
    found = page.texts["calibration"]
    assert f"{document['sample']['count']} texts of texts.tsv" in found
    assert all(name in found for name in document["ranges"])
    assert all(f"{entry['high']:.4g}" in found for entry in document["ranges"].values())
    assert "Left in higher precision: layers 0 in bf16" in found
    assert "texts of texts.tsv, on which it was calibrated" in page.texts["tokens"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ({"problem_type": "multi_label_classification", "id2label": NAMES}, "second"),
        ({"problem_type": "regression", "labels": 1}, "score"),
        ({"labels": 1}, "score"),
        (None, "A vector, cosine"),
    ],
    ids=["multi-label", "regression", "reranker", "embedding"],
)
def test_answers_of_every_kind_are_shown(
    kind: dict[str, Any] | None,
    said: str,
    checkpoint_of: Callable[..., Path],
    bundle_of: Callable[..., Path],
    once: Once,
) -> None:
    if kind is None:
        checkpoint = once(lambda new: save_embedding(new, ltp=POLICIES["topk"]), "embedding")
    else:
        checkpoint = checkpoint_of(
            "bert", "absolute", **{"id2label": None, "labels": len(NAMES), **kind}
        )
    bundle = bundle_of(checkpoint, survivors=False)
    texts = ["a very bad film was not great", "dull"]
    shown = explained(bundle, texts, "a list", 1)
    page = Page(page_of(Findings("kind", bundle_facts(bundle), examples=shown)))
    found = page.texts["examples"]
    assert said in found
    assert "with pruning off" in found
    assert "The first 1 of 2 texts of a list" in found
