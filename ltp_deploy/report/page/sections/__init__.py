"""The sections of the page, in their order. To add one: a file here, and a line in the table."""

from __future__ import annotations

from ltp_deploy.report.page.section import Section
from ltp_deploy.report.page.sections import (
    calibration,
    examples,
    latency,
    learning,
    parity,
    plan,
    tokens,
    tuning,
)

SECTIONS = (
    Section("plan", "Plan", plan.content),
    Section("tokens", "Tokens per layer", tokens.content),
    Section("parity", "Parity", parity.content),
    Section("latency", "Latency", latency.content),
    Section("calibration", "Calibration", calibration.content),
    Section("tuning", "Tuning", tuning.content),
    Section("learning", "Learning", learning.content),
    Section("examples", "Example texts", examples.content),
)
