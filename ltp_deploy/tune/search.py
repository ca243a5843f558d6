"""The most pruning that a budget allows, for the weights as they are.

Steps are found on a sample, without labels; each is judged on the search data; what the chosen
policy costs is estimated on other data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch

from ltp_deploy.errors import LtpError
from ltp_deploy.heads import head_of
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.policy import Mode, PrunePolicy
from ltp_deploy.model.survivors import SurvivorProfile
from ltp_deploy.progress import Progress
from ltp_deploy.tune.data import TaskData
from ltp_deploy.tune.evaluate import Point, point_of
from ltp_deploy.tune.forward import Forward, Run, by_policy
from ltp_deploy.tune.interval import drop_interval, points_lost, standard_error
from ltp_deploy.tune.label_thresholds import ChosenThresholds
from ltp_deploy.tune.steps import Steps, engine_work

FACTORS = (0.25, 0.35, 0.5, 0.7, 0.85, 1.0, 1.2, 1.4, 1.7, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0)
MODE = Mode.RELATIVE  # of a model that did not prune; docs/results.md has the comparison
SAMPLE_TOKENS, SAMPLE_TEXTS = 8192, 128  # a sample has at least so many of both, if the data has
MAX_STEPS = 60
# A policy fits if its drop is inside the budget with odds of two to one: the normal distribution
# has a third of its mass above so many standard deviations.
MARGIN = 0.43
PATIENCE = 3  # policies outside the budget that are looked at before a walk ends


@dataclass(frozen=True)
class Candidate:
    """A policy, and what it does on the search data.

    Attributes:
        policy: what each layer does.
        point: the score and the work by the authors' count.
        error: the standard error of the drop, in points of the metric.
        work: the share of the dense engine's multiply-adds that an engine still computes.
    """

    policy: PrunePolicy
    point: Point
    error: float
    work: float

    def to_dict(self) -> dict[str, Any]:
        """As a dict that `json.dumps` takes."""
        return {**asdict(self), "policy": self.policy.to_config()}


@dataclass(frozen=True)
class Estimate:
    """What the chosen policy does on data that it was not chosen on.

    Attributes:
        texts: how many there are.
        dense, pruned: the model without and with pruning.
        low, high: the 95 % interval of the drop, in points of the metric.
        changed: how many answers changed; None where answers are values.
        change: how far the answers are from the dense model's, see `Head.distillation`.
        work: as in `Candidate`.
        remark: see `Head.remark`.
    """

    texts: int
    dense: Point
    pruned: Point
    low: float
    high: float
    changed: int | None
    change: float
    work: float
    remark: str = ""

    @property
    def drop(self) -> float:
        """Points of the metric that pruning costs."""
        return self.dense.score - self.pruned.score


@dataclass(frozen=True)
class Tuned:
    """What the search found.

    Attributes:
        max_drop: the budget, in points of the metric.
        labelled: whether the data had labels; else the metric counts agreement with the answers of
            the model without pruning.
        searched: texts of the search data.
        dense: the model without pruning on the search data.
        before: the model with the thresholds that it came with, likewise; None where it had none.
        curve: those thresholds times one factor for all layers, for each of `FACTORS`.
        path: then layer by layer, in the order of pruning.
        chosen: the result.
        estimate: what it does on other data.
        label_thresholds: thresholds of labels that were chosen first; None where none were.
        checkpoint_sha256: of what was written, see `checkpoint_hash`; "" before that.
    """

    max_drop: float
    labelled: bool
    searched: int
    dense: Point
    before: Point | None
    curve: tuple[Candidate, ...]
    path: tuple[Candidate, ...]
    chosen: Candidate
    estimate: Estimate
    label_thresholds: ChosenThresholds | None = None
    checkpoint_sha256: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As a dict that `json.dumps` takes."""
        return {
            **asdict(self),
            "curve": [candidate.to_dict() for candidate in self.curve],
            "path": [candidate.to_dict() for candidate in self.path],
            "chosen": self.chosen.to_dict(),
        }


