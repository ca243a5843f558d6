"""Runs random cases, keeps those that go wrong, and counts how far all of them came."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.fuzz.cases import KINDS, Case
from tests.fuzz.requests import LAST
from tests.fuzz.watched import ANSWERED, SECONDS, STAGES, Outcome, Watched

REQUESTS = "requests"  # the kind that changes no file
TRUSTED = "cpu"  # the seed that requests go to
CPP_SEEDS = ("cpu", "survivors")  # whose backend C++ has
CPP_REQUESTS = 2000  # of one process

# With these, C++ in a build for tests says what it does wrong, and ends.
_SANITIZERS = {
    "ASAN_OPTIONS": "abort_on_error=1:detect_leaks=0:allocator_may_return_null=1"
    ":hard_rss_limit_mb=4096",
    "UBSAN_OPTIONS": "abort_on_error=1",
    "TBB_ENABLE_SANITIZERS": "1",
}


class Fuzzer:
    """Readers of all kinds, and what they said.

    Attributes:
        found: the folders that failing cases were kept in.
    """

    def __init__(self, seeds: Mapping[str, Path], folder: Path, cpp: Path | None = None):
        """
        Args:
            seeds: directories to begin from, by name.
            folder: for failing cases.
            cpp: where the programs of `ltp_fuzz` were built, None to leave C++ out.
        """
        self.found: list[Path] = []
        self._seeds = seeds
        self._folder = folder
        self._work = folder / "work"
        self._last = folder / "last-request"
        folder.mkdir(parents=True, exist_ok=True)
        self._python = {
            reader: Watched(
                [sys.executable, "-m", "tests.fuzz.reader", reader], {LAST: str(self._last)}
            )
            for reader in ("bundle", "tokenizer", "checkpoint", REQUESTS)
        }
        self._cpp = Watched([str(cpp / "ltp_fuzz_reader")], _SANITIZERS) if cpp else None
        self._cpp_requests = cpp / "ltp_fuzz_requests" if cpp else None
        self._counts: dict[str, Counter[str]] = {kind: Counter() for kind in (*KINDS, REQUESTS)}

    def run(self, kind: str, number: int, rng: random.Random) -> None:
        """One case of a kind; of requests, a few hundred."""
        if kind == REQUESTS:
            self._ask(rng.randrange(2**32))
            if self._cpp_requests:
                self._ask_cpp(self._cpp_requests, rng.randrange(2**32))
        else:
            self.judge(Case.random(kind, self._seeds, number, rng))

    def judge(self, case: Case) -> list[str]:
        """Run a case; returns what is wrong, and keeps the case where something is."""
        changed = case.write(self._seeds, self._work)
        outcomes = list(self._outcomes(case))
        wrong = [f"{who}: {o.result} after {o.stage}, {o.said}" for who, o in outcomes if o.bad]
        signed = case.signed or not KINDS[case.kind].signed
        for who, outcome in outcomes:
            if changed and not signed and outcome.result == ANSWERED:
                wrong.append(f"{who}: the change was not seen, though its hashes are the old ones")
            counts = self._counts[case.kind]
            counts[f"{who} cases"] += 1
            counts[f"{who} signed"] += signed
            for stage in STAGES[1:]:
                reached = outcome.stage in STAGES[STAGES.index(stage) :]
                counts[f"{who} {stage}"] += reached
        read = [who for who, outcome in outcomes if outcome.stage in STAGES[1:]]
        if 0 < len(read) < len(outcomes):
            said = "; ".join(f"{who}: {o.result} after {o.stage}, {o.said}" for who, o in outcomes)
            wrong.append(f"read by {read[0]} alone: {said}")
        if wrong:
            self._keep(case, wrong)
        return wrong

    def _outcomes(self, case: Case) -> Iterator[tuple[str, Outcome]]:
        what = KINDS[case.kind]
        yield "Python", self._python[what.reader].ask(str(self._work))
        if self._cpp and what.reader == "bundle" and case.seed in CPP_SEEDS:
            yield "C++", self._cpp.ask(str(self._work))

    def _ask(self, seed: int) -> None:
        outcome = self._python[REQUESTS].ask(f"{self._seeds[TRUSTED]} {seed}")
        if outcome.bad:
            last = self._last.read_text() if self._last.is_file() else ""
            self._keep_request(
                f"Python, seed {seed}: {outcome.result}, {outcome.said}\nthe last request: {last}"
            )
        else:
            self._count_requests("Python", outcome.said)

    def _ask_cpp(self, program: Path, seed: int) -> None:
        command = [program, self._seeds[TRUSTED], str(CPP_REQUESTS), str(seed)]
        environment = {**os.environ, **_SANITIZERS}
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, env=environment, timeout=10 * SECONDS
            )
            said = f"status {done.returncode}\n{done.stderr}"
        except subprocess.TimeoutExpired:
            said = "no answer"
        else:
            if done.returncode == 0:
                self._count_requests("C++", done.stdout)
                return
        self._keep_request(f"C++, seed {seed}: {said}")

    def _count_requests(self, who: str, said: str) -> None:
        for part in said.split(", "):
            count, name = part.split()
            self._counts[REQUESTS][f"{who} {name}"] += int(count)

    def _keep(self, case: Case, wrong: list[str]) -> None:
        """With the directory as the readers got it, which the seed's next build may not give."""
        case.write(self._seeds, self._work)
        folder = self._new_folder(case.kind)
        (folder / "case.json").write_text(json.dumps(case.to_json(), indent=1) + "\n")
        (folder / "wrong.txt").write_text("\n".join(wrong) + "\n")
        shutil.copytree(self._work, folder / "input", symlinks=True, copy_function=_copy)
        print(f"{folder}: {wrong[0]:.300}", flush=True)

    def _keep_request(self, said: str) -> None:
        folder = self._new_folder(REQUESTS)
        (folder / "wrong.txt").write_text(said)
        print(f"{folder}: {said:.300}", flush=True)

    def _new_folder(self, kind: str) -> Path:
        folder = self._folder / f"{kind}-{time.time_ns()}"
        folder.mkdir(parents=True)
        self.found.append(folder)
        return folder

    def report(self) -> str:
        """A line for each kind."""
        lines = []
        for kind, counts in self._counts.items():
            if counts:
                told = ", ".join(f"{name} {count}" for name, count in counts.items())
                lines.append(f"{kind:10} {told}")
        return "\n".join(lines)

    def close(self) -> None:
        """End all readers."""
        for reader in (*self._python.values(), *([self._cpp] if self._cpp else [])):
            reader.close()
        shutil.rmtree(self._work, ignore_errors=True)
        self._last.unlink(missing_ok=True)


def _copy(source: str, destination: str) -> None:
    """A file; of what is none, its name."""
    path = Path(source)
    if path.is_file() and path.stat().st_blocks * 512 >= path.stat().st_size // 2:
        shutil.copyfile(source, destination)
    else:
        Path(f"{destination}.special").touch()
