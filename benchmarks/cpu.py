"""Measure the CPU figures: `python benchmarks/cpu.py [--isa ISA] [--quick]`; see README.md."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from random_model import MINILM, ROBERTA_BASE, a21, write_checkpoint

RESULTS = Path(__file__).parent / "results"
ITERATIONS = {"n=128": 60, "n=384": 30, "mixed": 11}
QUICK = {"n=128": 8, "n=384": 5, "mixed": 3}
# Environment variables that limit oneDNN and this project's operators to an instruction set.
LIMITS = {
    "avx2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "LTP_ISA": "avx2"},
    # What the operators choose on an Intel CPU like that: see plugins/openvino/isa.cpp.
    "avx512_bf16": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16", "LTP_ISA": "avx512_bf16_fma"},
}
PRECISIONS = {None: ["f32", "bf16"], "avx2": ["f32"], "avx512_bf16": ["bf16"]}
NOTES = {  # how good the imitation is
    "avx2": "engines and baseline limited to AVX2: oneDNN and the operators by environment "
    "variables, and in the dense model by a Clamp after every matrix product, so that oneDNN's "
    "AVX2 kernel runs instead of MLAS, which knows no limit; LayerNorm is not limited",
    "avx512_bf16": "engines and baseline limited to AVX-512 with bf16, without AMX, by environment "
    "variables",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--isa", choices=list(LIMITS), help="limit engines and baseline to this")
    parser.add_argument(
        "--precision", choices=["f32", "bf16", "int8-dynamic", "int8"], help="measure only this one"
    )
    parser.add_argument("--threads", type=int, help="CPU threads; default: all")
    parser.add_argument("--quick", action="store_true", help="few iterations, no probes")
    parser.add_argument("-o", "--output", type=Path, help="default: in results/, named by the CPU")
    options = parser.parse_args()
    precisions = [options.precision] if options.precision else PRECISIONS[options.isa]
    if options.isa:
        os.environ.update(LIMITS[options.isa])  # before OpenVINO is imported
    for result in run(options.isa, options.threads, precisions, options.quick):
        only = f"-{options.precision}" if options.precision else ""
        output = options.output or RESULTS / f"cpu-{features(result)}{only}.json"
        output.parent.mkdir(exist_ok=True)
        output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        print(f"\nwrote {output}", flush=True)


def run(
    isa: str | None, threads: int | None, precisions: list[str], quick: bool
) -> Iterator[dict[str, Any]]:
    """Measure, print tables, and yield everything known so far after each part, ready for JSON."""
    from report import print_probes, print_speed
    from speed import measure

    from ltp_deploy.hardware.machine import describe_machine

    iterations = QUICK if quick else ITERATIONS
    result: dict[str, Any] = {
        "machine": describe_machine(),
        "isa": isa,
        "threads": threads or len(os.sched_getaffinity(0)),
        "note": NOTES.get(isa or "", ""),
        "begun": time.strftime("%Y-%m-%dT%H:%M:%S"),
        "load_before": os.getloadavg(),
        "speed": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        base, minilm = Path(folder) / "base", Path(folder) / "minilm"
        write_checkpoint(base, ROBERTA_BASE, a21(ROBERTA_BASE.layers))
        write_checkpoint(minilm, MINILM, [1.0] * MINILM.layers)
        single = {name: n for name, n in iterations.items() if name != "mixed"}
        for precision in precisions:
            speed = {
                "RoBERTa-base": measure(base, precision, isa, threads, iterations),
                "MiniLM": measure(minilm, precision, isa, threads, single, pruned=False),
            }
            result["speed"][precision] = speed
            print_speed(precision, speed)
            yield {**result, "load_after": os.getloadavg()}
        if not quick and not isa and precisions == ["f32", "bf16"]:
            result["probes"] = {p: probes(base, Path(folder), p) for p in precisions}
            print_probes(result["probes"])
            yield {**result, "load_after": os.getloadavg()}


def probes(checkpoint: Path, folder: Path, precision: str, repeat: int = 3) -> dict[str, Any]:
    """Measure building an engine and the baseline, then starting them.

    Each measurement is made in `repeat` fresh processes, engine and baseline in turns. Returns a
    list of values by "build" or "start", then by "ours" or "dense".
    """
    from probe import probe

    found: dict[str, Any] = {}
    outputs = {"ours": folder / f"bundle-{precision}", "dense": folder / f"dense-{precision}.xml"}
    for what in ("build", "start"):
        for _ in range(repeat):
            for model, output in outputs.items():
                arguments = [checkpoint, output] if what == "build" else [output]
                values = probe(what, model, *arguments, precision)
                found.setdefault(what, {}).setdefault(model, []).append(values)
    return found


def features(result: dict[str, Any]) -> str:
    """A file name's part: the CPU's most advanced feature, the limit if any, and the threads."""
    ranked = ("amx_bf16", "avx512_bf16", "avx512f", "avx2")
    flags = result["machine"]["flags"]
    best = next((flag for flag in ranked if flag in flags), "baseline").replace("_", "-")
    limit = f"-limited-to-{result['isa']}" if result["isa"] else ""
    return f"{best}{limit}-{result['threads']}-threads"


if __name__ == "__main__":
    main()
