"""A running engine, and what happens to its files meanwhile; what loading it finds in memory."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ltp_deploy.backends.in_memory import library_path
from ltp_deploy.backends.openvino.session import ISA_LIMIT, compile_settings
from ltp_deploy.bundle.files import BundleFiles, FileName
from ltp_deploy.runtime.engine import load

TEXTS = ["a text", ("one text", "and another"), "the last of them"]


@pytest.fixture
def own_bundle(bert_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bert_bundle, tmp_path / "bundle"))


def shorten(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 3)


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))


@pytest.mark.parametrize(
    ("machine", "limit", "expected"),
    [
        ("x86_64", "", "bf16"),
        ("x86_64", "avx512_core_bf16", "bf16"),
        ("x86_64", "avx2", "f32"),
        ("aarch64", "", "f32"),
    ],
)
def test_bf16_is_asked_of_openvino_where_it_has_bf16(
    machine: str, limit: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setenv(ISA_LIMIT, limit)
    assert compile_settings("bf16")["INFERENCE_PRECISION_HINT"] == expected
    assert compile_settings("f32")["INFERENCE_PRECISION_HINT"] == "f32"


@pytest.mark.parametrize("change", [shorten, overwrite, Path.unlink])
def test_a_running_engine_answers_as_before(
    own_bundle: Path, change: Callable[[Path], None]
) -> None:
    with load(own_bundle) as engine:
        expected = engine(TEXTS).logits
        for path in [path for path in own_bundle.rglob("*") if path.is_file()]:
            change(path)
        assert np.array_equal(engine(TEXTS).logits, expected)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_failing_operator_is_an_error_and_no_older_answer(
    bert_bundle: Path, threads: int
) -> None:
    engine = load(bert_bundle, threads)
    feeds = engine.tokenize("a text of some words").feeds(engine.config)
    engine.session.run(feeds)
    with pytest.raises(RuntimeError, match="offsets run from"):
        engine.session.run({**feeds, "offsets": feeds["offsets"][::-1].copy()})


def test_a_bundle_may_be_read_only(own_bundle: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in own_bundle.rglob("*")}
    for path in (own_bundle, *before):
        path.chmod(0o555 if path.is_dir() else 0o444)
    load(own_bundle)(TEXTS)
    assert {path: path.stat().st_mtime_ns for path in own_bundle.rglob("*")} == before


def test_bundles_with_the_same_plugin_load_it_once(bert_bundle: Path, own_bundle: Path) -> None:
    name = FileName("libltp_openvino.so")
    paths = {library_path(BundleFiles(bundle), name) for bundle in (bert_bundle, own_bundle)}
    assert len(paths) == 1
    with (own_bundle / name).open("ab") as file:
        file.write(b"another")
    assert library_path(BundleFiles(own_bundle), name) not in paths


def test_constants_lie_on_cache_lines(bert_bundle: Path) -> None:
    offsets = re.findall(r'offset="(\d+)"', (bert_bundle / "engine.xml").read_text())
    assert offsets
    assert all(int(offset) % 64 == 0 for offset in offsets)


def in_new_process(code: str, *bundles: Path) -> str:
    """What it prints; threads and instruction sets are chosen once in a process."""
    command = [sys.executable, "-c", code, *map(str, bundles)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one core to be on")
def test_threads_that_were_asked_for_are_bound_to_no_core(bert_bundle: Path) -> None:
    # Else those of several processes would share the first cores.
    code = """
import os, sys, threading
from ltp_deploy import load
engine = load(sys.argv[1], threads=1)
work = threading.Thread(target=lambda: [engine("a text of some words") for _ in range(300)])
work.start()
found = set()
while work.is_alive():
    for thread in os.listdir("/proc/self/task"):
        try:
            found.add(len(os.sched_getaffinity(int(thread))))
        except ProcessLookupError:
            pass
print(found == {len(os.sched_getaffinity(0))})
"""
    assert in_new_process(code, bert_bundle) == "True\n"


def test_a_bundle_for_avx2_limits_no_other_one(
    bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    code = """
import os, sys
from ltp_deploy import load
os.environ.pop("ONEDNN_MAX_CPU_ISA", None)
before = dict(os.environ)
engine = [load(bundle) for bundle in sys.argv[1:]][-1]
assert os.environ == before
for node in engine.session.compiled.get_runtime_model().get_ordered_ops():
    print(node.get_rt_info()["primitiveType"].astype(str))
"""
    cpu, haswell = bundle_of(bert_checkpoint), bundle_of(bert_checkpoint, "haswell")
    assert in_new_process(code, haswell, cpu) == in_new_process(code, cpu)


def test_engines_that_are_gone_leave_nothing_open(bert_bundle: Path) -> None:
    folder = Path("/proc/self/fd")
    if not folder.exists():
        pytest.skip("this system does not say which files are open")
    load(bert_bundle)
    before = len(list(folder.iterdir()))
    for _ in range(3):
        load(bert_bundle)
    assert len(list(folder.iterdir())) == before
