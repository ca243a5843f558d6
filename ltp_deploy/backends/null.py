"""The null backend: every compiler pass runs and nothing comes out but the plan."""

from __future__ import annotations

import json
from typing import Any

from ltp_deploy.backends.backend import Job


def write(job: Job) -> dict[str, Any]:
    """Write the plan and the lowered graph as text."""
    plan = json.dumps(job.plan.to_dict(), indent=2)
    (job.directory / "plan.json").write_text(plan + "\n")
    (job.directory / "graph.txt").write_text(f"{job.module.graph}\n")
    return {}
