"""Prove and time the CUDA kernels on an NVIDIA GPU: `make gpu-check`; see README.md.

Takes ten minutes at most. Needs nvcc, PyTorch with CUDA, transformers and cuda-python, and no
network. The exit status is 1 if something is wrong; a missed goal is only reported.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from pathlib import Path

import torch
from gpu_run import Check, run_steps
from gpu_steps import STEPS, T4

from ltp_deploy.hardware.gpu import gpus
from ltp_deploy.hardware.machine import describe_machine

RESULTS = Path(__file__).parent / "results"
DEMO = Path(__file__).parents[1] / "out" / "demo" / "model"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    demo = DEMO if DEMO.exists() else None
    parser.add_argument(
        "--checkpoint",
        type=Path,
        default=demo,
        help="checked too, besides random ones; default: `make demo`'s",
    )
    parser.add_argument("--seconds", type=float, default=4.0, help="of timing, per case")
    parser.add_argument(
        "--rehearse", action="store_true", help="on the CPU in small, whatever needs no GPU"
    )
    parser.add_argument("-o", "--output", type=Path, help="default: in results/, named by the GPU")
    options = parser.parse_args()
    present = gpus()
    if not options.rehearse and not (present and torch.cuda.is_available()):
        sys.exit(
            f"no GPU: the driver finds {len(present)}, and PyTorch {torch.__version__} "
            f"{'finds one' if torch.cuda.is_available() else 'none'}; --rehearse runs the rest"
        )
    output = options.output
    if output and not output.parent.is_dir():
        sys.exit(f"-o {output}: there is no folder {output.parent}; make it first")
    with tempfile.TemporaryDirectory() as folder:
        if options.rehearse:
            check = Check("cpu", "rehearsal on the CPU", T4, Path(folder), options.checkpoint)
        else:
            gpu = present[0]
            check = Check(
                "cuda",
                gpu.name,
                gpu.compute_capability,
                Path(folder),
                options.checkpoint,
                options.seconds,
            )
            chip = re.sub(r"[^a-z0-9]+", "-", gpu.name.lower())
            output = output or RESULTS / f"gpu-{chip}.json"
        about = {
            "machine": describe_machine(),
            "chip": check.chip,
            "compute_capability": None if check.rehearsal else check.capability,
            "begun": time.strftime("%FT%T"),
        }
        failed = run_steps(STEPS, check, about, output)
    _summarize(check)
    print(f"{'FAILED: ' + ', '.join(failed) if failed else 'everything passed'}")
    sys.exit(1 if failed else 0)


def _summarize(check: Check) -> None:
    """What was left out, by name."""
    ran = [step.name for step in STEPS if not all("skipped" in r for r in check.rows[step.name])]
    print(f"\n{'ran in small' if check.rehearsal else 'ran'}: {', '.join(ran)}")
    for name, rows in check.rows.items():
        for row in rows:
            if "skipped" in row:
                print(f"skipped in {name}: {row['skipped']}")


if __name__ == "__main__":
    main()
