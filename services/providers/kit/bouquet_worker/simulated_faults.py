"""Names and INEs of people for whom any simulator answers with a fault, as a caller can type them.

`PANNE-HTML` or `HTML0000000`: a fault. `PANNE-FORBIDDEN` or `HTTP0000403`: a status that nobody foresaw.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TypeAlias

from aiohttp import web

from bouquet_worker.simulate import Fault, misbehave

STATUSES = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT)

SimulatedFault: TypeAlias = Fault | HTTPStatus


def as_ine(name: str) -> str:
    """The INE that stands for a name: of the base 36 shape, which any validation accepts."""
    return name.replace("-", "").replace("_", "").upper()[:10].ljust(11, "0")


NAMES: dict[str, SimulatedFault] = {f"PANNE-{one.name.replace('_', '-')}": one for one in (*Fault, *STATUSES)}
INES: dict[str, SimulatedFault] = {
    **{as_ine(fault.name): fault for fault in Fault},
    **{f"HTTP0000{status.value}": status for status in STATUSES},
}


async def simulated_fault(request: web.Request, key: str) -> web.StreamResponse | None:
    """The faulty answer to a request about the person of that name or INE; `None` for everybody else."""
    match (NAMES | INES).get(key.upper()):
        case None:
            return None
        case Fault() as fault:
            return await misbehave(request, fault)
        case status:
            return web.Response(status=status)
