"""Routes that revoke proofs and list the revoked ones. A proof is an encrypted text by which anyone can verify later
what an answer said."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from bouquet_registry import schema
from bouquet_registry.administration import Administration
from bouquet_registry.api.pages import Order, Page, PageRequest, Time, page_of
from bouquet_registry.api.route import ApiRequest, Route
from bouquet_registry.proofs.administration import RECORD_ID, REVOKED_PROOFS_QUERY, RevokedProof, revoke_proof
from bouquet_registry.queries import record_of

BY_TIME = Order((schema.revoked_proofs.c.revoked_at, schema.revoked_proofs.c.record), tuple[Time, str], True)


class ProofOnly(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of a request about one proof (encrypted text that shows later what an answer said). `record` is the id of
    the answer's record in the access journal."""

    record: Annotated[
        str,
        Meta(
            pattern=f"^{RECORD_ID.pattern}$",
            description="Id of the answer's record in the access journal, which the verification of the proof shows.",
        ),
    ]


async def list_revoked(administration: Administration, request: ApiRequest) -> Page[RevokedProof]:
    """Returns a page of the revoked proofs (encrypted texts that show what an answer said), latest revocation first."""
    async with administration.store.reading() as connection:
        return await page_of(
            connection, REVOKED_PROOFS_QUERY, BY_TIME, request.inputs, lambda row: record_of(row, RevokedProof)
        )


async def revoke(administration: Administration, request: ApiRequest) -> RevokedProof:
    """Revokes for ever a proof, an encrypted text that shows what an answer said. Raises `Conflict` if the proof is
    revoked already."""
    return await revoke_proof(administration, request.author, request.inputs.record)


ROUTES = (
    Route(
        method="GET",
        path="/proofs/revoked",
        name="list_revoked_proofs",
        summary="List the revoked proofs of answers, newest first.",
        handler=list_revoked,
        takes=PageRequest,
        answers=Page[RevokedProof],
    ),
    Route(
        method="POST",
        path="/proofs/revoke",
        name="revoke_proof",
        summary="Revoke the proof of an answer for ever: its verification says so.",
        handler=revoke,
        takes=ProofOnly,
        answers=RevokedProof,
        is_act=True,
        refusals=(409,),
    ),
)
"""Routes that revoke proofs (encrypted texts that show later what an answer said) and list the revoked ones."""
