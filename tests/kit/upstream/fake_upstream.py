"""A fake upstream, and functions that read the errors and metrics of calls to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from msgspec import Struct
from prometheus_client import REGISTRY

from bouquet_worker.errors import UpstreamError


class FakeUpstream:
    def __init__(self) -> None:
        self.received: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.statuses = [200]
        self.headers: dict[str, str] = {}
        self.text = "{}"
        self.before_answer: Callable[[], None] = lambda: None

    @property
    def last(self) -> tuple[str, str, str, bytes]:
        request = self.received[-1]
        return request.method, request.raw_path, request.headers.get("Content-Type", ""), self.bodies[-1]

    async def answer(self, request: web.Request) -> web.Response:
        self.received.append(request)
        self.bodies.append(await request.read())
        self.before_answer()
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return web.Response(status=status, text=self.text, headers=self.headers)


async def error_of(call: Awaitable[object]) -> UpstreamError:
    with pytest.raises(UpstreamError) as raised:
        await call
    return raised.value


async def reason_of(call: Awaitable[object]) -> str:
    return (await error_of(call)).reason


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


class Child(Struct):
    prenom: str


class Household(Struct, rename="camel"):
    quotient_familial: int
    enfants: list[Child] = []
    par_annee: dict[str, int] = {}
