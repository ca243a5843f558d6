"""The head of the page: what this is about, and the figures that people look for first."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from ltp_deploy import __version__
from ltp_deploy.report.page.documents.benchmarked import CaseTimes
from ltp_deploy.report.page.findings import BundleFacts, Findings
from ltp_deploy.report.page.markup import Child, element, pairs, times


def header(findings: Findings) -> Element:
    """Title and facts."""
    bundle = findings.bundle
    if bundle is None:
        lead = "A checkpoint, and how it came to prune. No engine is built from it yet."
        sources = [found for found in (findings.tuned, findings.learned) if found is not None]
        facts: list[tuple[str, Child]] = [
            ("checkpoint", element("code", found.checkpoint_sha256)) for found in sources
        ]
    else:
        manifest = bundle.manifest
        model = f"{manifest.source.name} ({manifest.model.family}, {manifest.model.layers} layers)"
        lead = f"{model}, built for {manifest.target} in {manifest.precision}."
        facts = _facts(bundle)
    title = element("h1", findings.name)
    made = ("page by", f"ltp-deploy {__version__}")
    return element(
        "header", title, element("p", lead, class_="lead"), pairs([*facts, made]), class_="top"
    )


def _facts(bundle: BundleFacts) -> list[tuple[str, Child]]:
    manifest = bundle.manifest
    size = sum(entry.bytes for entry in manifest.files.values()) / 1e6
    versions = dict(manifest.versions)
    builder = versions.pop("ltp_deploy", "an unknown version")
    others = ", ".join(f"{name} {version}" for name, version in versions.items())
    return [
        ("target", f"{manifest.target} ({manifest.backend}), {manifest.platform}"),
        ("precision", manifest.precision),
        ("bundle", element("code", bundle.sha256)),
        ("checkpoint", element("code", manifest.source.sha256)),
        ("size", f"{size:,.0f} MB" if size >= 10 else f"{size:.1f} MB"),
        ("written", f"{bundle.written:%Y-%m-%d %H:%M %Z}, the time of its manifest's file"),
        ("built by", f"ltp-deploy {builder} with {others}"),
    ]


def cards(findings: Findings) -> list[Element]:
    """A panel for each thing that is known."""
    found = []
    verified, tuned, learned = findings.verified, findings.tuned, findings.learned
    if verified is not None:
        failed = len(verified.failures)
        judged = f"{sum(gate.passed for gate in verified.gates)} of {len(verified.gates)} gates"
        word, kind = ("FAILED", "failed") if failed else ("PASSED", "passed")
        about = f"{judged} passed on {verified.sequences:,} texts"
        found.append(_card("Parity", word, about, kind))
        ratio = times(verified.flops_ratio_engine)
        found.append(_card("FLOPs", ratio, "fewer than the dense model, in this engine"))
        for metric, models in list(verified.scores.items())[:1]:
            score, dense = models["engine"], models["dense"]
            if score is not None and dense is not None:
                lost = f"{score - dense:+.2f} points against the dense model"
                found.append(_card(f"Score, {metric}", f"{score:.2f}", lost))
    elif tuned is not None:
        at = f"estimated at {times(tuned.estimate.pruned.flops_ratio)} fewer FLOPs"
        drop = tuned.estimate.pruned.score - tuned.estimate.dense.score
        found.append(_card("Score against dense", f"{drop:+.2f}", at))
    elif learned is not None:
        at = f"points at {times(learned.pruned.flops_ratio)} fewer FLOPs"
        drop = learned.pruned.score - learned.dense.score
        found.append(_card("Score against dense", f"{drop:+.2f}", at))
    if findings.benchmarked is not None:
        found += [card for case in findings.benchmarked.cases[:2] for card in _speed(case)]
    return found


def _speed(case: CaseTimes) -> list[Element]:
    """Against the fastest of the others."""
    others = case.runners[1:]
    if not others:
        return [_card(f"Latency, {case.name}", f"{case.runners[0].p50_ms:.3g} ms", "median")]
    best = min(others, key=lambda runner: runner.time_ratio)
    return [
        _card(
            f"Speed, {case.name}",
            times(best.time_ratio),
            f"against the fastest other: {best.name}",
        )
    ]


def _card(title: str, figure: str, about: str, kind: str = "") -> Element:
    verdict = element("p", figure, class_=f"verdict {kind}".strip())
    return element("div", element("p", title, class_="name"), verdict, element("p", about))
