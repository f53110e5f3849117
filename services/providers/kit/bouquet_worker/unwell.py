"""People who make any simulator unwell, as a caller can type them: by family name or by INE.

`PANNE-HTML` or `HTML0000000`: a fault. `PANNE-FORBIDDEN` or `HTTP0000403`: a status that nobody foresaw.
"""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web

from bouquet_worker.simulate import Fault, misbehave

STATUSES = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT)

Ill = Fault | HTTPStatus


def as_ine(name: str) -> str:
    """An INE that says the same: of the base 36 shape, which any validation accepts."""
    return name.replace("-", "").replace("_", "").upper()[:10].ljust(11, "0")


NAMES: dict[str, Ill] = {f"PANNE-{ill.name.replace('_', '-')}": ill for ill in (*Fault, *STATUSES)}
INES: dict[str, Ill] = {
    **{as_ine(fault.name): fault for fault in Fault},
    **{f"HTTP0000{status.value}": status for status in STATUSES},
}


async def unwell(request: web.Request, key: str) -> web.StreamResponse | None:
    """What the person of that name or INE makes of a request; `None` for everybody else."""
    match (NAMES | INES).get(key.upper()):
        case None:
            return None
        case Fault() as fault:
            return await misbehave(request, fault)
        case status:
            return web.Response(status=status)
