"""A bundle, for `inspect`."""

from __future__ import annotations

from ltp_deploy.backends.table import find_backend
from ltp_deploy.bundle.limits import Limits
from ltp_deploy.bundle.manifest import Manifest
from ltp_deploy.report.checkpoint import describe as describe_checkpoint
from ltp_deploy.report.table import pairs, table


def describe(manifest: Manifest) -> str:
    """What it was built from and for, then the model, then the files."""
    made = pairs(
        [
            ("target", f"{manifest.target} ({manifest.backend}, {manifest.precision})"),
            ("platform", str(manifest.platform)),
            ("source", f"{manifest.source.name}, sha256 {manifest.source.sha256[:16]}"),
            ("versions", ", ".join(f"{k} {v}" for k, v in manifest.versions.items())),
            ("outputs", "logits and survivors" if manifest.options.survivors else "logits"),
            ("tokenizer", _tokenizer(manifest)),
            ("profile", _profile(manifest)),
            ("largest request", _limits(manifest.limits)),
            *find_backend(manifest.backend).describe(manifest),
        ]
    )
    files = [(name, f"{entry.bytes:,}") for name, entry in manifest.files.items()]
    model = describe_checkpoint(manifest.model)
    return "\n\n".join([made, model, table(["file", "bytes"], files)])


def _tokenizer(manifest: Manifest) -> str:
    record = manifest.tokenizer
    if record is None:
        return "none: the engine takes token ids"
    found = f"{record.size} tokens, read by {record.library}"
    cpp = record.cpp_texts
    if cpp is None:
        return found
    kinds = "texts" if cpp.pairs is None else "texts and pairs"
    return f"{found}; {kinds} in C++ by openvino-tokenizers {cpp.version}"


def _profile(manifest: Manifest) -> str:
    profile = manifest.profile
    if profile is None:
        return "none: nothing was measured"
    return f"of {profile.sequences} sequences with {profile.tokens:.1f} tokens on average"


def _limits(limits: Limits) -> str:
    parts = [f"{limits.max_length} tokens a sequence"]
    if limits.max_batch:
        parts.append(f"{limits.max_batch} sequences")
    if limits.max_tokens:
        parts.append(f"{limits.max_tokens} tokens in all")
    return ", ".join(parts)
