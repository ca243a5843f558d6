"""The plan of a build, and what a build wrote."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ltp_deploy.backends.table import find_backend
from ltp_deploy.bundle.manifest import Manifest
from ltp_deploy.bundle.plan import Prediction
from ltp_deploy.compiler.plan import LayerPlan, Plan
from ltp_deploy.model.config import EncoderConfig, padded_head_size
from ltp_deploy.report.table import mega, table

CARRIES = {
    "ALL": "all rows",
    "SURVIVORS": "survivors (compacts)",
    "FIRST": "first token only",
    "BOUNDED": "survivors, in as many rows",
}


def describe(plan: Plan, config: EncoderConfig, target: str) -> str:
    """The plan as a table; token and FLOPs columns are per sequence and need a profile."""
    rows = [_row(i, layer) for i, layer in enumerate(plan.layers)]
    headers = ["layer", "rule", "carries on", "precision", "tokens in", "tokens out", "Mflops"]
    if plan.prediction:
        headers += ["ms", "dense ms"]
        dense = 1e3 * plan.prediction.dense / len(plan.layers)
        rows = [[*row, f"{dense:.3f}"] for row in rows]
    lines = [
        f"plan for target {target}: {config.family}, {config.layers} layers of "
        f"{config.hidden_size}, {config.heads} heads{_padding(config)}",
        conventions(config),
        "",
        table(headers, rows),
    ]
    flops = [layer.flops.total for layer in plan.layers if layer.flops]
    if flops:
        lines.append(f"\ntotal {mega(sum(flops))} Mflops (multiply-adds) per sequence")
    else:
        lines.append("\n--profile-data DATA measures survivors and fills the empty columns")
    if plan.prediction:
        lines.append(f"\n{predicted(plan.prediction)}")
    return "\n".join(lines)


def _padding(config: EncoderConfig) -> str:
    """What is said of heads that do not fit the kernels."""
    if config.context_size == config.hidden_size:
        return ""
    return f" of {config.head_size} values, computed as {padded_head_size(config.head_size)}"


def conventions(config: EncoderConfig) -> str:
    """Score denominator, first-token policy and thresholds of labels, which silently change what a
    model means."""
    policy, labels = config.policy, ""
    if config.label_thresholds:
        names = config.labels or range(config.num_labels)
        known = zip(names, config.label_thresholds, strict=True)
        labels = f"\nlabels hold above {thresholds(known)}"
    if not policy.prunes:
        return f"dense: this checkpoint prunes nothing{labels}"
    length = policy.score_length or "sequence (each sequence's own length)"
    first = "never pruned (keep)" if policy.keep_first else "may be pruned (reference)"
    return f"score length D = {length}; first token {first}{labels}"


def thresholds(known: Iterable[tuple[object, float]]) -> str:
    """Labels with the probabilities above which they hold."""
    return ", ".join(f"{name} {threshold:.4g}" for name, threshold in known)


def _row(number: int, layer: LayerPlan) -> list[str]:
    return [
        str(number),
        str(layer.rule) + ("" if layer.scores or not layer.rule.prunes else " (not needed)"),
        CARRIES[layer.carry.name],
        layer.precision,
        "" if layer.entering is None else f"{layer.entering:.1f}",
        "" if layer.carried is None else f"{layer.carried:.1f}",
        "" if layer.flops is None else mega(layer.flops.total),
        *([] if layer.seconds is None else [f"{1e3 * layer.seconds:.3f}"]),
    ]


def predicted(prediction: Prediction) -> str:
    """What the cost model says of a typical request."""
    survivors = "measured" if prediction.measured else "assumed (give --profile-data)"
    return (
        f"predicted on a {prediction.gpu}, for a request of {prediction.sequences} sequences "
        f"with {prediction.tokens} tokens in all, survivors {survivors}: "
        f"{1e3 * prediction.seconds:.2f} ms, dense without padding "
        f"{1e3 * prediction.dense:.2f} ms, {prediction.dense / prediction.seconds:.2f}x"
    )


def built(manifest: Manifest, output: Path) -> str:
    """The closing lines of `build`."""
    size = sum(entry.bytes for entry in manifest.files.values())
    lines = [
        f"built {output} for {manifest.target} ({manifest.backend}, {manifest.precision}), "
        f"{size / 1e6:.0f} MB",
        conventions(manifest.model),
        *find_backend(manifest.backend).notes(manifest),
        *_tokenizer_notes(manifest),
    ]
    if manifest.parity is None:
        lines.append("not run: this machine cannot run the engine, so verify it where it runs")
    else:
        worst = manifest.parity.max_logit_difference
        lines.append(f"self-check against the oracle: logits differ by at most {worst:.2g}")
    return "\n".join(lines)


def _tokenizer_notes(manifest: Manifest) -> list[str]:
    """What a user of texts must know."""
    record, rows = manifest.tokenizer, manifest.model.vocab_size
    if record is None:
        return ["no tokenizer: the engine takes token ids, no texts"]
    notes = []
    if record.size > rows:
        notes.append(
            f"the tokenizer knows {record.size} tokens, the model {rows}: texts with one of the "
            "others are refused"
        )
    if record.library == "transformers":
        notes.append(
            "the tokenizer exists in Python alone: texts need the extra [python-tokenizers], token "
            "ids need nothing"
        )
    if record.cpp_texts is not None and record.cpp_texts.pairs is None:
        notes.append(
            "C++ reads single texts alone: openvino-tokenizers reads pairs otherwise than the "
            "checkpoint's tokenizer"
        )
    return notes
