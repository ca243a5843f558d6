"""Draw docs/speed.svg: `python benchmarks/plot.py benchmarks/results/FILE.json`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from speed import DENSE, OURS, UNPRUNED

CASES = {
    "n=128": "one sequence,\n128 tokens",
    "n=384": "one sequence,\n384 tokens",
    "mixed": "32 sequences,\n8 to 128 tokens",
}
BARS = {
    DENSE: ("dense OpenVINO, padded", "#b0b7c3"),
    UNPRUNED: ("ltp-deploy, nothing pruned", "#7fb3d5"),
    OURS: ("ltp-deploy", "#1f618d"),
}
OUTPUT = Path(__file__).parent.parent / "docs" / "speed.svg"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("result", type=Path)
    result = json.loads(parser.parse_args().result.read_text())
    plt.rcParams["svg.hashsalt"] = "ltp-deploy"  # the same file for the same figures
    figure, panels = plt.subplots(1, len(result["speed"]), figsize=(10, 3.6), sharey=True)
    for panel, (precision, models) in zip(panels, result["speed"].items(), strict=True):
        _draw(panel, precision, models["RoBERTa-base"])
    panels[0].set_ylabel("speed against dense OpenVINO")
    panels[0].legend(frameon=False, loc="upper left")
    figure.tight_layout()
    figure.savefig(OUTPUT, metadata={"Date": None})
    print(f"wrote {OUTPUT}")


def _draw(panel: plt.Axes, precision: str, cases: dict) -> None:
    """Draw one precision: a group of bars for each case."""
    width = 0.27
    for i, (runner, (label, colour)) in enumerate(BARS.items()):
        for place, case in enumerate(CASES):
            times = cases[case]["sides"]
            ratio = times[DENSE]["median_ms"] / times[runner]["median_ms"]
            bar = panel.bar(place + (i - 1) * width, ratio, width, color=colour, label=label)
            panel.bar_label(bar, [f"{ratio:.2f}x"], fontsize=7, padding=1)
            label = "_" + label  # one legend entry per runner
    panel.set_xticks(range(len(CASES)), CASES.values())
    panel.set_title(precision, loc="left", fontweight="bold")
    panel.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    main()
