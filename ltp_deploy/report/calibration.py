"""What a calibration found."""

from __future__ import annotations

from pathlib import Path

from ltp_deploy.calibration.artifact import PERCENTILES, Calibration
from ltp_deploy.report.table import table


def describe(calibration: Calibration, path: Path) -> str:
    """Lengths, and for each length how many tokens are alive after every layer."""
    sample, lengths = calibration.sample, calibration.lengths()
    words = ", ".join(f"{name} {value:.0f}" for name, value in lengths.items())
    layers = calibration.profile.alive.shape[1] - 1
    rows = [
        [
            f"{entry['up_to']}",
            str(entry["sequences"]),
            *(
                f"{mean:.0f} ({low:.0f}-{high:.0f})"
                for mean, low, high in zip(
                    entry["mean"],
                    entry[f"p{PERCENTILES[0]}"],
                    entry[f"p{PERCENTILES[-1]}"],
                    strict=True,
                )
            ),
        ]
        for entry in calibration.survivors()
    ]
    headers = ["tokens up to", "texts", *(f"layer {i}" for i in range(layers))]
    return "\n".join(
        [
            f"calibrated on {sample.count} texts of {sample.name}; tokens: {words}",
            "",
            f"tokens alive after each layer: mean ({PERCENTILES[0]} % to {PERCENTILES[-1]} %)",
            table(headers, rows),
            "",
            f"ranges of {len(calibration.ranges)} linear layers in {path}",
        ]
    )
