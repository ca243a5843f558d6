"""The C++ code that answers questions, compiled alone, without any framework."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata
from pathlib import Path

import pytest

from tests.once import Once

ROOT = Path(__file__).parents[2]
SOURCES = (
    "tests/agreement/answers.cpp",
    *(
        f"engines/src/{name}.cpp"
        for name in (
            *("bundle", "contents", "digests", "inputs", "json", "lease", "manifest"),
            *("mapped_file", "memory", "schema", "sha256", "sha256_hardware"),
        )
    ),
)
INCLUDES = ("plugins", "engines/include", "engines/src")

Ask = Callable[[Iterable[str]], list[str]]
AskOne = Callable[[str], str]


@pytest.fixture(scope="session")
def program(once: Once) -> Path:
    """Reads questions and prints answers, a line each, see answers.cpp."""
    compiler = os.environ.get("CXX") or shutil.which("c++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    includes = [f"-I{folder}" for folder in (*(ROOT / f for f in INCLUDES), json_headers())]
    command = [compiler, "-std=c++17", "-pthread", "-O0", *includes]

    def make(folder: Path) -> None:
        sources = [str(ROOT / source) for source in SOURCES]
        subprocess.run([*command, *sources, "-o", str(folder / "answers")], check=True)

    return once(make, "agreement") / "answers"


@pytest.fixture(scope="session")
def ask(program: Path) -> Ask:
    """Questions -> the answers of the C++ code, one for each."""

    def answers(questions: Iterable[str]) -> list[str]:
        lines = "".join(question + "\n" for question in questions)
        done = subprocess.run([program], input=lines, capture_output=True, text=True, check=True)
        return [line.strip() for line in done.stdout.splitlines()]

    return answers


@pytest.fixture
def ask_one(program: Path) -> Iterator[AskOne]:
    """A question -> its answer, of one process for all."""
    with subprocess.Popen(
        [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        asked, answered = process.stdin, process.stdout

        def answer(question: str) -> str:
            asked.write(question + "\n")
            asked.flush()
            return answered.readline().strip()

        yield answer
        asked.close()


def json_headers() -> Path:
    """Where the package nlohmann-json has its headers."""
    files = metadata.files("nlohmann-json") or []
    header = next(file for file in files if file.match("include/nlohmann/json.hpp"))
    return Path(str(header.locate())).parents[1]
