"""Clients that go away while their requests wait."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import Receive

PERIOD = 0.1  # seconds from one look at those that wait to the next


class Clients:
    """Ends requests whose clients have gone.

    Hearing of that takes a task, which would cost short requests more than it saves. So it begins
    at the next look; who is answered before pays for an entry in a table.
    """

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Task[Any], Receive] = {}
        self._heard: dict[asyncio.Task[Any], asyncio.Task[None]] = {}
        self._looks = False

    @contextmanager
    def waiting(self, receive: Receive) -> Iterator[None]:
        """Around what a request waits for, after its body was read.

        Args:
            receive: of the request.

        Raises:
            ClientDisconnect: the client has gone.
        """
        request = asyncio.current_task()
        assert request is not None
        self._waiting[request] = receive
        if not self._looks:
            self._look_later()
        try:
            yield
        except asyncio.CancelledError:
            if request not in self._heard or not self._heard[request].done():
                raise  # somebody else ends it
            raise ClientDisconnect from None
        finally:
            del self._waiting[request]
            if heard := self._heard.pop(request, None):
                heard.cancel()

    def _look_later(self) -> None:
        self._looks = True
        asyncio.get_running_loop().call_later(PERIOD, self._look)

    def _look(self) -> None:
        self._looks = False
        for request, receive in self._waiting.items():
            if request not in self._heard:
                self._heard[request] = asyncio.create_task(_end_when_gone(request, receive))
        if self._waiting:
            self._look_later()


async def _end_when_gone(request: asyncio.Task[Any], receive: Receive) -> None:
    await receive()  # after a body nothing comes but that the client has gone
    request.cancel()
