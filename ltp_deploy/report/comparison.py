"""A comparison of several engines with the oracle."""

from __future__ import annotations

from collections.abc import Sequence

from ltp_deploy.report.table import table
from ltp_deploy.verification.polygraphy import OutputComparison


def describe(rows: Sequence[OutputComparison]) -> str:
    """One line for each output of each runner."""
    lines = [
        [row.runner, row.output, f"{row.max:.3g}", f"{row.mean:.3g}", "yes" if row.passed else "NO"]
        for row in rows
    ]
    headers = ["against the oracle", "output", "max difference", "mean", "within limits"]
    broken = sum(not row.passed for row in rows)
    verdict = (
        f"FAILED: {broken} of {len(rows)} outputs"
        if broken
        else "all outputs are within these limits; answers are judged without --polygraphy"
    )
    return f"{table(headers, lines)}\n\n{verdict}"
