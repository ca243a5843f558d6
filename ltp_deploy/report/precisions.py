"""The precisions that a build chose from."""

from __future__ import annotations

from ltp_deploy.builder.precision_search import NOISE, Candidate, Searched
from ltp_deploy.report.table import table


def describe(found: Searched) -> str:
    """Each engine that was judged, and each precision that was not tried."""
    headers = ["precision", "kept out of int8", "points", "ms a text", "verdict"]
    rows = [_row(candidate, found) for candidate in found.candidates]
    rows += [[name, "", "", "", f"not tried: {why}"] for name, why in found.skipped.items()]
    lines = [
        table(headers, rows),
        f"points: of the score, against the f32 oracle; {found.max_drop:g} may be lost",
    ]
    if found.chosen.seconds is not None:
        lines.append(
            "ms a text: median of requests of the usual size, all engines timed in turn on this "
            f"machine; of those within {100 * NOISE - 100:.0f} % of the fastest the most exact is "
            "taken"
        )
    return "\n".join(lines)


def _row(candidate: Candidate, found: Searched) -> list[str]:
    variant, seconds = candidate.variant, candidate.seconds
    verdict = "passes" if candidate.passes else "loses too much"
    return [
        variant.precision,
        ", ".join(f"layer {layer}" for layer in variant.not_int8),
        f"{0 - candidate.drop:+.2f}",
        "" if seconds is None else f"{1e3 * seconds:.3g}",
        "chosen" if candidate is found.chosen else verdict,
    ]
