"""What `score` wrote, as rows."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from pyarrow import parquet


def rows_of(output: Path) -> list[dict[str, Any]]:
    """Of a file, or of the parts of a folder in the order of their names."""
    if output.is_dir():
        return [row for part in sorted(output.iterdir()) for row in rows_of(part)]
    if output.suffix == ".parquet":
        return parquet.read_table(output).to_pylist()
    with output.open(encoding="utf-8", newline="") as file:
        if output.suffix == ".jsonl":
            return [json.loads(line) for line in file]
        return list(csv.DictReader(file))


def failures_of(output: Path) -> dict[int, str]:
    """The reasons by the rows' numbers, counted from 1."""
    path = output.with_name(f"{output.name}.failed.jsonl")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {entry["row"]: entry["reason"] for entry in map(json.loads, lines)}


def write_jsonl(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
