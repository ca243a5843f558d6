"""Whether the engine computes what the checkpoint means."""

from __future__ import annotations

from collections.abc import Sequence

from ltp_deploy.bundle.manifest import Parity
from ltp_deploy.report.page.documents.verified import JudgedGate, Verified
from ltp_deploy.report.page.findings import Findings
from ltp_deploy.report.page.markup import Child, element, note, pairs, table, times
from ltp_deploy.report.page.section import Missing

VERIFY = "ltp-deploy verify BUNDLE --against CHECKPOINT --data DATA --json > V.json"


def content(findings: Findings) -> Sequence[Child] | Missing:
    """The verdict, the gates, the score, and what was compared."""
    found = findings.verified
    if found is None:
        own = findings.bundle.manifest.parity if findings.bundle is not None else None
        return Missing(f"not verified on data{_self_check(own)}", VERIFY)
    return [
        _verdict(found),
        *_failures(found),
        table(
            ["judged", "found", "allowed", "verdict"],
            [_gate(gate) for gate in found.gates],
            "What was judged, and by which limits",
            numbers=False,
        ),
        *_scores(found),
        element("h3", "What was compared"),
        pairs(_facts(found)),
        *(note(f"Overridden when it was built: {word}.") for word in found.overrides),
    ]


def _self_check(own: Parity | None) -> str:
    if own is None:
        return ""
    return (
        f"; the build's own check on {own.sequences} random sequences found logits that differ by "
        f"at most {own.max_logit_difference:.2g}"
    )


def _verdict(found: Verified) -> Child:
    words = "FAILED" if found.failures else "PASSED"
    about = f" on {found.sequences:,} texts with {found.tokens:,} tokens, against the f32 oracle"
    return element("p", words, element("small", about), class_=f"verdict {words.lower()}")


def _failures(found: Verified) -> list[Child]:
    if not found.failures:
        return []
    return [element("ul", *(element("li", failure) for failure in found.failures), class_="failed")]


def _gate(gate: JudgedGate) -> list[Child]:
    number = "not finite" if gate.found is None else f"{gate.found:.4g}{gate.unit}"
    word = "passed" if gate.passed else "FAILED"
    return [gate.what, number, gate.allowed, element("span", word, class_=word.lower())]


def _scores(found: Verified) -> list[Child]:
    if not found.scores:
        return [note("No score: the data has no labels that define one.")]
    names = {"dense": "without pruning", "oracle": "oracle, pruned", "engine": "this engine"}
    rows = [
        [metric, *("undefined" if (s := models[n]) is None else f"{s:.2f}" for n in names)]
        for metric, models in found.scores.items()
    ]
    parts: list[Child] = [
        element("h3", "Score"),
        table(["", *names.values()], rows, "Scores of the models"),
    ]
    return [*parts, note(found.remark)] if found.remark else parts


def _facts(found: Verified) -> list[tuple[str, Child]]:
    logits, survivors = found.logits, found.survivors
    source = ", of a reference build" if found.survivors_from_reference_build else ""
    certain = "every sequence has a tie" if logits.max is not None else "not finite"
    differing = survivors.sequences_that_differ
    facts: list[tuple[str, Child]] = [
        ("largest difference of a logit", _number(logits.max)),
        ("without sequences with a tie", _number(logits.max_without_ties, certain)),
        ("mean difference", _number(logits.mean)),
    ]
    if logits.flips is not None:
        facts.append(("answers that change", str(logits.flips)))
    if found.values is not None:
        facts += [
            ("RMS error, of the deviation", _number(found.values.error, "undefined")),
            ("rank correlation", _number(found.values.spearman, "undefined")),
        ]
    if survivors.agreement is not None:
        facts.append((f"survivors in both{source}", f"{100 * survivors.agreement:.2f} %"))
    facts += [
        ("sequences whose survivors differ", f"{differing}, of which {survivors.ties} have a tie"),
        ("a tie is", f"within {100 * found.tie_tolerance:g} % of the threshold"),
        ("fewer FLOPs, authors' count", times(found.flops_ratio_authors)),
        ("fewer FLOPs, this engine", times(found.flops_ratio_engine)),
    ]
    if found.truncated:
        facts.append(("texts that were cut", str(found.truncated)))
    return facts


def _number(value: float | None, missing: str = "not finite") -> str:
    return missing if value is None else f"{value:.3g}"
