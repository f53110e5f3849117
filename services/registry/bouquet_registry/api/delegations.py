"""Routes of delegations, the rights of software editors to call with administrations' habilitations."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from bouquet_registry import queries as registry_queries
from bouquet_registry import schema
from bouquet_registry.administration import Administration
from bouquet_registry.api.habilitations import VersionOnly
from bouquet_registry.api.pages import Order, Page, PageRequest, Time, page_of, presence_conditions
from bouquet_registry.api.route import ApiRequest, Route, change_route
from bouquet_registry.editors import queries
from bouquet_registry.editors.administration import editor_administration_of
from bouquet_registry.editors.records import Delegation

ORDER = Order((schema.delegations.c.created_at, schema.delegations.c.id), tuple[Time, str], newest_first=True)


class DelegationSearch(PageRequest, frozen=True, kw_only=True):
    """Parameters of a search for delegations (rights of software editors to use administrations' habilitations). The
    search finds the delegations that match all given parameters."""

    editor: Annotated[str, Meta(max_length=36, description="Id of the editor.")] = ""
    habilitation: Annotated[str, Meta(max_length=36, description="Id of the habilitation.")] = ""
    is_revoked: bool | UnsetType = UNSET


class NewDelegation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of a request that delegates a habilitation to a software editor. From then on, the editor's tokens can be
    used with the habilitation's rights."""

    editor: Annotated[str, Meta(max_length=36)]
    habilitation: Annotated[str, Meta(max_length=36)]


async def search(administration: Administration, request: ApiRequest) -> Page[Delegation]:
    """Returns the delegations that match a search, newest first."""
    asked: DelegationSearch = request.inputs
    query, known = queries.DELEGATIONS.order_by(None), schema.delegations.c
    if asked.editor:
        query = query.where(known.editor == asked.editor)
    if asked.habilitation:
        query = query.where(known.habilitation == asked.habilitation)
    query = query.where(*presence_conditions(known.revoked_at, asked.is_revoked))
    async with administration.store.reading() as connection:
        return await page_of(connection, query, ORDER, asked, lambda row: registry_queries.record_of(row, Delegation))


async def read(administration: Administration, request: ApiRequest) -> Delegation:
    """Returns a delegation, with who created and revoked it, when and why. Raises `UnknownRecord` for an unknown id."""
    async with administration.store.reading() as connection:
        return await queries.delegation(connection, request.id)


async def delegate(administration: Administration, request: ApiRequest) -> Delegation:
    """Delegates a habilitation to an editor. Raises `UnknownRecord` for an unknown habilitation or editor. Raises
    `RefusalError` unless both are active and the editor accepts delegations. Raises `Conflict` if the editor has the
    delegation already."""
    return await editor_administration_of(administration).delegate(
        request.author, request.inputs.editor, request.inputs.habilitation
    )


async def withdraw(administration: Administration, request: ApiRequest) -> Delegation:
    """Revokes a delegation. Raises `UnknownRecord` for an unknown id, `StaleVersion` for an outdated version, and
    `RefusalError` if the delegation is revoked already."""
    return await editor_administration_of(administration).withdraw(request.author, request.id, request.inputs.version)


ROUTES = (
    Route(
        method="GET",
        path="/delegations",
        name="list_delegations",
        summary="List delegations, newest first, revoked ones included.",
        handler=search,
        takes=DelegationSearch,
        answers=Page[Delegation],
    ),
    Route(
        method="POST",
        path="/delegations",
        name="create_delegation",
        summary="Delegate a habilitation to an editor.",
        handler=delegate,
        takes=NewDelegation,
        answers=Delegation,
        is_act=True,
        status=201,
        refusals=(404, 409),
    ),
    Route(
        method="GET",
        path="/delegations/{id}",
        name="read_delegation",
        summary="Read a delegation with its history.",
        handler=read,
        answers=Delegation,
        refusals=(404,),
    ),
    change_route(
        "POST",
        "/delegations/{id}/revoke",
        "revoke_delegation",
        "Revoke a delegation: it counts everywhere within 5 s.",
        withdraw,
        VersionOnly,
        Delegation,
    ),
)
"""Routes of the API about delegations (rights of software editors to use administrations' habilitations)."""
