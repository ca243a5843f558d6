"""What is written next to figures: the machine, and a process's memory."""

import json
import subprocess
import sys

import numpy as np
import pytest

from ltp_deploy.hardware import machine
from ltp_deploy.hardware.machine import FLAGS, describe_machine
from ltp_deploy.hardware.memory import peak_mib


def test_a_machine_is_described_in_plain_data() -> None:
    found = json.loads(json.dumps(describe_machine()))
    assert found["cpu"]
    assert set(found["flags"]) <= set(FLAGS)
    assert found["cores"] >= 1
    assert found["memory_gib"] > 0
    assert found["versions"]["numpy"] == np.__version__


@pytest.mark.parametrize(
    ("word", "flags", "expected"),
    [
        ("flags", "fpu sse2 avx2 fma", ["avx2", "fma"]),
        ("Features", "fp asimd crc32 asimddp bf16", ["asimd", "asimddp", "bf16"]),
    ],
)
def test_x86_and_arm_name_what_they_have_in_words_of_their_own(
    word: str, flags: str, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_cpuinfo", lambda: {word: flags})
    found = describe_machine()
    assert found["flags"] == expected
    assert found["cpu"]


def test_the_peak_is_the_processs_own_and_outlasts_what_caused_it() -> None:
    block = bytearray(64 << 20)
    peak = peak_mib()
    assert peak > 64
    del block
    assert peak_mib() > peak - 4  # the kernel counts in batches
    code = "from ltp_deploy.hardware.memory import peak_mib; print(peak_mib())"
    child = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert float(child.stdout) < peak
