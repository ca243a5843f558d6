"""The result of `verify`."""

from __future__ import annotations

from ltp_deploy.report.table import pairs, table
from ltp_deploy.verification.result import Verification


def describe(result: Verification, shown: int = 5) -> str:
    """Accuracy, logits, survivors and FLOPs, then the verdict."""
    blocks = [
        f"{result.bundle}: {result.sequences} sequences, {result.tokens} tokens, {result.precision}"
    ]
    if result.truncated:
        blocks.append(f"{result.truncated} texts are longer than the engine reads, and were cut")
    if result.overrides:
        blocks.append("OVERRIDDEN AT BUILD TIME: " + "; ".join(result.overrides))
    if result.scores:
        models = next(iter(result.scores.values()))
        rows = [[m, *(f"{score[m]:.2f}" for score in result.scores.values())] for m in models]
        blocks.append(table(["", *result.scores], rows))
        blocks += [result.remark] if result.remark else []
    elif result.labelled:
        blocks.append("no score: all labels are the same, which leaves it undefined")
    logits, survivors = result.logits, result.survivors
    source = " (from a reference build)" if result.survivors_from_reference_build else ""
    blocks.append(
        pairs(
            [
                *_answers(result),
                ("logit difference, max", f"{logits.max:.3g}"),
                ("logit difference, max without ties", _number(logits.max_without_ties)),
                ("logit difference, mean", f"{logits.mean:.3g}"),
                (
                    f"survivors in both, of those in either{source}",
                    f"{100 * survivors.agreement:.2f} %",
                ),
                ("sequences whose survivors differ", len(survivors.differences)),
                (f"  within {result.tie_tolerance:g} of the threshold", len(survivors.ties)),
                ("  real disagreements", len(survivors.disagreements)),
                ("FLOPs ratio, authors' count", f"{result.flops_ratio_authors:.2f}x"),
                ("FLOPs ratio, this engine", f"{result.flops_ratio_engine:.2f}x"),
            ]
        )
    )
    alive = [f"{value:.1f}" for value in result.mean_alive]
    layers = ["in", *map(str, range(len(alive) - 1))]
    blocks.append("mean tokens alive after each layer\n" + table(layers, [alive]))
    for d in survivors.disagreements[:shown]:
        blocks.append(
            f"sequence {d.sequence}, layer {d.layer}, tokens {list(d.tokens)}: "
            f"{100 * d.margin:.3g} % from the threshold"
        )
    rows = [[gate.what, f"{gate.found:.4g}{gate.unit}", gate.allowed] for gate in result.gates]
    blocks.append(table(["judged", "found", "allowed"], rows))
    verdict = "FAILED: " + "; ".join(result.failures) if result.failures else "PASSED"
    return "\n\n".join([*blocks, verdict])


def _answers(result: Verification) -> list[tuple[str, object]]:
    """How many labels are others, or how far values are."""
    if result.values is None:
        return [("answers that change", result.logits.flips)]
    return [
        ("RMS error, as a share of the deviation", _number(result.values.error)),
        ("rank correlation", _number(result.values.spearman)),
    ]


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3g}"
