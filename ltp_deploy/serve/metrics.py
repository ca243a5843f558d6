"""What a server counts, for Prometheus.

With several workers each process writes its counts into files of one folder, which
`PROMETHEUS_MULTIPROC_DIR` names before prometheus-client is imported; whichever process is asked
then answers for all.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector

from ltp_deploy.errors import LtpError
from ltp_deploy.runtime.drift import Drift
from ltp_deploy.runtime.engine import Engine
from ltp_deploy.runtime.result import Ran

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SEQUENCES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_TOKENS = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)


class Metrics:
    """The counts of one process, and the page for all."""

    def __init__(self) -> None:
        own = self._registry = CollectorRegistry()
        model, layer = ["model"], ["model", "layer"]
        # What ended processes had in hand counts no more, what they have counted does.
        now: Literal["livesum"] = "livesum"
        self.requests = Counter(
            "ltp_requests",
            "Requests answered, by status.",
            ["route", "model", "status"],
            registry=own,
        )
        self.seconds = Histogram(
            "ltp_request_seconds",
            "From a request's head to the end of its answer.",
            ["route", "model"],
            buckets=_SECONDS,
            registry=own,
        )
        self.in_flight = Gauge(
            "ltp_in_flight",
            "Requests that are being answered.",
            multiprocess_mode=now,
            registry=own,
        )
        self.waiting = Gauge(
            "ltp_queue",
            "Pieces of requests that wait for the engine.",
            model,
            multiprocess_mode=now,
            registry=own,
        )
        self.sequences = Counter("ltp_sequences", "Sequences computed.", model, registry=own)
        self.tokens = Counter("ltp_tokens", "Tokens of these sequences.", model, registry=own)
        self.batch_seconds = Histogram(
            "ltp_batch_seconds", "Computing a batch.", model, buckets=_SECONDS, registry=own
        )
        self.batch_sequences = Histogram(
            "ltp_batch_sequences", "Sequences of a batch.", model, buckets=_SEQUENCES, registry=own
        )
        self.batch_tokens = Histogram(
            "ltp_batch_tokens", "Tokens of a batch.", model, buckets=_TOKENS, registry=own
        )
        self.alive = Counter(
            "ltp_tokens_alive", "Tokens that are alive after a layer.", layer, registry=own
        )
        self.kept = Counter(
            "ltp_kept_share",
            "Share of a sequence's tokens that are alive after a layer, summed over sequences.",
            layer,
            registry=own,
        )

    def page(self, engines: Mapping[str, Engine]) -> bytes:
        """All counts as Prometheus reads them, of all processes, and what engines drift."""
        registry = self._registry
        if FOLDER in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)
        counted = list(registry.collect())
        return generate_latest(_Collected([*counted, *_drifts(counted, engines)]))


class ModelMetrics:
    """The counts of one bundle."""

    def __init__(self, metrics: Metrics, model: str, layers: int):
        self.waiting = metrics.waiting.labels(model)
        self._sequences = metrics.sequences.labels(model)
        self._tokens = metrics.tokens.labels(model)
        self._batch_seconds = metrics.batch_seconds.labels(model)
        self._batch_sequences = metrics.batch_sequences.labels(model)
        self._batch_tokens = metrics.batch_tokens.labels(model)
        self._alive = [metrics.alive.labels(model, i) for i in range(layers)]
        self._kept = [metrics.kept.labels(model, i) for i in range(layers)]

    def ran(self, ran: Ran) -> None:
        """Count a batch."""
        tokens = int(ran.lengths.sum())
        self._sequences.inc(len(ran.lengths))
        self._tokens.inc(tokens)
        self._batch_seconds.observe(ran.seconds)
        self._batch_sequences.observe(len(ran.lengths))
        self._batch_tokens.observe(tokens)
        if ran.alive is not None:
            alive = ran.alive.sum(0).tolist()
            kept = (ran.alive / ran.lengths[:, None]).sum(0).tolist()
            for layer, (count, share) in enumerate(zip(alive, kept, strict=True)):
                self._alive[layer].inc(count)
                self._kept[layer].inc(share)


class _Collected(CollectorRegistry):
    """What was collected already, in the form that is printed."""

    def __init__(self, families: list[Metric]):
        super().__init__()
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _drifts(counted: Iterable[Metric], engines: Mapping[str, Engine]) -> Iterator[Metric]:
    """How far live texts are from those that the bundles' plans rest on, see `Engine.drift`; of
    bundles that can say so."""
    difference = GaugeMetricFamily(
        "ltp_drift_difference",
        "Mean share of tokens alive after a layer, minus that of the bundle's profile.",
        labels=["model", "layer"],
    )
    z = GaugeMetricFamily(
        "ltp_drift_z", "The same in standard errors of that difference.", labels=["model", "layer"]
    )
    sums = {
        (sample.name, sample.labels["model"], sample.labels.get("layer", "")): sample.value
        for family in counted
        for sample in family.samples
        if sample.name in ("ltp_sequences_total", "ltp_tokens_total", "ltp_kept_share_total")
    }
    for name, engine in engines.items():
        found = _drift(name, engine, sums)
        for layer in found.layers if found is not None else ():
            difference.add_metric([name, str(layer.layer)], layer.difference)
            z.add_metric([name, str(layer.layer)], layer.z)
    yield difference
    yield z


def _drift(name: str, engine: Engine, sums: Mapping[tuple[str, str, str], float]) -> Drift | None:
    sequences = int(sums.get(("ltp_sequences_total", name, ""), 0))
    if not sequences:
        return None
    kept = [
        sums.get(("ltp_kept_share_total", name, str(layer)), 0.0)
        for layer in range(engine.config.layers)
    ]
    tokens = int(sums[("ltp_tokens_total", name, "")])
    try:
        return engine.drift_of(sequences, tokens, np.array(kept))
    except LtpError:  # there is nothing to compare with
        return None
