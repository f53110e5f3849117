"""Calls with the token of a software editor, which acts for the administration named by the parameter `recipient`.

The call gets the rights of the habilitation that the administration delegates to the editor. If the administration
delegates several habilitations, the parameter `delegation_id` selects one.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Struct, structs

from bouquet_gateway.access.introspection import iso_time
from bouquet_gateway.access.tokens import CredentialRefusal, Delegation, Rights, Token, TokenSource
from bouquet_gateway.access.unknown_recipients import RecipientThrottle
from bouquet_gateway.errors.problems import Problem
from bouquet_mesh.bus.api import BusClient
from bouquet_proto import registry_messages
from bouquet_proto.deadline import Deadline
from bouquet_proto.messages import Found, ListDelegations
from bouquet_proto.query import Malformed, Query, leading_integer
from bouquet_proto.registry_messages import DelegationPage, ListedDelegation
from bouquet_proto.rules import is_siret

NOT_A_SIRET = CredentialRefusal("00210")
NOT_DELEGATED = CredentialRefusal("recipient_not_delegated")
AMBIGUOUS = CredentialRefusal("delegation_ambiguous")

PER_PAGE = 50
"""Number of delegations on a page of the list, unless the query sets `per_page`."""
MAX_PER_PAGE = 100
MAX_PAGE = 1_000_000

_page_decoder = msgspec.json.Decoder(DelegationPage)


async def acting_token(
    source: TokenSource,
    token: Token,
    query: Query,
    request_id: str,
    deadline: Deadline,
    throttle: RecipientThrottle | None = None,
) -> Token | CredentialRefusal:
    """Returns a software editor's token with the rights of the habilitation that an administration has delegated to the
    editor. The parameter `recipient` of the query gives the administration's SIRET.

    Returns a refusal if `recipient` is not a SIRET, if not exactly one delegation matches, or if the registry does not
    answer. `throttle` refuses an editor that has called for too many administrations that delegate nothing to it.
    """
    siret = query.scalar("recipient")
    if not isinstance(siret, str) or not is_siret(siret):
        return NOT_A_SIRET
    if throttle is not None and (wait_s := throttle.retry_in_s(token.editor, siret)):
        return CredentialRefusal("too_many_requests", wait_s)
    delegations = await source.delegations_of(token.editor, siret, request_id, deadline)
    if isinstance(delegations, CredentialRefusal):
        return delegations
    if throttle is not None:
        if delegations:
            throttle.note_served(token.editor, siret)
        elif wait_s := await throttle.count_unknown(token.editor):
            return CredentialRefusal("too_many_requests", wait_s)
    delegation = choose_delegation(delegations, query.scalar("delegation_id"))
    if isinstance(delegation, CredentialRefusal):
        return delegation
    rights = {name: getattr(delegation, name) for name in Rights.__struct_fields__}
    return structs.replace(token, **rights, delegation=delegation.id)


def choose_delegation(
    delegations: tuple[Delegation, ...], delegation_id: str | Malformed | None
) -> Delegation | CredentialRefusal:
    """Returns the delegation with the id `delegation_id` or, if no id is given, the only delegation. Returns a refusal
    if no delegation has the id, or if no id is given and there are several delegations. A `Malformed` id matches no
    delegation."""
    if not delegation_id:
        if len(delegations) > 1:
            return AMBIGUOUS
        return delegations[0] if delegations else NOT_DELEGATED
    id = delegation_id.lower() if isinstance(delegation_id, str) else ""
    return next((one for one in delegations if one.id == id), NOT_DELEGATED)


class PublicDelegation(Struct, frozen=True):
    """Delegation as a software editor sees it: the editor's right to use an administration's habilitation."""

    id: str
    siret: str
    intitule: str
    scopes: tuple[str, ...]
    statut: str
    """State of the delegation: `active` or `revoked`."""
    created_at: str
    """Time at which the delegation was created, as ISO 8601 in UTC."""
    authorization_request_id: str | None
    """Id of the habilitation in DataPass; `None` if the habilitation has none there."""


class PageMeta(Struct, frozen=True):
    """Position of a page in the list of a software editor's delegations. `total` is the number of all delegations,
    `total_pages` the number of all pages."""

    page: int
    per_page: int
    total: int
    total_pages: int


class PublicPage(Struct, frozen=True):
    """One page of the list of delegations to a software editor. The list is sorted newest first, and includes revoked
    delegations."""

    data: tuple[PublicDelegation, ...]
    meta: PageMeta


async def list_delegations(
    bus: BusClient, editor: str, query: Query, request_id: str, deadline: Deadline
) -> PublicPage:
    """Returns one page of the list of delegations to the software editor with the id `editor`. The query parameters
    `page` and `per_page` choose the page. Raises `Problem` if the registry does not answer."""
    page = min(max(1, _integer(query, "page")), MAX_PAGE)
    delegation_id = _integer(query, "per_page")
    per_page = min(delegation_id, MAX_PER_PAGE) if delegation_id > 0 else PER_PAGE
    question = ListDelegations(id=request_id, deadline=deadline.at, editor=editor, page=page, per_page=per_page)
    reply = await bus.call(registry_messages.PROVIDER, question)
    if not isinstance(reply, Found):
        raise Problem("registry_unavailable")
    try:
        found = _page_decoder.decode(reply.data)
    except msgspec.DecodeError:
        raise Problem("registry_unavailable") from None
    meta = PageMeta(page, per_page, found.total, -(-found.total // per_page))
    return PublicPage(tuple(_public(found.delegations)), meta)


def _public(delegations: Iterable[ListedDelegation]) -> Iterable[PublicDelegation]:
    for one in delegations:
        yield PublicDelegation(
            id=one.id,
            siret=one.siret,
            intitule=one.purpose,
            scopes=one.scopes,
            statut="active" if one.is_active else "revoked",
            created_at=iso_time(one.created_at),
            authorization_request_id=one.datapass_id,
        )


def _integer(query: Query, name: str) -> int:
    text = query.scalar(name)
    return leading_integer(text) if isinstance(text, str) else 0
