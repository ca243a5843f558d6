"""What `tune` and `learn` found: the ways by which a checkpoint came to prune."""

from __future__ import annotations

from dataclasses import dataclass

from ltp_deploy.report.page.documents.view import View


@dataclass(frozen=True)
class OperatingPoint(View):
    """See `ltp_deploy.tune.evaluate.Point`."""

    metric: str
    score: float
    flops_ratio: float
    alive: tuple[float, ...]


@dataclass(frozen=True)
class Rule(View):
    mode: str
    threshold: float


@dataclass(frozen=True)
class Rules(View):
    layers: tuple[Rule, ...]


@dataclass(frozen=True)
class Tried(View):
    """See `ltp_deploy.tune.search.Candidate`."""

    policy: Rules
    point: OperatingPoint
    error: float
    work: float

    def __post_init__(self) -> None:
        if self.work <= 0:
            raise ValueError(f"`work` is a share, found {self.work}")


@dataclass(frozen=True)
class Estimated(View):
    """See `ltp_deploy.tune.search.Estimate`."""

    texts: int
    dense: OperatingPoint
    pruned: OperatingPoint
    low: float
    high: float
    changed: int | None
    work: float
    remark: str


@dataclass(frozen=True)
class TunedView(View):
    """See `ltp_deploy.tune.search.Tuned`."""

    checkpoint_sha256: str
    max_drop: float
    labelled: bool
    searched: int
    dense: OperatingPoint
    curve: tuple[Tried, ...]
    path: tuple[Tried, ...]
    chosen: Tried
    estimate: Estimated


@dataclass(frozen=True)
class RecipeView(View):
    method: str
    max_drop: float | None


@dataclass(frozen=True)
class LearnedView(View):
    """See `ltp_deploy.learn.learn.Learned`."""

    checkpoint_sha256: str
    recipe: RecipeView
    policy: Rules
    dense: OperatingPoint
    pruned: OperatingPoint
    low: float
    high: float
    texts: int
    work: float
    remark: str

    def __post_init__(self) -> None:
        if self.work <= 0:
            raise ValueError(f"`work` is a share, found {self.work}")


@dataclass(frozen=True)
class LogLine(View):
    """A line of `learn`'s log.jsonl that has a loss."""

    stage: str
    step: int
    loss: float
    tokens_alive: float
    tokens: float

    def __post_init__(self) -> None:
        if self.tokens <= 0:
            raise ValueError(f"`tokens` is a mean length, found {self.tokens}")
