"""Clocks and power in `make gpu-check`, from an nvidia-smi that is a script."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.programs import program

NVIDIA_SMI = """#!/bin/sh
case "$*" in *{refused}*) echo 'Field "x" is not a valid field to query.'; exit 2;; esac
echo "210, 405, 10.5, [N/A], 0x0000000000000001"
while sleep 0.02; do echo "1590, 5001, 69.9, 61, 0x0000000000000024"; done
"""


@pytest.mark.parametrize("refused", ["nothing", "clocks_event_reasons"])
def test_sensors_say_how_the_gpu_was_before_during_and_after(
    refused: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gpu_sensors import Sensors
    from gpu_timing import Timed

    program(tmp_path / "nvidia-smi", NVIDIA_SMI.format(refused=refused))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with Sensors() as sensors:
        assert sensors.missing == ""
        begin = sensors.samples[0][0]
        while len(sensors.samples) < 3:
            time.sleep(0.01)
        timed = Timed(1e-3, 2e-3, begin, sensors.samples[1][0])
        (row,) = sensors.described([({"kernels": "attention"}, timed)])
    states = row["sensors"]
    assert states["before"] == {
        "sm_mhz": 210,
        "memory_mhz": 405,
        "watts": 10.5,
        "held_by": ["idle"],
    }
    busy = ["power cap", "thermal slowdown"]
    loaded = {"sm_mhz": 1590, "memory_mhz": 5001, "watts": 69.9, "celsius": 61, "held_by": busy}
    assert states["during"] == states["after"] == loaded
    assert row["kernels"] == "attention"
    assert row["sm_mhz"] == 1590


@pytest.mark.parametrize("script", [None, "#!/bin/sh\necho 'No devices were found'\nexit 6\n"])
def test_without_sensors_the_reason_is_named(
    script: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gpu_sensors import Sensors
    from gpu_timing import Timed

    if script:
        program(tmp_path / "nvidia-smi", script)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin" if script else str(tmp_path))
    with Sensors() as sensors:
        rows = sensors.described([({"kernels": "attention"}, Timed(1, 1, 0, 1))])
    assert rows[0] == {"kernels": "attention"}
    assert "nvidia-smi" in rows[1]["skipped"]
    assert ("No devices" in rows[1]["skipped"]) == bool(script)