def tune(
    encoder: Encoder,
    search: TaskData,
    other: TaskData,
    max_drop: float,
    labelled: bool = True,
) -> Tuned:
    """Find the policy that saves the most inside a budget.

    A model that prunes starts from its own thresholds, multiplied by the one factor that saves the
    most; a dense model, or one for whose thresholds no factor fits, from no pruning. From there
    `Steps` go on layer by layer.

    The drop is counted from the same weights without pruning, on the same data.

    Args:
        encoder: the model.
        search: what policies are chosen on.
        other: what the chosen one's cost is estimated on.
        max_drop: the budget, in points of the metric.
        labelled: what the labels of the data are, see `Tuned`.

    Raises:
        LtpError: the metric is undefined on the data, or is for another kind of answer; no pruning
            fits the budget.
    """
    policy = encoder.config.policy
    judge = Judge(encoder, search, max_drop)
    held_out = Judge(encoder, other, max_drop)  # before the search, since it may refuse the data
    start, mode = judge.start, MODE
    curve: tuple[Candidate, ...] = ()
    before = None
    if policy.prunes:
        curve = tuple(judge.each(map(policy.scaled, FACTORS), "one factor", len(FACTORS)))
        before = curve[FACTORS.index(1.0)].point
        start = judge.best_of(curve)
        mode = next(rule.mode for rule in policy.layers if rule.prunes)
    sample = search.sample(SAMPLE_TOKENS, seed=0, at_least=SAMPLE_TEXTS)
    steps = Steps(encoder, sample.batch, start.policy, mode)
    path = judge.walk(start, (step.policy for step in islice(steps, MAX_STEPS)))
    chosen = judge.strongest(path)
    if not chosen.policy.prunes:
        raise _nothing_fits(judge, path)
    estimate = held_out.estimate(chosen.policy)
    return Tuned(
        max_drop, labelled, len(search), judge.dense, before, curve, path, chosen, estimate
    )


def _nothing_fits(judge: Judge, path: tuple[Candidate, ...]) -> LtpError:
    if len(path) == 1:
        return LtpError(
            f"there is nothing to prune in {judge.encoder.config.layers} layers on these texts: "
            "what the last layer prunes saves no work, and the first token stays"
        )
    gentlest = path[1]
    return LtpError(
        f"no pruning is surely enough within {judge.max_drop:g} points on {len(judge.data)} "
        f"texts: the gentlest loses {judge.drop(gentlest):.2f}, with a standard error of "
        f"{gentlest.error:.2f}; give more texts to search on, or allow more"
    )


