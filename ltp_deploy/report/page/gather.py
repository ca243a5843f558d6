"""What one command found, as a page shows it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from ltp_deploy.data.texts import Text
from ltp_deploy.errors import LtpError
from ltp_deploy.explain.explainer import Explainer
from ltp_deploy.report.page.documents.benchmarked import Benchmarked
from ltp_deploy.report.page.documents.trained import LearnedView, TunedView
from ltp_deploy.report.page.documents.verified import Verified
from ltp_deploy.report.page.documents.view import view
from ltp_deploy.report.page.findings import LOG, Examples, Findings, bundle_facts, read_log
from ltp_deploy.runtime.engine import load

if TYPE_CHECKING:  # what needs the extra [build]
    from ltp_deploy.benchmark.results import Benchmark
    from ltp_deploy.learn.learn import Learned
    from ltp_deploy.tune.search import Tuned
    from ltp_deploy.verification.result import Verification

SHOWN = 3  # texts of the data that `verify` ran on


def explained(
    bundle: Path,
    texts: Sequence[Text],
    source: str,
    most: int,
    threads: int | None = None,
    portable: bool = False,
) -> Examples:
    """The first texts, each explained by the bundle.

    Args:
        source: where the texts come from, in words.
        most: how many texts are shown.

    Raises:
        LtpError: the bundle does not run here, reads no texts, or cannot report survivors.
    """
    with load(bundle, threads, portable=portable) as engine, Explainer(engine) as explainer:
        return Examples([explainer(text) for text in islice(texts, most)], len(texts), source)


def of_verification(
    bundle: Path, result: Verification, texts: Sequence[Text], source: str, portable: bool
) -> Findings:
    """What `verify` found, with the first texts of its data."""
    facts = bundle_facts(bundle)
    verified = view(Verified, result.to_dict())
    examples, reason = None, ""
    try:
        examples = explained(bundle, texts, source, SHOWN, portable=portable)
    except LtpError as error:
        reason = str(error)
    return Findings(facts.name, facts, verified=verified, examples=examples, no_examples=reason)


def of_benchmark(bundle: Path, result: Benchmark) -> Findings:
    """What `bench` found."""
    facts = bundle_facts(bundle)
    return Findings(facts.name, facts, benchmarked=view(Benchmarked, result.to_dict()))


def of_tuned(checkpoint: Path, result: Tuned) -> Findings:
    """What `tune` found and wrote."""
    return Findings(checkpoint.resolve().name, tuned=view(TunedView, result.to_dict()))


def of_learned(checkpoint: Path, result: Learned) -> Findings:
    """What `learn` did and wrote."""
    learned = view(LearnedView, result.to_dict())
    return Findings(checkpoint.resolve().name, learned=learned, log=read_log(checkpoint / LOG))
