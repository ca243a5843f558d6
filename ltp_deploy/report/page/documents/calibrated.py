"""What `calibrate` measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ltp_deploy.report.page.documents.view import View


@dataclass(frozen=True)
class Drawn(View):
    """Of what texts a calibration was made."""

    name: str
    count: int
    seed: int


@dataclass(frozen=True)
class Ends(View):
    low: float
    high: float


@dataclass(frozen=True)
class Calibrated(View):
    """See `ltp_deploy.calibration.artifact.Calibration`."""

    sample: Drawn
    alive: tuple[tuple[int, ...], ...]
    finished: tuple[tuple[int, ...], ...]
    ranges: Mapping[str, Ends]
