"""Measure what needs a process of its own: start-up, memory, new lengths, building.

Run as `python probe.py start|build ours|dense ...`; prints one JSON object.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

LENGTHS = (128, 101)  # the first request's, and a new one


def probe(*arguments: object) -> dict[str, Any]:
    """Run this file in a fresh process."""
    command = [sys.executable, __file__, *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def start_ours(bundle: str, precision: str) -> dict[str, Any]:
    import ltp_deploy

    def opened() -> Callable[[np.ndarray], object]:
        engine = ltp_deploy.load(bundle)
        return lambda ids: engine(input_ids=ids)

    return _start(opened)


def start_dense(model: str, precision: str) -> dict[str, Any]:
    import openvino as ov

    from ltp_deploy.backends.openvino.session import compile_settings

    def opened() -> Callable[[np.ndarray], object]:
        settings = compile_settings(precision)
        core = ov.Core()
        compiled = core.compile_model(core.read_model(model), "CPU", settings)
        return lambda ids: compiled([ids, np.ones_like(ids)])

    return _start(opened)


def _start(opened: Callable[[], Callable[[np.ndarray], object]]) -> dict[str, Any]:
    load, call = _timed(opened)
    result = {"load_ms": load}
    for name, length in zip(("first", "new_length"), LENGTHS, strict=True):
        ids = np.random.default_rng(0).integers(3, 30000, (1, length))
        result[f"{name}_request_ms"] = _timed(lambda ids=ids: call(ids))[0]
        again = [_timed(lambda ids=ids: call(ids))[0] for _ in range(15)]
        result[f"{name}_again_ms"] = float(np.median(again))
    return {**result, **_memory()}


def build_ours(checkpoint: str, output: str, precision: str) -> dict[str, Any]:
    import openvino  # noqa: F401  imports are not part of the build
    import transformers  # noqa: F401

    from ltp_deploy.builder.build import build
    from ltp_deploy.bundle.options import BuildOptions

    milliseconds, _ = _timed(
        lambda: build(checkpoint, output, BuildOptions(precision=precision), force=True)
    )
    return {"build_ms": milliseconds, **_memory()}


def build_dense(checkpoint: str, output: str, precision: str) -> dict[str, Any]:
    import openvino as ov
    import transformers

    from ltp_deploy.benchmark.baselines.dense import DenseModel
    from ltp_deploy.benchmark.baselines.openvino import convert

    def build() -> None:
        model = transformers.AutoModelForSequenceClassification.from_pretrained(checkpoint)
        ov.save_model(convert(DenseModel(model.eval(), False)), output, compress_to_fp16=False)

    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    milliseconds, _ = _timed(build)
    return {"build_ms": milliseconds, **_memory()}


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    begin = time.perf_counter()
    value = call()
    return 1e3 * (time.perf_counter() - begin), value


def _memory() -> dict[str, float]:
    """Memory in MiB: the peak; and of what is in use now, the private part and mapped files."""
    from ltp_deploy.hardware.memory import peak_mib

    status = Path("/proc/self/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    parts = {"anonymous_mib": "RssAnon", "files_mib": "RssFile"}
    now = {name: int(fields[key].split()[0]) / 1024 for name, key in parts.items()}
    return {"peak_mib": peak_mib(), **now}


if __name__ == "__main__":
    what, model, *rest = sys.argv[1:]
    print(json.dumps(globals()[f"{what}_{model}"](*rest)))
