"""The plan of a build, and what a build wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ltp_deploy.compiler.int8 import INT8, slow_words
from ltp_deploy.compiler.plan import LayerPlan, Plan, Prediction
from ltp_deploy.model.config import EncoderConfig
from ltp_deploy.report.table import mega, table

_CARRIES = {
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
        f"{config.hidden_size}, {config.heads} heads",
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
        lines.append(_predicted(plan.prediction))
    return "\n".join(lines)


def _engine(manifest: dict[str, Any]) -> list[str]:
    counts, library = manifest["layers"], manifest["library"]
    made = (
        f"{library} {manifest['versions'][library]} built it in "
        f"{manifest['built']['seconds']:.1f} s for compute capability "
        f"{manifest['compute_capability']}"
    )
    if counts:
        made += (
            f": {counts['plugins']} attention plugins, {counts['host_syncs']} host waits, "
            f"{counts['products']} matrix products, {counts['products_fp16']} in fp16 and "
            f"{counts['products_int8']} in int8"
        )
    lines = [made]
    if manifest["run_by"] != library:
        lines.append(
            "int8 is promised for TensorRT itself: where the engine runs, build it with --library "
            f"tensorrt; nobody has shown that {library} runs it well"
        )
    if manifest["plugin"] or manifest["kernels"]:
        return lines
    return [
        *lines,
        "it brings no CUDA kernels, as there was no nvcc when this ltp-deploy was built; where it "
        "runs, build ltp-deploy with nvcc",
    ]


def conventions(config: EncoderConfig) -> str:
    """Score denominator and first-token policy, which silently change what a model means."""
    policy = config.policy
    if not policy.prunes:
        return "dense: this checkpoint prunes nothing"
    length = policy.score_length or "sequence (each sequence's own length)"
    first = "never pruned (keep)" if policy.keep_first else "may be pruned (reference)"
    return f"score length D = {length}; first token {first}"


def _row(number: int, layer: LayerPlan) -> list[str]:
    return [
        str(number),
        str(layer.rule) + ("" if layer.scores or not layer.rule.prunes else " (not needed)"),
        _CARRIES[layer.carry.name],
        layer.precision,
        "" if layer.entering is None else f"{layer.entering:.1f}",
        "" if layer.carried is None else f"{layer.carried:.1f}",
        "" if layer.flops is None else mega(layer.flops.total),
        *([] if layer.seconds is None else [f"{1e3 * layer.seconds:.3f}"]),
    ]


def _predicted(prediction: Prediction) -> str:
    survivors = "measured" if prediction.measured else "assumed (give --profile-data)"
    return (
        f"\npredicted on a {prediction.gpu}, for a request of {prediction.sequences} sequences "
        f"with {prediction.tokens} tokens in all, survivors {survivors}: "
        f"{1e3 * prediction.seconds:.2f} ms in the layers, dense fp16 without padding "
        f"{1e3 * prediction.dense:.2f} ms, {prediction.dense / prediction.seconds:.2f}x"
    )


def built(manifest: dict[str, Any], output: Path) -> str:
    """The closing words of `build`."""
    config = EncoderConfig.from_dict(manifest["model"])
    size = sum(file.stat().st_size for file in output.rglob("*") if file.is_file())
    lines = [
        f"built {output} for {manifest['target']} ({manifest['backend']}, "
        f"{manifest['precision']}), {size / 1e6:.0f} MB",
        conventions(config),
    ]
    if "library" in manifest:
        lines += _engine(manifest)
    if manifest["backend"] == "openvino" and manifest["precision"] in INT8:
        lines += filter(None, [slow_words(manifest["isa"])])
    if "parity" in manifest:
        worst = manifest["parity"]["max_logit_difference"]
        lines.append(f"self-check against the oracle: logits differ by at most {worst:.2g}")
    return "\n".join(lines)
