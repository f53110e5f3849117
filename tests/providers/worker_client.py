"""Helpers that run a provider's worker on the in-memory bus. The worker calls its simulator over HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

import msgspec
import pytest
from aiohttp import web

from bouquet_mesh.bus.memory import MemoryBus
from bouquet_mesh.listen import listening
from bouquet_proto.identity import Identite, Identity
from bouquet_proto.messages import Caller, Failed, Found, Lookup, Parameter, Reply
from bouquet_worker import deadline
from bouquet_worker.simulate import CLOCK, RECEIVED, Received, Simulator
from bouquet_worker.worker import Worker

TODAY = date(2026, 4, 15)
REQUEST_ID = "5f0a1a0e-6c35-4a51-9a0b-0d6d5d2f7f10"
RECIPIENT = "13002526500013"
TOKEN_ID = "9c1d2e3f-1111-4222-8333-444455556666"

PATIENCE_S = 60.0
"""Deadline, in seconds, of requests that must be answered. Only a test that hangs reaches it."""
REPLY_MARGIN_S = 30.0
SILENCE_S = REPLY_MARGIN_S + 0.3
"""Seconds until the deadline of a request to a silent upstream: `REPLY_MARGIN_S`, and 0.3 s in which the worker waits
for the upstream."""


class WorkerClient:
    """A running worker and the simulator that it calls. Calling the object sends the worker a request and returns the
    reply."""

    def __init__(self, bus: MemoryBus, provider: str, app: web.Application) -> None:
        self._bus = bus
        self._provider = provider
        self.app = app

    @property
    def received(self) -> list[Received]:
        return self.app[RECEIVED]

    async def __call__(
        self, operation: str, who: Identity, *, within_s: float = PATIENCE_S, **parameters: Parameter
    ) -> Reply:
        lookup = Lookup(
            id=REQUEST_ID,
            deadline=time.time() + within_s,
            operation=operation,
            identity=who,
            parameters=parameters,
            caller=Caller(recipient=RECIPIENT, token_id=TOKEN_ID),
        )
        reply = await self._bus.call(self._provider, lookup)
        if within_s == SILENCE_S and reply == Failed("deadline_exceeded"):
            # On a busy machine the requests before the unanswered one, such as that for a token, take the whole time.
            return await self(operation, who, within_s=SILENCE_S + PATIENCE_S, **parameters)
        return reply


@asynccontextmanager
async def worker_client(
    worker: Worker, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[WorkerClient]:
    monkeypatch.setattr(worker, "clock", lambda: TODAY)
    monkeypatch.setattr(deadline, "REPLY_MARGIN_S", REPLY_MARGIN_S)
    app, bus = simulator.app(), MemoryBus()
    app[CLOCK] = lambda: TODAY
    async with listening(app, "127.0.0.1", 0) as url, worker.running(bus, simulator.settings(url)):
        yield WorkerClient(bus, worker.provider, app)


def identite(nom: str, *prenoms: str, born: str = "1989-06-14", sexe: str = "F", commune: str = "29019") -> Identite:
    """Returns the identity of a person born in France on `born` (`YYYY-MM-DD`). Zeros stand for an unknown part, as in
    `1991-00-00`."""
    year, month, day = (int(part) or None for part in born.split("-"))
    fields = {
        "nom_naissance": nom,
        "prenoms": prenoms,
        "annee_date_naissance": year,
        "mois_date_naissance": month,
        "jour_date_naissance": day,
        "sexe_etat_civil": sexe,
        "code_cog_insee_pays_naissance": "99100",
        "code_cog_insee_commune_naissance": commune,
    }
    return msgspec.convert(fields, Identite)


def data_of(reply: Reply) -> Any:
    assert isinstance(reply, Found), reply
    return json.loads(bytes(reply.data))
