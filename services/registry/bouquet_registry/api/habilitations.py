"""Routes that search, read, create and change habilitations (administrations' rights to call operations)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType, structs
from sqlalchemy import ColumnElement, Text, cast, func, or_, select

from bouquet_proto.registry_messages import GroupLimit
from bouquet_registry import queries, schema
from bouquet_registry.administration import Administration
from bouquet_registry.api.inputs import given_fields
from bouquet_registry.api.pages import Order, Page, PageRequest, Time, page_of
from bouquet_registry.api.route import ApiRequest, Handler, Method, Route, change_route
from bouquet_registry.habilitations import (
    Contact,
    Habilitation,
    Person,
    ServiceProvider,
    State,
    Token,
    problems_in,
    validation_errors,
)
from bouquet_registry.served_scopes import ServedScope, served_scopes

Line: TypeAlias = Annotated[str, Meta(max_length=500)]
"""Line of text for human readers, of at most 500 characters."""
MAX_VERSION = 2**31 - 1
"""Largest version number that a request can contain: the maximum of PostgreSQL's type INTEGER."""
Version: TypeAlias = Annotated[
    int, Meta(ge=1, le=MAX_VERSION, description="Version of the record that the change is based on.")
]
Addresses: TypeAlias = tuple[Annotated[str, Meta(max_length=64)], ...]

BLANK = Habilitation(id="", siret="", created_at=datetime.min, updated_at=datetime.min)
"""Habilitation with empty fields, into which `problems_of` copies the fields of a request to check them."""
ORDER = Order((schema.habilitations.c.created_at, schema.habilitations.c.id), tuple[Time, str])


class HabilitationSearch(PageRequest, frozen=True, kw_only=True):
    """Parameters of a search for habilitations (rights to call operations). The search finds the habilitations that
    match all given parameters."""

    q: Annotated[str, Meta(max_length=200, description="Part of the name, purpose, SIRET or DataPass id.")] = ""
    siret: Annotated[str, Meta(max_length=14)] = ""
    email: Annotated[str, Meta(max_length=254, description="E-mail address of one of the contacts.")] = ""
    state: State | UnsetType = UNSET


class HabilitationWithTokens(Struct, frozen=True, kw_only=True):
    """Habilitation (right to call operations) with its tokens, sorted by expiry."""

    habilitation: Habilitation
    tokens: tuple[Token, ...]


