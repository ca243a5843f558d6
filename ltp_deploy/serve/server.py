"""One process that serves, from its start to its end."""

from __future__ import annotations

import logging
import signal
import socket
import time
from types import FrameType

import uvicorn

from ltp_deploy.errors import LtpError
from ltp_deploy.serve.app import create_app
from ltp_deploy.serve.service import Service
from ltp_deploy.serve.settings import Settings

BACKLOG = 2048  # connections that the system keeps until they are accepted
# Longer than proxies keep theirs, so that they, not the server, close what both have left idle.
KEEP_ALIVE = 75  # seconds


class Server(uvicorn.Server):
    """uvicorn's server. A signal to end it first lets nothing new begin; what has begun is
    finished, and its own end is no failure."""

    def __init__(self, service: Service, config: uvicorn.Config):
        super().__init__(config)
        self._service = service
        self._ends: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain; at a second signal do not wait for the time that is left, and at Ctrl+C for
        nothing."""
        again = self._ends is not None
        self._service.drain()
        self._ends = time.monotonic() + (0 if again else self._service.settings.drain)
        self.force_exit = self._service.hurried = again and sig == signal.SIGINT

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End; the application is always told, or its cancellation would be logged as an error."""
        await super().shutdown(sockets)
        if self.force_exit:
            await self.lifespan.shutdown()

    async def on_tick(self, counter: int) -> bool:
        """Whether the end has come."""
        over = self._ends is not None and time.monotonic() >= self._ends
        return over or self._service.failure is not None or await super().on_tick(counter)


def serve(settings: Settings, listener: socket.socket) -> None:
    """Serve on a socket until a signal ends the process.

    Raises:
        LtpError: a bundle could not be loaded.
    """
    _log(settings)
    app = create_app(settings)
    service: Service = app.state.service
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=settings.access_log,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=settings.grace,
        backlog=BACKLOG,
    )
    Server(service, config).run([listener])
    if service.failure is not None:
        raise service.failure


def listen(settings: Settings) -> socket.socket:
    """The socket, bound and listening.

    Raises:
        LtpError: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise LtpError(
            f"cannot listen on {settings.host}, port {settings.port}: {error.strerror}; choose "
            "another --host or --port"
        ) from None


def _log(settings: Settings) -> None:
    """Print what the server does and what goes wrong, on standard error."""
    logging.basicConfig(format="%(asctime)s %(process)d %(levelname)s %(message)s")
    logging.getLogger("ltp_deploy").setLevel(logging.INFO)
    if settings.access_log:
        logging.getLogger("uvicorn.access").setLevel(logging.INFO)
