"""Which share of the tokens is left after each layer: what the plan expects, and what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ltp_deploy.report.page.findings import BundleFacts, Findings
from ltp_deploy.report.page.markup import Child, note, table
from ltp_deploy.report.page.section import Missing
from ltp_deploy.report.page.svg import Axis, Plot, figure

EXPECTED, ROWS = "expected by the plan, mean", "rows that the engine holds"
MEDIAN, SPREAD = "median", "10 % to 90 %"
MOST_TICKS = 13

Shares = Mapping[str, Sequence[float]]  # by series, L+1 shares of the tokens


def content(findings: Findings) -> Sequence[Child] | Missing:
    """A plot of shares over layers."""
    bundle = findings.bundle
    if bundle is None:
        return Missing("nothing is built yet", "ltp-deploy build CHECKPOINT -o BUNDLE")
    expected, (source, found) = _expected(bundle), _found(findings, bundle)
    if not expected and not found:
        return Missing(
            "no survivors were measured",
            "ltp-deploy build CHECKPOINT --profile-data DATA -o BUNDLE",
        )
    parts: list[Child] = [_figure(expected, found, bundle.manifest.model.layers)]
    if source:
        parts.append(note(f"Median and spread: {source}."))
    if bundle.manifest.profile is not None:
        profile = bundle.manifest.profile
        parts.append(
            note(
                f"The plan rests on {profile.sequences:,} texts of {profile.tokens:.1f} tokens on "
                "average."
            )
        )
    return parts


def _expected(bundle: BundleFacts) -> Shares:
    manifest = bundle.manifest
    shares: dict[str, Sequence[float]] = {}
    if manifest.profile is not None:
        shares[EXPECTED] = [1.0, *manifest.profile.kept]
    entering = manifest.plan.layers[0].entering
    carried = [layer.carried for layer in manifest.plan.layers if layer.carried is not None]
    if entering and len(carried) == manifest.model.layers:
        shares[ROWS] = [1.0, *(rows / entering for rows in carried)]
    return shares


def _found(findings: Findings, bundle: BundleFacts) -> tuple[str, Shares]:
    """Where percentiles are from, and what they are: of the data of `verify`, else of the
    calibration's."""
    if findings.verified is not None:
        verified = findings.verified
        return f"{verified.sequences:,} texts of verify, by the oracle", verified.shares_alive
    if bundle.calibration is not None:
        facts = bundle.calibration
        sample = facts.record.sample
        return f"{sample.count} texts of {sample.name}, on which it was calibrated", (
            facts.profile.share_percentiles()
        )
    return "", {}


def _figure(expected: Shares, found: Shares, layers: int) -> Child:
    names = ["in", *map(str, range(layers))]
    every = -(-len(names) // MOST_TICKS)
    x = Axis(
        -0.5,
        layers + 0.5,
        "after layer",
        tuple((float(i), name) for i, name in enumerate(names) if i % every == 0),
    )
    ticks = tuple((i / 4, f"{25 * i} %") for i in range(5))
    plot = Plot("Share of tokens alive after each layer", x, Axis(0, 1.02, "tokens", ticks))
    keys = []
    if ROWS in expected:
        for i, share in enumerate(expected[ROWS]):
            plot.box((i - 0.36, 0), (i + 0.36, share), "box soft")
        keys.append(("box soft", ROWS))
    if found:
        lower, upper = (list(enumerate(found[p])) for p in ("p10", "p90"))
        plot.band(lower, upper, "b")
        plot.line(list(enumerate(found["p50"])), "b")
        keys += [("line b", MEDIAN), ("band b", SPREAD)]
    if EXPECTED in expected:
        points = list(enumerate(expected[EXPECTED]))
        plot.line(points, "a dashed")
        plot.dots(points, "a", [f"{100 * share:.1f} %" for _, share in points])
        keys.append(("line a dashed", EXPECTED))
    columns = dict(expected)
    if found:
        columns |= {MEDIAN: found["p50"], "10 %": found["p10"], "90 %": found["p90"]}
    rows = [[name, *(_percent(c[i]) for c in columns.values())] for i, name in enumerate(names)]
    return figure(
        plot.svg(), keys, table(["after layer", *columns], rows, "Shares of tokens alive")
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
