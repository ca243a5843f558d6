"""What README.md tells people to type works.

Blocks in ```bash and ```python run in their order in one temporary directory, with this Python
first on PATH. A block behind a comment `<!-- not run: reason -->` is left out.
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

from ltp_deploy.backends.openvino.session import ISA_LIMIT
from tests.tiny import POLICIES, save_tiny, save_tokenizer

README = Path(__file__).parents[1] / "README.md"
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
COMMANDS = {"bash": ["bash", "-euo", "pipefail"], "python": [sys.executable]}
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


def run(block: Block, directory: Path) -> subprocess.CompletedProcess[str]:
    script = directory / f".readme-line-{block.line}"
    script.write_text(block.text)
    # Without what a haswell engine of another test has set for this process.
    environment = {name: value for name, value in os.environ.items() if name != ISA_LIMIT}
    return subprocess.run(
        [*COMMANDS[block.language], script.name],
        cwd=directory,
        env={**environment, "PATH": PATH},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def leave_a_demo(directory: Path) -> None:
    """What `make demo` leaves behind, with a random model in place of the trained one."""
    save_tokenizer(save_tiny(directory / "model", "bert", POLICIES["absolute"]))
    reviews = [f"{text}\t{i % 2}\n" for i, text in enumerate(["a very good film", "dull"] * 20)]
    for name in ("train.tsv", "dev.tsv"):
        (directory / name).write_text("text\tlabel\n" + "".join(reviews))


def test_the_blocks_of_the_readme_work(tmp_path: Path) -> None:
    if not shutil.which("ltp-deploy", path=PATH):
        pytest.skip("the package is not installed: there is no ltp-deploy on PATH")
    leave_a_demo(tmp_path / "out" / "demo")
    ran = 0
    for block in blocks(README.read_text(encoding="utf-8")):
        if block.reason is None:
            result = run(block, tmp_path)
            where = f"README.md, line {block.line}:\n{block.text}\n{result.stdout}"
            assert result.returncode == 0, where
            ran += 1
    assert ran > 0


EXAMPLE = """
```bash
echo one > file
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
        ("bash", 7),
        ("python", 11),
        ("bash", 17),
    ]
    assert [b.reason for b in found] == [None, "it would take an hour", None, None]
    assert found[3].text == "false | cat\necho never\n"


def test_blocks_share_a_directory_and_fail_at_the_first_error(tmp_path: Path) -> None:
    first, _, third, last = blocks(EXAMPLE)
    assert run(first, tmp_path).returncode == 0
    assert run(third, tmp_path).stdout == "one\n\n"
    failed = run(last, tmp_path)
    assert failed.returncode != 0
    assert failed.stdout == ""
