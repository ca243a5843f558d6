"""What README.md tells people to type works as typed.

Blocks in ```bash and ```python run in their order, as if in one shell, in a temporary directory
that holds what `make demo` leaves in a checkout: `.venv` and `out/demo`. Nothing of this Python is
on PATH but what the README's own first command puts there. A block after a comment
`<!-- not run: reason -->` is left out.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.tiny import POLICIES, save_tiny, save_tokenizer

README = Path(__file__).parents[1] / "README.md"
VENV = Path(sys.prefix)
COMMANDS = {"bash": ["bash", "-euo", "pipefail"], "python": ["python"]}
AFTERWARDS = ".environment"  # where a block leaves the environment of its shell
_FENCE = re.compile(
    r"(?P<skip><!--\s*not run:(?P<reason>.*?)-->\s*)?"
    r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=indent)```",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block; `reason` says why it is not run."""

    line: int
    language: str
    text: str
    reason: str | None


def blocks(markdown: str) -> list[Block]:
    """All bash and python blocks, in order."""
    found = []
    for match in _FENCE.finditer(markdown):
        if match["language"] in COMMANDS:
            indent = match["indent"]
            text = re.sub(f"^{indent}", "", match["text"], flags=re.MULTILINE)
            line = markdown.count("\n", 0, match.start("language")) + 1
            reason = match["reason"].strip() if match["skip"] else None
            found.append(Block(line, match["language"], text, reason))
    return found


def first_environment() -> dict[str, str]:
    """That of a new shell: no environment is activated."""
    kept = dict(os.environ)
    paths = kept["PATH"].split(os.pathsep)
    kept["PATH"] = os.pathsep.join(path for path in paths if Path(path) != VENV / "bin")
    return kept


def run(
    block: Block, directory: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a block; `environment` becomes what it leaves behind."""
    script = directory / f".readme-line-{block.line}"
    leave = f"\nenv -0 > {AFTERWARDS}\n" if block.language == "bash" else ""
    script.write_text(block.text + leave)
    program, *arguments = COMMANDS[block.language]
    result = subprocess.run(
        [shutil.which(program, path=environment["PATH"]) or program, *arguments, script.name],
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if leave and result.returncode == 0:
        entries = (directory / AFTERWARDS).read_text().split("\0")
        environment.update(entry.split("=", 1) for entry in entries if entry)
    return result


def leave_a_demo(directory: Path) -> None:
    """What `make demo` leaves, with random models in place of the trained one."""
    save_tokenizer(save_tiny(directory / "dense", "bert", None))
    save_tokenizer(save_tiny(directory / "model", "bert", POLICIES["absolute"]))
    reviews = [f"{text}\t{i % 2}\n" for i, text in enumerate(["a very good film", "dull"] * 100)]
    for name in ("train.tsv", "dev.tsv"):
        (directory / name).write_text("text\tlabel\n" + "".join(reviews))


@pytest.mark.slow
@pytest.mark.parametrize(
    "experimental",
    [False, pytest.param(True, marks=pytest.mark.full)],
    ids=["all that has run", "GPUs too"],
)
def test_the_blocks_of_the_readme_work(experimental: bool, tmp_path: Path) -> None:
    if not (VENV / "bin" / "activate").is_file() or not (VENV / "bin" / "ltp-deploy").is_file():
        pytest.skip("the package is not installed in a virtual environment, as `make setup` does")
    leave_a_demo(tmp_path / "out" / "demo")
    (tmp_path / ".venv").symlink_to(VENV)
    environment, ran = first_environment(), 0
    text = README.read_text(encoding="utf-8")
    before, heading, _ = text.partition("\n## Experimental")
    assert heading
    for block in blocks(text if experimental else before):
        if block.reason is None:
            result = run(block, tmp_path, environment)
            where = f"README.md, line {block.line}:\n{block.text}\n{result.stdout}"
            assert result.returncode == 0, where
            ran += 1
    assert ran > 0


EXAMPLE = """
```bash
echo one > file
export NAME="left for the next block"
```
<!-- not run: it would take an hour -->

```bash
exit 1
```
text <!-- another comment -->
```python
print(open("file").read())
```
```text
not code
```
   ```bash
   false | cat
   echo never
   ```
"""


def test_blocks_are_found_in_order_with_their_reasons() -> None:
    found = blocks(EXAMPLE)
    assert [(b.language, b.line) for b in found] == [
        ("bash", 2),
        ("bash", 8),
        ("python", 12),
        ("bash", 18),
    ]
    assert [b.reason for b in found] == [None, "it would take an hour", None, None]
    assert found[3].text == "false | cat\necho never\n"


def test_blocks_share_a_shell_and_fail_at_the_first_error(tmp_path: Path) -> None:
    first, _, third, last = blocks(EXAMPLE)
    environment = {**first_environment(), "PATH": f"{VENV / 'bin'}:{os.environ['PATH']}"}
    assert run(first, tmp_path, environment).returncode == 0
    assert environment["NAME"] == "left for the next block"
    assert run(third, tmp_path, environment).stdout == "one\n\n"
    failed = run(last, tmp_path, environment)
    assert failed.returncode != 0
    assert failed.stdout == ""
