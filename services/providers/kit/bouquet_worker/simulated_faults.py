"""Invented birth names and INEs (student numbers) for which every simulator answers with a fault, such as
`PANNE-HTML` and `HTML0000000`."""
# The name `PANNE-FORBIDDEN` and the INE `HTTP0000403` stand for the status 403, which no provider documents. A caller
# can type them to see how a fault is reported.

from __future__ import annotations

from http import HTTPStatus
from typing import TypeAlias

from aiohttp import web

from bouquet_worker.simulate import Fault, respond_with_fault

STATUSES = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT)
"""HTTP statuses that a test can make every simulator answer. For instance, the birth name `PANNE-CONFLICT` causes a
409."""

SimulatedFault: TypeAlias = Fault | HTTPStatus


def as_ine(name: str) -> str:
    """Returns the INE that stands for a fault, such as `HTML0000000` for `HTML`."""
    return name.replace("-", "").replace("_", "").upper()[:10].ljust(11, "0")


NAMES: dict[str, SimulatedFault] = {f"PANNE-{one.name.replace('_', '-')}": one for one in (*Fault, *STATUSES)}
"""Faults with which simulators answer, by the invented birth name that causes them, such as `PANNE-HTML`."""
INES: dict[str, SimulatedFault] = {
    **{as_ine(fault.name): fault for fault in Fault},
    **{f"HTTP0000{status.value}": status for status in STATUSES},
}
"""Faults with which simulators answer, by the invented INE that causes them, such as `HTML0000000`."""


async def simulated_fault(request: web.Request, key: str) -> web.StreamResponse | None:
    """Returns the faulty answer that the birth name or INE `key` causes, or `None` if it causes none."""
    match (NAMES | INES).get(key.upper()):
        case None:
            return None
        case Fault() as fault:
            return await respond_with_fault(request, fault)
        case status:
            return web.Response(status=status)
