"""A request on its way to an engine and back, without holding up others."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

import numpy as np
from starlette.types import Receive

from ltp_deploy.data.texts import Text
from ltp_deploy.errors import DeadlineExceeded, EngineFailed, LtpError, Overloaded
from ltp_deploy.runtime.engine import Engine
from ltp_deploy.runtime.request import Request
from ltp_deploy.runtime.result import Result, concatenated
from ltp_deploy.serve.clients import Clients
from ltp_deploy.serve.errors import Failed, TooLarge
from ltp_deploy.serve.settings import Limits

LOG = logging.getLogger("ltp_deploy.serve")
# Pieces of a request that are in the queue at the same time: one that runs, one that follows it.
AT_ONCE = 2
# Texts of so many characters, or so many token ids, are read in the event loop: they take less time
# than the way to a thread and back.
SHORT = 2000


class Dispatcher:
    """What stands before one engine.

    Texts are read in threads, and a request of many goes in pieces, so that neither keeps others
    from being answered. What has not begun when its client goes is not computed.

    Attributes:
        taken: requests that are being answered.
    """

    def __init__(self, engine: Engine, limits: Limits, threads: Executor):
        self._engine = engine
        self._limits = limits
        self._threads = threads
        self._clients = Clients()
        self.taken = 0

    async def texts(
        self,
        texts: Sequence[Text],
        client: Receive,
        whole: bool = False,
        deadline: float | None = None,
    ) -> Result:
        """The answer to texts.

        Args:
            client: what a request whose body was read receives of its client.
            whole: texts that would be cut are refused.
            deadline: seconds within which the engine must have begun with the last of them.

        Raises:
            LtpError: in one of the kinds that `ltp_deploy.serve.errors` has a status for.
            ClientDisconnect: nobody waits for it any more.
        """
        self._check_count(len(texts))
        short = sum(map(_characters, texts)) <= SHORT
        return await self._answer({"texts": texts}, client, short, whole, deadline)

    async def ids(
        self, given: Mapping[str, Any], client: Receive, deadline: float | None = None
    ) -> Result:
        """The answer to token ids, in the ways that an engine's call takes them."""
        padded = "attention_mask" in given
        tokens = np.count_nonzero(given["attention_mask"]) if padded else given["ids"].size
        sequences = len(given["input_ids"]) if padded else given["offsets"].size - 1
        self._check_count(sequences)
        self._check_tokens(int(tokens))
        short = given["input_ids" if padded else "ids"].size <= SHORT
        return await self._answer(given, client, short, False, deadline)

    async def _answer(
        self,
        given: Mapping[str, Any],
        client: Receive,
        short: bool,
        whole: bool,
        deadline: float | None,
    ) -> Result:
        if self.taken >= self._limits.waiting:
            raise Overloaded(f"{self.taken} requests are waiting, and no more may: try again")
        expires = None if deadline is None else time.monotonic() + deadline
        self.taken += 1
        try:
            with self._clients.waiting(client):
                result = await self._computed(given, short, whole, expires)
        finally:
            self.taken -= 1
        if not np.isfinite(result.logits).all():
            raise Failed("the engine's answer is not finite")
        return result

    async def _computed(
        self, given: Mapping[str, Any], short: bool, whole: bool, expires: float | None
    ) -> Result:
        try:
            if short:
                pieces = self._read(given, whole)
            else:
                loop = asyncio.get_running_loop()
                pieces = await loop.run_in_executor(self._threads, self._read, given, whole)
            return concatenated(await self._in_turns(pieces, expires))
        except EngineFailed as error:
            raise _failure(error.__cause__ or error) from error
        except LtpError:
            raise
        except Exception as error:
            raise _failure(error) from error

    def _read(self, given: Mapping[str, Any], whole: bool) -> list[Request]:
        """The request in pieces that the engine takes."""
        pieces = self._engine.split(**given)
        self._check_count(sum(_texts(piece) for piece in pieces))
        self._check_tokens(sum(len(piece.batch.input_ids) for piece in pieces))
        if whole:
            self._check_whole(pieces)
        return pieces

    async def _in_turns(self, pieces: Sequence[Request], expires: float | None) -> list[Result]:
        """Answer one piece after another, so that other requests come in between."""
        found: list[Result] = []
        running: deque[asyncio.Future[Result]] = deque()
        try:
            for piece in pieces:
                if len(running) == AT_ONCE:
                    found.append(await running.popleft())
                running.append(asyncio.wrap_future(self._engine.enqueue(piece, _left(expires))))
            while running:
                found.append(await running.popleft())
        finally:
            for future in running:
                if not future.cancel() and not future.cancelled():
                    future.exception()  # or asyncio would print it, with what was asked
        return found

    def _check_count(self, texts: int) -> None:
        if texts > self._limits.texts:
            raise TooLarge(
                f"batch size {texts} > maximum allowed batch size {self._limits.texts}: split it"
            )

    def _check_tokens(self, tokens: int) -> None:
        if tokens > self._limits.tokens:
            raise TooLarge(
                f"the request has {tokens} tokens, and {self._limits.tokens} are allowed: split it"
            )

    def _check_whole(self, pieces: Sequence[Request]) -> None:
        before = 0
        for piece in pieces:
            if piece.truncated is not None and piece.truncated.any():
                raise TooLarge(
                    f"text {before + int(piece.truncated.argmax())} has more than "
                    f"{self._engine.limits.max_length} tokens: shorten it, or allow that it is cut"
                )
            before += _texts(piece)


def _texts(piece: Request) -> int:
    return piece.batch.sequences if piece.windows is None else len(piece.windows)


def _characters(text: Text) -> int:
    return len(text) if isinstance(text, str) else sum(map(len, text))


def _left(expires: float | None) -> float | None:
    """Seconds until then."""
    if expires is None:
        return None
    left = expires - time.monotonic()
    if left <= 0:
        raise DeadlineExceeded("the deadline passed before the engine had begun with the request")
    return left


def _failure(error: BaseException) -> Failed:
    """What a client is told: no message of a library, which may hold what was asked."""
    where = "".join(traceback.format_tb(error.__traceback__))
    LOG.error("the engine failed, %s:\n%s", type(error).__name__, where)
    return Failed(f"the engine failed: {type(error).__name__}")
