"""Invented birth names and INEs (student numbers) for which every simulator answers with a fault.

The name `PANNE-HTML` and the INE `HTML0000000` stand for `Fault.HTML`. The name `PANNE-FORBIDDEN` and the INE
`HTTP0000403` stand for the status 403, which no provider documents. A caller can type them to see how a fault is
reported.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TypeAlias

from aiohttp import web

from bouquet_worker.simulate import Fault, respond_with_fault

STATUSES = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT)
"""HTTP statuses that no provider documents. Like each `Fault`, each of these statuses has an invented name and an
invented INE that make a simulator answer with it."""

SimulatedFault: TypeAlias = Fault | HTTPStatus


def as_ine(name: str) -> str:
    """Returns the INE that stands for the fault called `name`, such as `HTML0000000` for `HTML`. It has eleven
    characters, so that every check of an INE accepts it."""
    return name.replace("-", "").replace("_", "").upper()[:10].ljust(11, "0")


NAMES: dict[str, SimulatedFault] = {f"PANNE-{one.name.replace('_', '-')}": one for one in (*Fault, *STATUSES)}
"""For each invented birth name, such as `PANNE-HTML`, the fault or HTTP status with which a simulator answers."""
INES: dict[str, SimulatedFault] = {
    **{as_ine(fault.name): fault for fault in Fault},
    **{f"HTTP0000{status.value}": status for status in STATUSES},
}
"""For each invented INE, such as `HTML0000000`, the fault or HTTP status with which a simulator answers."""


async def simulated_fault(request: web.Request, key: str) -> web.StreamResponse | None:
    """Returns the faulty answer for `key`, which is a birth name or an INE; returns `None` if `key` stands for no
    fault."""
    match (NAMES | INES).get(key.upper()):
        case None:
            return None
        case Fault() as fault:
            return await respond_with_fault(request, fault)
        case status:
            return web.Response(status=status)
