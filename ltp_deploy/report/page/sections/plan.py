"""What the build decided for each layer."""

from __future__ import annotations

from collections.abc import Sequence

from ltp_deploy.bundle.plan import LayerRecord
from ltp_deploy.model.policy import Carry
from ltp_deploy.report.page.findings import Findings
from ltp_deploy.report.page.markup import Child, element, note, table
from ltp_deploy.report.page.section import Missing
from ltp_deploy.report.plan import CARRIES, conventions, predicted
from ltp_deploy.report.table import mega

COMPACTS = (Carry.SURVIVORS, Carry.BOUNDED)


def content(findings: Findings) -> Sequence[Child] | Missing:
    """A sentence, and a table with one row per layer."""
    if findings.bundle is None:
        return Missing("nothing is built yet", "ltp-deploy build CHECKPOINT -o BUNDLE")
    manifest = findings.bundle.manifest
    layers, prediction = manifest.plan.layers, manifest.plan.prediction
    headers = ["layer", "rule", "carries on", "precision"]
    measured = all(layer.flops is not None for layer in layers)
    headers += ["tokens in", "tokens out", "Mflops"] if measured else []
    headers += ["ms"] if prediction else []
    rows = [_row(i, layer, measured) for i, layer in enumerate(layers)]
    parts: list[Child] = [
        element("p", f"{_compactions(layers)}. {_sentence(conventions(manifest.model))}"),
        table(headers, rows, "The plan, layer by layer", numbers=False),
    ]
    if measured:
        total = sum(layer.flops.total for layer in layers if layer.flops)
        profile = manifest.profile
        whose = f" of {profile.tokens:.1f} tokens, the mean of the profile" if profile else ""
        parts.append(note(f"{mega(total)} Mflops (multiply-adds) for a sequence{whose}."))
    else:
        parts.append(
            note("Tokens and FLOPs are not known: build --profile-data DATA measures survivors.")
        )
    if prediction:
        parts.append(note(f"{predicted(prediction)}."))
    return parts


def _compactions(layers: Sequence[LayerRecord]) -> str:
    places = [str(i) for i, layer in enumerate(layers) if layer.carry in COMPACTS]
    if not places:
        return "No layer compacts"
    if len(places) == 1:
        return f"Layer {places[0]} compacts: pruned tokens leave the computation there"
    listed = f"{', '.join(places[:-1])} and {places[-1]}"
    return f"Layers {listed} compact: pruned tokens leave the computation there"


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def _row(number: int, layer: LayerRecord, measured: bool) -> list[Child]:
    cells: list[Child] = [str(number), layer.rule, CARRIES[layer.carry.name], layer.precision]
    if measured:
        assert layer.flops is not None
        cells += [f"{layer.entering or 0:.1f}", f"{layer.carried or 0:.1f}"]
        cells.append(mega(layer.flops.total))
    return cells if layer.seconds is None else [*cells, f"{1e3 * layer.seconds:.3f}"]
