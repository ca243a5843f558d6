"""What `score` did, in words."""

from __future__ import annotations

from ltp_deploy.progress import duration
from ltp_deploy.score.score import Scored


def describe(scored: Scored) -> str:
    lines = [f"scored {scored.rows:,} rows, {scored.tokens:,} tokens: {scored.output}"]
    if scored.new_rows:
        seconds = max(scored.seconds, 1e-9)
        part = "" if scored.new_rows == scored.rows else f"{scored.new_rows:,} rows of them now, "
        lines.append(
            f"{part}in {duration(scored.seconds)}: {scored.new_rows / seconds:,.1f} rows and "
            f"{scored.new_tokens / seconds:,.0f} tokens per second"
        )
    if scored.failed:
        lines.append(f"{scored.failed:,} rows have no answer: {scored.failed_file} says why")
    return "\n".join(lines)
