"""The child process: opens what each line of its input names, and says what became of it.

    python -m tests.fuzz.reader KIND

A line is the path of a bundle (`bundle`), of a bundle whose tokenizer's fingerprint is to be made
right first (`tokenizer`), or of a checkpoint (`checkpoint`); of `requests`, a bundle's path and a
seed. See `tests.fuzz.requests` for these.
"""

from __future__ import annotations

import logging
import os
import resource
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from ltp_deploy.backends.table import read_bundle
from ltp_deploy.data.tokenizer import bundled_tokenizer
from ltp_deploy.errors import LtpError
from ltp_deploy.runtime.engine import load
from tests.fuzz.requests import ask_some
from tests.fuzz.watched import ANSWERED, RAW, REFUSED, STAGES
from tests.spoil import edit_manifest

MEMORY = 6 << 30  # bytes of its own that the process may have
REQUEST = [[2, 5, 6, 3], [2, 3]]  # that every seed's model takes

Steps = Iterator[str]  # the stages that are reached; what is said at last


def bundle(line: str) -> Steps:
    path = Path(line)
    yield "reading"
    read_bundle(path)
    yield "compiling"
    with load(path) as engine:
        yield "inference"
        result = engine(input_ids=REQUEST)
        if engine.manifest.tokenizer is not None:
            engine(["a good film", ("the film", "is bad")])
    yield " ".join(value.hex() for value in result.logits.ravel().tolist())


def tokenizer(line: str) -> Steps:
    """Otherwise every bundle would be refused for its fingerprint alone."""
    path = Path(line)
    yield "reading"
    with suppress(Exception):  # `load` is to say it
        manifest = read_bundle(path)
        assert manifest.tokenizer is not None
        found = bundled_tokenizer(path, manifest.tokenizer, manifest.model).fingerprint()
        edit_manifest(path, lambda m: m["tokenizer"].update(fingerprint=found))
    yield from bundle(line)


def checkpoint(line: str) -> Steps:
    from ltp_deploy.builder.build import build
    from ltp_deploy.bundle.options import BuildOptions
    from ltp_deploy.checkpoint import load_encoder

    yield "reading"
    load_encoder(Path(line))
    yield "compiling"
    with tempfile.TemporaryDirectory() as folder:
        build(Path(line), Path(folder, "bundle"), BuildOptions("null"))
        yield "inference"
        yield from list(bundle(str(Path(folder, "bundle"))))[-1:]


def requests(line: str) -> Steps:
    yield "inference"
    path, seed = line.rsplit(" ", 1)
    yield ask_some(Path(path), int(seed))


KINDS: dict[str, Callable[[str], Steps]] = {
    "bundle": bundle,
    "tokenizer": tokenizer,
    "checkpoint": checkpoint,
    "requests": requests,
}


def outcome(kind: Callable[[str], Steps], line: str) -> tuple[str, str, str]:
    """Stage, result and message, see `Outcome`."""
    stage, said = "?", ""
    try:
        for said in kind(line):
            stage = said if said in STAGES else stage
        return stage, ANSWERED, said
    except LtpError as error:
        return stage, REFUSED, str(error)
    except Exception as error:
        notes = " ".join(getattr(error, "__notes__", ()))  # Hypothesis says there what was asked
        return stage, RAW, f"{type(error).__name__}: {error} {notes}"


def main() -> None:
    warnings.simplefilter("ignore")
    logging.disable()
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="backslashreplace")
    os.dup2(2, 1)  # what libraries print is no answer
    kind = KINDS[sys.argv[1]]
    for line in sys.stdin:
        stage, result, said = outcome(kind, line.rstrip("\n"))
        print(stage, result, " ".join(said.split())[:2000], sep="\t", file=answers, flush=True)


if __name__ == "__main__":
    main()
