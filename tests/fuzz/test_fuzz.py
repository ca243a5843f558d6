"""Cases that once went wrong go right, and the fuzzer sees what goes wrong."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz import watched
from tests.fuzz.__main__ import ALL
from tests.fuzz.cases import Case
from tests.fuzz.edits import Edit
from tests.fuzz.fuzzer import Fuzzer
from tests.fuzz.reader import outcome
from tests.fuzz.seeds import make_seeds
from tests.fuzz.watched import ANSWERED, HUNG, KILLED, RAW, REFUSED, Outcome, Watched
from tests.once import Once

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.json"))
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def seeds(once: Once) -> dict[str, Path]:
    folder = once(lambda new: make_seeds(new / "seeds") and None, "fuzz") / "seeds"
    return {path.name: path for path in folder.iterdir()}


@pytest.fixture(scope="module")
def fuzzer(seeds: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzer]:
    found = Fuzzer(seeds, tmp_path_factory.mktemp("found"))
    yield found
    found.close()


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_what_once_went_wrong_goes_right(path: Path, fuzzer: Fuzzer) -> None:
    assert fuzzer.judge(Case.from_json(json.loads(path.read_text()))) == []


def test_some_random_cases_of_all_kinds(fuzzer: Fuzzer) -> None:
    rng = random.Random(0)
    before = len(fuzzer.found)
    for number in range(3 * len(ALL)):
        fuzzer.run(ALL[number % len(ALL)], number // len(ALL), rng)
    assert fuzzer.found[before:] == []
    assert "Python answered" in fuzzer.report()


def process(code: str) -> Watched:
    return Watched([sys.executable, "-u", "-c", code])


@pytest.mark.parametrize(
    ("code", "result", "said"),
    [
        ("input(); import os; os.abort()", KILLED, "SIGABRT"),
        ("input(); raise SystemExit(3)", KILLED, "exit status 3"),
        ("input(); import time; time.sleep(60)", HUNG, "no answer within 0.5 s"),
        ("while True: print('inference', 'answered', input(), sep='\\t')", ANSWERED, "a line"),
    ],
)
def test_a_process_that_dies_or_hangs_is_seen(
    code: str, result: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched, "SECONDS", 0.5 if result == HUNG else 30)
    with process(code) as reader:
        for _ in range(2):  # it is started again
            found = reader.ask("a line")
            assert (found.result, found.said, found.bad) == (result, said, result != ANSWERED)


def test_any_other_error_than_ours_is_raw(tmp_path: Path) -> None:
    def fails(line: str) -> Iterator[str]:
        yield "compiling"
        raise KeyError(line)

    assert outcome(fails, "a") == ("compiling", RAW, "KeyError: 'a' ")


def test_an_answer_to_a_bundle_that_was_changed_is_wrong(
    fuzzer: Fuzzer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(__file__).parent / "corpus" / "added-tokens.json"
    case = Case.from_json(json.loads(path.read_text()))
    with monkeypatch.context() as patched:
        patched.setattr(Watched, "ask", lambda self, line: Outcome("inference", ANSWERED, "1"))
        assert "its hashes are the old ones" in fuzzer.judge(case)[0]
        patched.setattr(Watched, "ask", lambda self, line: Outcome("reading", REFUSED, "no"))
        assert fuzzer.judge(case) == []
    kept = fuzzer.found.pop()
    assert Case.from_json(json.loads((kept / "case.json").read_text())) == case
    assert (kept / "input" / "tokenizer" / "added_tokens.json").read_text() == "{}"


def test_a_bundle_that_one_runtime_alone_reads_is_wrong(
    fuzzer: Fuzzer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(__file__).parent / "corpus" / "no-labels.json"
    case = Case.from_json(json.loads(path.read_text()))
    refused, read = Outcome("reading", REFUSED, "no"), Outcome("compiling", REFUSED, "no")
    for outcomes, wrong in (
        ([read, refused], ["read by Python alone: Python: refused after compiling, no; C++: "]),
        ([refused, read], ["read by C++ alone: "]),
        ([refused, refused], []),
        ([read, read], []),
    ):
        named = list(zip(("Python", "C++"), outcomes, strict=True))
        monkeypatch.setattr(fuzzer, "_outcomes", lambda case, named=named: named)
        found = fuzzer.judge(case)
        assert [line[: len(start)] for line, start in zip(found, wrong, strict=True)] == wrong
        del fuzzer.found[len(fuzzer.found) - len(wrong) :]


def test_every_second_case_is_signed_and_each_can_be_written_down(seeds: dict[str, Path]) -> None:
    rng = random.Random(1)
    cases = [Case.random("manifest", seeds, number, rng) for number in range(20)]
    assert [case.signed for case in cases] == [True, False] * 10
    assert [Case.from_json(json.loads(json.dumps(case.to_json()))) for case in cases] == cases


def test_an_edit_of_what_an_earlier_one_made_a_string_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"layers": ["none"]}')
    for how in ("drop", "set"):
        Edit("a.json", how, ("layers", 0, 1), "1").apply(tmp_path)
    assert json.loads((tmp_path / "a.json").read_text()) == {"layers": ["none"]}
