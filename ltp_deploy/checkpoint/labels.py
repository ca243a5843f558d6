"""The names of a model's classes, from config.json."""

from __future__ import annotations

from typing import Any

from ltp_deploy.data.labels import generic_names
from ltp_deploy.errors import CheckpointError


def read_labels(config: dict[str, Any], outputs: int) -> tuple[str, ...]:
    """The name of each of the classifier's outputs; () where config.json has none of its own.

    Args:
        config: config.json as it stands in the file, without defaults.
        outputs: how many outputs the classifier's weights have.

    Raises:
        CheckpointError: names that do not say which output each belongs to, or the same name for
            two, or another number of outputs than the weights have.
    """
    if config.get("num_labels") not in (None, outputs):  # transformers ignores `_num_labels`
        raise CheckpointError(
            f"config.json: num_labels is {config['num_labels']!r}, but the classifier has "
            f"{outputs} outputs"
        )
    entry = config.get("id2label")
    if entry is None:
        return ()
    names = _in_order(entry)
    if len(names) != outputs:
        raise CheckpointError(
            f"config.json names {len(names)} labels, but the classifier has {outputs} outputs; "
            "correct id2label, or remove it"
        )
    first: dict[str, int] = {}
    for i, name in enumerate(name.strip() for name in names):
        if not name:
            raise CheckpointError(f"config.json: id2label calls output {i} {names[i]!r}")
        if first.setdefault(name, i) != i:
            raise CheckpointError(
                f"config.json: id2label calls both output {first[name]} and output {i} {name!r}; "
                "give each its own name"
            )
    return () if names == generic_names(outputs) else names


def _in_order(entry: Any) -> tuple[str, ...]:
    """The names by the outputs' numbers, which must be 0, 1, 2, ... without a gap."""
    if not isinstance(entry, dict):
        raise CheckpointError(
            f'config.json: id2label must be an object {{"0": name, ...}}, found {entry!r}'
        )
    numbers = [str(i) for i in range(len(entry))]
    if set(entry) != set(numbers):
        raise CheckpointError(
            "config.json: the keys of id2label must be the outputs' numbers, "
            f"0 to {len(numbers) - 1}; found {', '.join(map(str, entry)):.200}"
        )
    for number, name in entry.items():
        if not isinstance(name, str | int | float):
            raise CheckpointError(f"config.json: id2label calls output {number} {name!r}")
    return tuple(str(entry[number]) for number in numbers)
