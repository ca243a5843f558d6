"""The bundles that a server has, and what state it is in."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

from ltp_deploy.errors import LtpError
from ltp_deploy.heads import Head, head_of
from ltp_deploy.runtime.engine import Engine, load
from ltp_deploy.serve.dispatch import AT_ONCE, Dispatcher
from ltp_deploy.serve.errors import Failed, NotReady, Unknown
from ltp_deploy.serve.metrics import Metrics, ModelMetrics
from ltp_deploy.serve.settings import Settings

LOG = logging.getLogger("ltp_deploy.serve")


class State(Enum):
    """What a server is doing; it begins with the first and ends with the last."""

    LOADING = "loading its bundles"
    READY = "ready"
    DRAINING = "about to end, and finishes what it has begun"


@dataclass(frozen=True)
class Model:
    """A bundle under its name."""

    name: str
    engine: Engine
    dispatcher: Dispatcher

    @property
    def head(self) -> Head:
        """What its answers are."""
        return head_of(self.engine.config)


class Service:
    """All that requests ask for.

    Attributes:
        models: by name, in the order given; empty until they are loaded.
        failure: why one could not be loaded.
        hurried: whether the end waits for nothing that has not begun.
        readers: threads that read long texts.
    """

    readers = 2  # the tokenizers' library works in threads of its own, for which these wait

    def __init__(self, settings: Settings):
        self.settings = settings
        self.metrics = Metrics()
        self.state = State.LOADING
        self.models: dict[str, Model] = {}
        self.failure: LtpError | None = None
        self.hurried = False
        self._threads = ThreadPoolExecutor(self.readers, "ltp-read")

    def load(self) -> None:
        """Load all bundles, then be ready. An error is kept as `failure`."""
        loaded: dict[str, Model] = {}
        for name, path in self.settings.bundles.items():
            if self.state is State.DRAINING:
                break
            try:
                loaded[name] = self._load(name, path)
            except Exception as error:  # of the runtime as well
                if isinstance(error, LtpError):
                    self.failure = error
                else:
                    self.failure = LtpError(f"{path}: {error}")
                for model in loaded.values():
                    model.engine.close()
                return
        self.models = loaded
        if self.state is State.LOADING:
            self.state = State.READY
            LOG.info("ready: %s", ", ".join(loaded))

    def _load(self, name: str, path: Path) -> Model:
        options = self.settings.loading
        alive = None if options.alive else False
        # Every request has few pieces in the queue, and how many there are is limited before.
        waiting = AT_ONCE * self.settings.limits.waiting
        engine = load(path, **{**asdict(options), "alive": alive}, max_waiting=waiting)
        if engine.manifest.tokenizer is not None:
            _ = engine.tokenizer  # one that exists in Python alone is opened at the first text
        metrics = ModelMetrics(self.metrics, name, engine.config.layers)
        engine.watch(metrics.ran, metrics.waiting.set)
        dispatcher = Dispatcher(engine, self.settings.limits, self._threads)
        return Model(name, engine, dispatcher)

    def check_ready(self) -> None:
        """Raises NotReady where nothing new may begin."""
        if self.state is not State.READY:
            raise NotReady(f"the server is {self.state.value}")

    def model(self, name: str) -> Model:
        """The bundle of that name.

        Raises:
            Unknown: there is none.
            NotReady: none is ready, or none may begin.
        """
        if name not in self.settings.bundles:
            raise Unknown(
                f"no bundle is named {name}; there are {', '.join(self.settings.bundles)}"
            )
        self.check_ready()
        return self.models[name]

    def first(self, fits: Callable[[Head], bool], wanted: str) -> Model:
        """The first bundle with such a head, for addresses that name none.

        Args:
            wanted: what its answers are, for the message.

        Raises:
            Failed: there is none.
        """
        self.check_ready()
        for model in self.models.values():
            if fits(model.head):
                return model
        found = ", ".join(f"{m.name} gives {m.head.noun}" for m in self.models.values())
        raise Failed(f"no bundle here gives {wanted}: {found}")

    def drain(self) -> None:
        """Let nothing new begin."""
        self.state = State.DRAINING
        LOG.info("draining")

    def close(self) -> None:
        """Answer what was begun, and let the engines go; what waits is dropped in a hurry."""
        self._threads.shutdown(cancel_futures=self.hurried)
        for model in self.models.values():
            model.engine.close(cancel=self.hurried)