class Judge:
    """Policies of one model, tried on data and held to a budget.

    Attributes:
        metric: the one of the data, or the usual one for all of it.
        dense: the model without pruning, from which drops are counted.
        start: the same as a candidate, with the conventions of the model's own policy.
    """

    def __init__(self, encoder: Encoder, data: TaskData, max_drop: float):
        self.encoder = encoder
        self.data = data
        self.max_drop = max_drop
        self.head = head_of(encoder.config)
        self.metric = data.metric or self.head.usual_metric(data.labels)
        self.forward = Forward(encoder, data.batch)
        policy = encoder.config.policy.scaled(0.0)
        run = self.forward.run(by_policy(policy))
        self.unpruned = run.logits
        self.start = self._candidate(policy, run)
        self.dense = self.start.point

    def look(self, policy: PrunePolicy) -> Candidate:
        """What a policy does."""
        return self._candidate(policy, self.forward.run(by_policy(policy)))

    def _candidate(self, policy: PrunePolicy, run: Run) -> Candidate:
        data, config = self.data, self.encoder.config
        point = point_of(config, run.logits, run.profile.alive, data)
        error = standard_error(self.head, data.labels, self.unpruned, run.logits, self.metric)
        return Candidate(policy, point, error, engine_work(config, run.profile))

    def estimate(self, policy: PrunePolicy) -> Estimate:
        """What a policy costs that was chosen on other data."""
        run = self.forward.run(by_policy(policy))
        return self.estimate_of(run.logits, run.profile)

    def estimate_of(self, logits: np.ndarray, profile: SurvivorProfile) -> Estimate:
        """The same of answers [N, labels] and numbers of tokens."""
        data, config, head = self.data, self.encoder.config, self.head
        low, high = drop_interval(head, data.labels, self.unpruned, logits, self.metric)
        change = head.distillation(torch.from_numpy(logits), torch.from_numpy(self.unpruned))
        return Estimate(
            texts=len(data),
            dense=self.dense,
            pruned=point_of(config, logits, profile.alive, data),
            low=low,
            high=high,
            changed=head.flips(self.unpruned, logits),
            change=float(change),
            work=engine_work(config, profile),
            remark=head.remark(self.metric, data.labels),
        )

    def drop_on(self, texts: np.ndarray, logits: np.ndarray) -> tuple[float, float]:
        """Points of the metric that answers lose on some of the texts, and the standard error.

        Args:
            texts: [N] bool, which ones count.
            logits: [N, labels], of all.

        Raises:
            LtpError: the metric is undefined on them.
        """
        targets = self.data.labels[texts]
        dense, pruned = self.unpruned[texts], logits[texts]
        found = self.head, targets, dense, pruned, self.metric
        return points_lost(*found), standard_error(*found)

    def each(
        self, policies: Iterable[PrunePolicy], title: str, total: int | None = None
    ) -> Iterator[Candidate]:
        """What each policy does, with the progress of so many of them."""
        with Progress(title, total, "policy") as progress:
            for policy in policies:
                candidate = self.look(policy)
                progress.tell(
                    score=f"{candidate.point.score:.2f}",
                    dense=f"{self.dense.score:.2f}",
                    fewer_FLOPs=f"{candidate.point.flops_ratio:.2f}x",
                )
                progress.update()
                yield candidate

    def drop(self, candidate: Candidate) -> float:
        """Points of the metric below the model without pruning."""
        return self.dense.score - candidate.point.score

    def inside(self, drop: float, error: float, margin: float = MARGIN) -> bool:
        """Whether a drop is inside the budget, with so many standard errors to spare."""
        return drop + margin * error <= self.max_drop

    def fits(self, drop: float, candidate: Candidate) -> bool:
        """Whether a drop is inside the budget, by `MARGIN`. No pruning always is."""
        return candidate.work == 1.0 or self.inside(drop, candidate.error)

    def best_of(self, curve: tuple[Candidate, ...]) -> Candidate:
        """The candidate that saves the most inside the budget; no pruning, where none is."""
        inside = [self.start, *(c for c in curve if self.fits(self.drop(c), c))]
        return max(inside, key=lambda candidate: candidate.point.flops_ratio)

    def walk(self, start: Candidate, policies: Iterable[PrunePolicy]) -> tuple[Candidate, ...]:
        """Policies that prune more and more, until `PATIENCE` in a row do not fit the budget."""
        path, outside = [start], 0
        for candidate in self.each(policies, "layer by layer"):
            path.append(candidate)
            outside = 0 if self.fits(self.drop(candidate), candidate) else outside + 1
            if outside == PATIENCE:
                break
        return tuple(path)

    def strongest(self, path: tuple[Candidate, ...]) -> Candidate:
        """The last candidate of a walk that fits, both as it is and with drops that were made to
        rise along the walk, so that no single lucky score decides.

        A gain at the walk's beginning is luck of the texts, which the later candidates share, since
        answers that changed mostly stay changed. So drops count from there.
        """
        drops = rising(np.array([self.drop(candidate) for candidate in path]))
        luck = min(0.0, float(drops[0]))
        pairs = zip(drops.tolist(), path, strict=True)
        fitting = [c for drop, c in pairs if self.fits(max(drop, self.drop(c)) - luck, c)]
        return fitting[-1] if fitting else path[0]


def rising(values: np.ndarray) -> np.ndarray:
    """The numbers that never fall and are nearest to `values` [N] in squares: isotonic regression
    by pooling adjacent violators."""
    blocks: list[tuple[float, int]] = []  # mean, length
    for value in values.tolist():
        blocks.append((value, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (a, n), (b, m) = blocks[-2:]
            blocks[-2:] = [((a * n + b * m) / (n + m), n + m)]
    return np.repeat([mean for mean, _ in blocks], [length for _, length in blocks])
