"""The page at /, which shows where the tokens of a text are pruned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fastapi import APIRouter

from ltp_deploy.explain.html import PARTS
from ltp_deploy.explain.router import MOST_PASSAGES, router
from ltp_deploy.runtime.engine import Engine
from ltp_deploy.serve.service import Service

FILES = {"/", *(f"/{name}" for name in PARTS)}


class _Engines(Mapping[str, Engine]):
    """A server's engines by the names of their bundles; raises NotReady where nothing may begin."""

    def __init__(self, service: Service):
        self._service = service

    def __getitem__(self, name: str) -> Engine:
        self._service.check_ready()
        return self._service.models[name].engine

    def __iter__(self) -> Iterator[str]:
        self._service.check_ready()
        return iter(self._service.models)

    def __len__(self) -> int:
        self._service.check_ready()
        return len(self._service.models)


def page(service: Service) -> APIRouter:
    """Routes of the page, and of what it asks for."""
    limits = service.settings.limits
    return router(_Engines(service), min(limits.texts, MOST_PASSAGES), limits.tokens)