class HabilitationFields(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Optional fields of a request that creates or changes a habilitation (right to call operations). A field that is
    left out gets its default in a new habilitation, and keeps its value in an existing one."""

    name: Line | UnsetType = UNSET
    purpose: Line | UnsetType = UNSET
    description: Annotated[str, Meta(max_length=20_000)] | UnsetType = UNSET
    contacts: tuple[Contact, ...] | UnsetType = UNSET
    scopes: tuple[str, ...] | UnsetType = UNSET
    unchecked: bool = False
    """Whether to accept scopes that no provider serves. By default, a request with such scopes is refused."""
    modalities: tuple[Annotated[str, Meta(pattern="^[a-z_]{1,40}$")], ...] | UnsetType = UNSET
    ine: bool | UnsetType = UNSET
    datapass_id: str | None | UnsetType = UNSET
    public_id: Line | UnsetType = UNSET
    form_uid: Line | UnsetType = UNSET
    service_provider: ServiceProvider | None | UnsetType = UNSET
    data_protection_officer: Person | None | UnsetType = UNSET
    calls_per_minute: int | UnsetType = UNSET
    calls_per_second: int | UnsetType = UNSET
    group_limits: tuple[GroupLimit, ...] | UnsetType = UNSET
    allowed_ips: Addresses | UnsetType = UNSET


class NewHabilitation(HabilitationFields, frozen=True, kw_only=True):
    """Body of a request that creates a habilitation, an administration's right to call operations."""

    siret: str


class HabilitationChange(HabilitationFields, frozen=True, kw_only=True):
    """Body of a request that changes a habilitation (right to call operations). Fields that are left out keep their
    values."""

    version: Version
    siret: str | UnsetType = UNSET


class VersionOnly(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of a request whose only field is `version`: the version of the record that the client has read."""

    version: Version


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """New rate limits of a habilitation, which replace all its former ones. 0 calls per minute means no limit. 0 calls
    per second means the gateways' default limit."""

    version: Version
    calls_per_minute: int = 0
    calls_per_second: int = 0
    group_limits: tuple[GroupLimit, ...] = ()


class AllowedAddresses(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """New list of the IP addresses and CIDR ranges from which a habilitation's tokens may be used. An empty list allows
    all addresses."""

    version: Version
    allowed_ips: Addresses


class ScopeList(Struct, frozen=True):
    """List of the scopes of the operations that gateways serve, sorted by name."""

    data: tuple[ServedScope, ...]


def problems_of(fields: Mapping[str, Any]) -> list[str]:
    """Checks the given fields of a habilitation, and returns a text `field: problem` for each fault."""
    inputs = {name: value for name, value in fields.items() if name in Habilitation.__struct_fields__}
    return problems_in(inputs, validation_errors(structs.replace(BLANK, **inputs)))


async def search(administration: Administration, request: ApiRequest) -> Page[Habilitation]:
    """Returns the habilitations that match a search, oldest first."""
    asked: HabilitationSearch = request.inputs
    query = select(schema.habilitations).where(*_conditions(asked))
    async with administration.store.reading() as connection:
        return await page_of(connection, query, ORDER, asked, _habilitation)


def _habilitation(row: Mapping[Any, Any]) -> Habilitation:
    return queries.record_of(row, Habilitation)


def _conditions(asked: HabilitationSearch) -> list[ColumnElement[bool]]:
    known, conditions = schema.habilitations.c, []
    if asked.q:
        texts = (known.name, known.purpose, known.siret, known.datapass_id)
        conditions.append(or_(*(column.icontains(asked.q, autoescape=True) for column in texts)))
    if asked.siret:
        conditions.append(known.siret == asked.siret)
    if asked.email:
        # The column's text is what the JSON serializer of SQLAlchemy, the standard library's, makes of the contacts.
        wanted = f'"email": {json.dumps(asked.email.strip().lower())}'
        conditions.append(func.lower(cast(known.contacts, Text)).contains(wanted, autoescape=True))
    if asked.state is not UNSET:
        conditions.append(known.state == asked.state)
    return conditions


async def read(administration: Administration, request: ApiRequest) -> HabilitationWithTokens:
    """Returns a habilitation with its tokens. Raises `UnknownRecord` for an unknown id."""
    async with administration.store.reading() as connection:
        found = await queries.habilitation(connection, request.id)
        return HabilitationWithTokens(
            habilitation=found, tokens=tuple(await queries.tokens(connection, habilitation=found.id))
        )


async def create(administration: Administration, request: ApiRequest) -> Habilitation:
    """Creates a habilitation. Raises `InvalidFields` for wrong fields and for scopes that no provider serves, and
    `Conflict` if another habilitation has the same `datapass_id`."""
    return await administration.create(request.author, **given_fields(request.inputs))


async def change(administration: Administration, request: ApiRequest) -> Habilitation:
    """Changes the given fields of a habilitation. Raises `UnknownRecord` for an unknown id, and `StaleVersion` for an
    outdated version. Raises `InvalidFields` for wrong fields and for new scopes that no provider serves. Raises
    `Conflict` if another habilitation has the same `datapass_id`."""
    fields = given_fields(request.inputs)
    return await administration.change(request.author, request.id, fields.pop("version"), **fields)


async def close(administration: Administration, request: ApiRequest) -> Habilitation:
    """Archives a habilitation, so that gateways refuse its tokens. Raises `UnknownRecord` for an unknown id, and
    `StaleVersion` for an outdated version."""
    return await administration.change(request.author, request.id, request.inputs.version, state="archived")


async def reopen(administration: Administration, request: ApiRequest) -> Habilitation:
    """Makes a habilitation active again, so that gateways accept its tokens. Raises `UnknownRecord` for an unknown id,
    and `StaleVersion` for an outdated version."""
    return await administration.change(request.author, request.id, request.inputs.version, state="active")


_ACTS: tuple[tuple[Method, str, str, str, Handler, type[Struct]], ...] = (
    ("PATCH", "", "change_habilitation", "Change fields of a habilitation.", change, HabilitationChange),
    ("PUT", "/limits", "set_limits", "Set the rate limits of a habilitation's own.", change, Limits),
    ("PUT", "/addresses", "set_addresses", "Set the allowed addresses.", change, AllowedAddresses),
    (
        "POST",
        "/close",
        "close_habilitation",
        "Close a habilitation: its tokens are refused.",
        close,
        VersionOnly,
    ),
    ("POST", "/reopen", "reopen_habilitation", "Make a habilitation active again.", reopen, VersionOnly),
)
"""Data of the routes that change a habilitation. For each route: HTTP method, end of the path, name, summary, handler,
type of the body."""


async def list_scopes(administration: Administration, request: ApiRequest) -> ScopeList:
    """Returns the scopes of the operations that gateways serve, each with the time at which a gateway last reported
    it."""
    async with administration.store.reading() as connection:
        return ScopeList(tuple(await served_scopes(connection)))


ROUTES = (
    Route(
        method="GET",
        path="/scopes",
        name="list_scopes",
        summary="List the scopes of the operations that gateways serve, with the time of their last report.",
        handler=list_scopes,
        answers=ScopeList,
    ),
    Route(
        method="GET",
        path="/habilitations",
        name="list_habilitations",
        summary="List and search habilitations, oldest first.",
        handler=search,
        takes=HabilitationSearch,
        answers=Page[Habilitation],
    ),
    Route(
        method="POST",
        path="/habilitations",
        name="create_habilitation",
        summary="Create a habilitation.",
        handler=create,
        takes=NewHabilitation,
        check=problems_of,
        answers=Habilitation,
        is_act=True,
        status=201,
        refusals=(409,),
    ),
    Route(
        method="GET",
        path="/habilitations/{id}",
        name="read_habilitation",
        summary="Read a habilitation with its tokens.",
        handler=read,
        answers=HabilitationWithTokens,
        refusals=(404,),
    ),
    *(
        change_route(
            method, f"/habilitations/{{id}}{end}", name, summary, handler, takes, Habilitation, check=problems_of
        )
        for method, end, name, summary, handler, takes in _ACTS
    ),
)
"""Routes of habilitations, and of the scopes that gateways serve."""
