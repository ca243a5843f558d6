"""One engine's explanations, for many who ask at the same time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from ltp_deploy.codec import to_json
from ltp_deploy.explain.explainer import Explainer
from ltp_deploy.runtime.engine import Engine


class Desk:
    """Explains one text at a time, in a thread; who waits for it takes none.

    It asks an engine of its own on the same weights, so that the one whose answers are explained
    counts nothing that no one but the explanation asked for.

    Attributes:
        engine: whose answers are explained.
        waiting: how many explanations are asked for and not given yet.
    """

    def __init__(self, engine: Engine, most_tokens: int = 0):
        self.engine = engine
        self.waiting = 0
        self._most_tokens = most_tokens
        self._explainer: Explainer | None = None
        self._one = CapacityLimiter(1)

    async def explain(
        self, *question: Any, gone: Callable[[], Awaitable[bool]]
    ) -> dict[str, Any] | None:
        """An explanation as JSON; the arguments are those of `Explainer.__call__`.

        Args:
            gone: whether nobody waits for it any more: asked when its turn comes, and the answer
                is None then.
        """
        self.waiting += 1
        try:
            async with self._one:
                return None if await gone() else await run_sync(self._explained, *question)
        finally:
            self.waiting -= 1

    async def close(self) -> None:
        """Close what was opened beside the engine."""
        await run_sync(self._close, limiter=self._one)

    def _explained(self, *question: Any) -> dict[str, Any]:
        if self._explainer is None:
            self._explainer = Explainer(self.engine.variant(), self._most_tokens)
        found: dict[str, Any] = to_json(self._explainer(*question))
        return found

    def _close(self) -> None:
        if self._explainer is not None:
            self._explainer.close()
            self._explainer.engine.close()
