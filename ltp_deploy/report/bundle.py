"""A bundle, for `inspect`."""

from __future__ import annotations

from typing import Any

from ltp_deploy.model.config import EncoderConfig
from ltp_deploy.report.checkpoint import describe as describe_checkpoint
from ltp_deploy.report.table import pairs, table


def describe(manifest: dict[str, Any]) -> str:
    """What it was built from and for, then the model, then the files."""
    made = pairs(
        [
            ("target", f"{manifest['target']} ({manifest['backend']}, {manifest['precision']})"),
            ("platform", " ".join(manifest["platform"].values())),
            ("source", f"{manifest['source']['name']}, sha256 {manifest['source']['sha256'][:16]}"),
            ("versions", ", ".join(f"{k} {v}" for k, v in manifest["versions"].items())),
            ("outputs", "logits and survivors" if manifest["survivors"] else "logits"),
            ("largest request", _limits(manifest["limits"])),
            *_gpu(manifest),
        ]
    )
    files = [(name, f"{entry['bytes']:,}") for name, entry in manifest["files"].items()]
    model = describe_checkpoint(EncoderConfig.from_dict(manifest["model"]))
    return "\n\n".join([made, model, table(["file", "bytes"], files)])


def _limits(limits: dict[str, int]) -> str:
    parts = [f"{limits['max_length']} tokens a sequence"]
    if limits["max_batch"]:
        parts.append(f"{limits['max_batch']} sequences")
    if limits["max_tokens"]:
        parts.append(f"{limits['max_tokens']} tokens in all")
    return ", ".join(parts)


def _gpu(manifest: dict[str, Any]) -> list[tuple[str, str]]:
    if "library" not in manifest:
        return []
    counts = manifest["layers"] or {"plugins": "?", "host_syncs": "?"}
    kernels = "its kernels" if manifest["kernels"] else "no kernels: nvcc was missing"
    plugin = manifest["plugin"] or f"in Python, with {kernels}"
    return [
        ("runs on", f"compute capability {manifest['compute_capability']}"),
        ("loaded by", f"{manifest['library']} {manifest['versions'][manifest['library']]}"),
        ("plugin", f"{plugin}, called {counts['plugins']} times"),
        ("host waits", str(counts["host_syncs"])),
    ]
