"""One engine's explanations, for many who ask at the same time."""

from __future__ import annotations

from typing import Any

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from ltp_deploy.codec import to_json
from ltp_deploy.explain.explainer import Explainer
from ltp_deploy.runtime.engine import Engine


class Desk:
    """Explains one text at a time, in a thread; who waits for it takes none.

    Attributes:
        engine: whose answers are explained.
        waiting: how many explanations are asked for and not given yet.
    """

    def __init__(self, engine: Engine):
        self.engine = engine
        self.waiting = 0
        self._explainer = Explainer(engine)
        self._one = CapacityLimiter(1)

    async def explain(self, *question: Any) -> dict[str, Any]:
        """An explanation as JSON; the arguments are those of `Explainer.__call__`."""
        self.waiting += 1
        try:
            return await run_sync(self._explained, *question, limiter=self._one)
        finally:
            self.waiting -= 1

    async def close(self) -> None:
        """Close what was opened beside the engine."""
        await run_sync(self._explainer.close, limiter=self._one)

    def _explained(self, *question: Any) -> dict[str, Any]:
        found: dict[str, Any] = to_json(self._explainer(*question))
        return found
