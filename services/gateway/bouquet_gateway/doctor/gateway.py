"""Examination of a running gateway over HTTP: whether the gateway is ready, and how its recent calls ended."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import repeat
from typing import Literal

import aiohttp
import msgspec
from msgspec import Struct

from bouquet_gateway.doctor.disk import SUBJECT as SPOOL
from bouquet_gateway.doctor.mesh import REGISTRY, worker_subject
from bouquet_gateway.public.pings import Ping, Status
from bouquet_mesh.doctor.broker import RIGHTS_SUBJECT
from bouquet_mesh.doctor.findings import Finding, unknown, well, wrong
from bouquet_proto.deadline import Deadline

_pings = msgspec.json.Decoder(list[Ping])
_status = msgspec.json.Decoder(Status)


class _Readiness(Struct, frozen=True):
    status: Literal["ready", "waiting"]
    lacks: tuple[str, ...] = msgspec.field(name="for", default=())


EXPLAINED_BY = {"bus": ("broker", RIGHTS_SUBJECT), "registry": (REGISTRY,), "journal": ("journal", SPOOL)}
"""Names of the doctor's checks that may show why a gateway is not ready. Keys are what the gateway lacks according to
`/readyz`, such as `journal`."""


async def examine(url: str, providers: Iterable[str], deadline: Deadline) -> list[Finding]:
    """Examines the running gateway at `url`, and returns the findings (results of checks). `providers` names the
    providers that the gateway may ask. If `url` is empty, the only finding asks for the option `--url`."""
    if not url:
        return [
            unknown(
                "providers' last successes", "only a running gateway knows them", "run again with --url http://GATEWAY"
            )
        ]
    url = url.rstrip("/")
    try:
        async with asyncio.timeout(deadline.left_s()), aiohttp.ClientSession() as session:
            readiness = msgspec.json.decode(await _body(session, f"{url}/readyz"), type=_Readiness)
            names = [ping.name for ping in _pings.decode(await _body(session, f"{url}/api/pings"))]
            bodies = await asyncio.gather(*(_body(session, f"{url}/api/{name}/ping") for name in names))
            workers = tuple(map(worker_subject, providers))
            statuses = map(_status.decode, bodies)
            return [_ready(readiness), *map(_resource_finding, names, statuses, repeat(workers))]
    except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError, ValueError) as error:
        return [
            wrong("gateway", f"does not answer as a gateway ({type(error).__name__})", "start it, or correct --url")
        ]


async def _body(session: aiohttp.ClientSession, url: str) -> bytes:
    async with session.get(url) as response:
        return await response.read()


def _ready(readiness: _Readiness) -> Finding:
    if readiness.status == "ready":
        return well("gateway", "is ready")
    needs = tuple(subject for name in readiness.lacks for subject in EXPLAINED_BY.get(name, ()))
    return wrong("gateway", f"is not ready: it lacks {', '.join(readiness.lacks)}", "see the gateway's log", needs)


def _resource_finding(name: str, status: Status, workers: tuple[str, ...]) -> Finding:
    """Returns the result of the check of a resource, such as `quotient_familial`. `status` is its health, as the
    running gateway shows it. If the health is unknown, the result refers to `workers`, the names of the checks of the
    resource's workers."""
    last = f"last success {status.last_ok_status}" if status.last_ok_status else "no success since it started"
    match status.status:
        case "ok":
            return well(name, last)
        case "maintenance":
            return well(name, f"in maintenance until {status.until}; {last}")
        case "unknown":
            says = f"no calls, and its worker does not answer; {last}"
            return unknown(name, says, "see the log of its worker", workers)
        case "bad_gateway":
            remedy = "see the worker's log: is the provider itself down, or the connection to it?"
            return wrong(name, f"a tenth or more of the last ten minutes' calls ended in an outage; {last}", remedy)
