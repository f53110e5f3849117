"""Revocation of proofs, encrypted texts that show later what an answer said. At each verification of a proof, the
gateway asks the registry whether the proof is revoked."""

from __future__ import annotations

import msgspec

from bouquet_gateway.access.introspection import iso_time
from bouquet_gateway.errors.problems import Problem
from bouquet_gateway.paris import moment_in_paris
from bouquet_mesh.bus.api import BusClient
from bouquet_proto.deadline import Deadline
from bouquet_proto.messages import FindRevocation, Found
from bouquet_proto.registry_messages import PROVIDER, Revocation

_decoder = msgspec.json.Decoder(Revocation)


async def refuse_revoked(bus: BusClient, record: str, request_id: str, deadline: Deadline) -> None:
    """Asks the registry whether a proof is revoked. Raises `Problem` if the proof is revoked, or if the registry gives
    no valid reply. `record` is the id of the answer's record in the access journal."""
    reply = await bus.call(PROVIDER, FindRevocation(id=request_id, deadline=deadline.at, record=record))
    if not isinstance(reply, Found):
        raise Problem("proof_status_unknown")
    try:
        revoked_at = _decoder.decode(reply.data).revoked_at
    except msgspec.DecodeError:
        raise Problem("proof_status_unknown") from None
    if revoked_at is not None:
        raise Problem(
            "proof_revoked",
            values={"revoked_on": moment_in_paris(revoked_at)},
            meta={"revoked_at": iso_time(revoked_at)},
        )
