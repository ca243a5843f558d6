"""What it costs to run a bundle where nothing else is installed: disk, time to an answer, memory.

    make wheel
    python benchmarks/runtime.py dist/*.whl

makes an environment with the wheel and what it asks for, a bundle of MiniLM's shape with random
weights, and runs the bundle in fresh processes of that environment.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import shutil
import statistics
import string
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from random_model import MINILM, write_checkpoint

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
GUIDE = ROOT / "docs" / "install.md"
TEXT = "a gripping and witty film"
MIB = 2**20

# Run in the environment; `begun` is when the process was started, by the same clock.
CHILD = """
import json, sys, time
begun, bundle, text = float(sys.argv[1]), sys.argv[2], sys.argv[3]
started = time.monotonic()
from ltp_deploy import load
imported = time.monotonic()
engine = load(bundle)
loaded = time.monotonic()
engine(text)
answered = time.monotonic()
rollup = open("/proc/self/smaps_rollup").read().splitlines()[1:]
memory = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in rollup}
status = open("/proc/self/status").read()
print(json.dumps({
    "python_s": started - begun,
    "import_s": imported - started,
    "load_s": loaded - imported,
    "first_text_s": answered - loaded,
    "import_to_answer_s": answered - started,
    "process_to_answer_s": answered - begun,
    "resident_mib": memory["Rss"],
    "private_mib": memory["Private_Clean"] + memory["Private_Dirty"],
    "private_dirty_mib": memory["Private_Dirty"],
    "peak_mib": int(status.split("VmHWM:")[1].split()[0]) / 1024,
}))
"""
MACHINE = """
import json
from ltp_deploy.hardware.machine import describe_machine
print(json.dumps(describe_machine()))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="The figures of the runtime alone.")
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--bundle", type=Path, help="default: MiniLM's shape, random weights, f32")
    parser.add_argument("--repeat", type=int, default=7, help="processes; the first is left out")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS / "runtime.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bundle = (options.bundle or build_minilm(Path(folder))).resolve()
        wheel = options.wheel.resolve()
        result = measure(wheel, bundle, options.repeat, Path(folder) / "environment")
    options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1), f"wrote {options.output}", sep="\n")


def build_minilm(folder: Path) -> Path:
    """A dense bundle for the target cpu with a tokenizer of as many tokens as BERT's."""
    from transformers import BertTokenizerFast

    from ltp_deploy import build

    write_checkpoint(folder / "model", MINILM, [1.0] * MINILM.layers)
    pieces = [*string.ascii_lowercase, *(f"##{letter}" for letter in string.ascii_lowercase)]
    made = map("".join, itertools.product(string.ascii_lowercase, repeat=4))
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = list(itertools.islice(itertools.chain(special, pieces, made), MINILM.vocabulary))
    (folder / "vocab.txt").write_text("\n".join(words))
    tokenizer = BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=512)
    tokenizer.save_pretrained(folder / "model")
    build(folder / "model", folder / "bundle")
    os.sync()  # until they are written, pages of new files count as dirty
    return folder / "bundle"


def measure(wheel: Path, bundle: Path, repeat: int, place: Path) -> dict[str, Any]:
    """All figures, ready for JSON; sizes and memory in MiB, times in seconds."""
    python = make_environment(wheel, place)
    packages = next(place.glob("lib/python3*/site-packages"))
    before = os.getloadavg()
    runs = [answer(python, bundle) for _ in range(repeat)][1:]
    result = {
        "machine": json.loads(say(python, "-c", MACHINE)),
        "wheel": wheel.name,
        "wheel_mib": round(wheel.stat().st_size / MIB, 2),
        "bundle_mib": size(bundle),
        "environment_mib": sizes(packages),
        "largest_mib": {
            path.name: size(path) for path in sorted(packages.iterdir(), key=size, reverse=True)[:8]
        },
        "load_before": before,
        "load_after": os.getloadavg(),
        **{name: spread([run[name] for run in runs]) for name in runs[0]},
    }
    shrink(python)
    answer(python, bundle)
    return {**result, "smaller_environment_mib": sizes(packages)}


def make_environment(wheel: Path, place: Path) -> Path:
    """The Python of an environment without pip, with the wheel and what it asks for."""
    say(sys.executable, "-m", "venv", "--without-pip", place)
    python = place / "bin" / "python"
    say(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", wheel)
    return python


def answer(python: Path, bundle: Path) -> dict[str, float]:
    """One process that loads the bundle and answers a text."""
    return json.loads(say(python, "-c", CHILD, repr(time.monotonic()), bundle, TEXT))


def shrink(python: Path) -> None:
    """Follow the guide's section on smaller environments."""
    section = GUIDE.read_text(encoding="utf-8").partition("## A smaller environment")[2]
    block = re.search(r"```bash\n(.*?)```", section, re.DOTALL)
    assert block, f"{GUIDE} has no commands for it"
    say(shutil.which("bash"), "-euc", block[1], path=f"{python.parent}:{os.environ['PATH']}")


def say(*command: object, path: str | None = None) -> str:
    """What a command prints, without this checkout on its path."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment = {**kept, "PATH": path} if path else kept
    arguments = [str(part) for part in command]
    done = subprocess.run(
        arguments, check=True, stdout=subprocess.PIPE, text=True, env=environment, cwd="/"
    )
    return done.stdout


def sizes(packages: Path) -> dict[str, float]:
    """Of installed packages, with the bytecode that pip compiles and without it."""
    bytecode = sum(path.stat().st_size for path in packages.rglob("*.pyc")) / MIB
    return {"all": size(packages), "without_bytecode": round(size(packages) - bytecode, 1)}


def size(path: Path) -> float:
    """Of a file or of all files in a folder, in MiB."""
    files = [path, *path.rglob("*")]
    return round(sum(f.stat().st_size for f in files if f.is_file()) / MIB, 1)


def spread(values: list[float]) -> dict[str, float]:
    """The median, and the least and the most."""
    found = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: round(value, 3) for name, value in found.items()}


if __name__ == "__main__":
    main()
