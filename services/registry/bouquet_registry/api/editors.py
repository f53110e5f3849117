"""Routes of software editors, the companies whose software calls for administrations."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType, structs
from sqlalchemy import or_, select

from bouquet_registry import queries as registry_queries
from bouquet_registry import schema
from bouquet_registry.administration import Administration
from bouquet_registry.api.habilitations import Addresses, Line, Version, VersionOnly
from bouquet_registry.api.inputs import given_fields
from bouquet_registry.api.pages import Order, Page, PageRequest, Time, page_of
from bouquet_registry.api.route import ApiRequest, Handler, Method, Route, change_route
from bouquet_registry.editors import queries
from bouquet_registry.editors.administration import editor_administration_of
from bouquet_registry.editors.records import Editor, EditorState, EditorToken, validation_errors
from bouquet_registry.habilitations import problems_in

BLANK = Editor(id="", siret="", created_at=datetime.min, updated_at=datetime.min)
"""Editor with empty fields, into which `problems_of` copies the fields of a request to check them."""
ORDER = Order((schema.editors.c.created_at, schema.editors.c.id), tuple[Time, str])


class EditorSearch(PageRequest, frozen=True, kw_only=True):
    """Parameters of a search for software editors. The search finds the editors that match all given parameters."""

    q: Annotated[str, Meta(max_length=200, description="Part of the name or SIRET.")] = ""
    state: EditorState | UnsetType = UNSET


class EditorWithTokens(Struct, frozen=True, kw_only=True):
    """Software editor with its tokens, sorted by expiry. `delegations` is the number of its delegations (rights to use
    administrations' habilitations), revoked ones included."""

    editor: Editor
    tokens: tuple[EditorToken, ...]
    delegations: int


class EditorFields(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Optional fields of a request that creates or changes a software editor. A field that is left out gets its default
    in a new editor, and keeps its value in an existing one."""

    form_uids: tuple[Annotated[str, Meta(max_length=200)], ...] | UnsetType = UNSET
    allowed_ips: Addresses | UnsetType = UNSET
    members: tuple[Annotated[str, Meta(max_length=254)], ...] | UnsetType = UNSET
    delegable: bool | UnsetType = UNSET
    copies_tokens: bool | UnsetType = UNSET


class NewEditor(EditorFields, frozen=True, kw_only=True):
    """Body of a request that creates a software editor."""

    siret: str
    name: Line


class EditorChange(EditorFields, frozen=True, kw_only=True):
    """Body of a request that changes a software editor. Fields that are left out keep their values."""

    version: Version
    siret: str | UnsetType = UNSET
    name: Line | UnsetType = UNSET


def problems_of(fields: Mapping[str, Any]) -> list[str]:
    """Checks the given fields of an editor, and returns a text `field: problem` for each fault."""
    inputs = {name: value for name, value in fields.items() if name in Editor.__struct_fields__}
    return problems_in(inputs, validation_errors(structs.replace(BLANK, **inputs)))


async def search(administration: Administration, request: ApiRequest) -> Page[Editor]:
    """Returns the editors that match a search, oldest first."""
    asked: EditorSearch = request.inputs
    query, known = select(schema.editors), schema.editors.c
    if asked.q:
        query = query.where(or_(*(one.icontains(asked.q, autoescape=True) for one in (known.name, known.siret))))
    if asked.state is not UNSET:
        query = query.where(known.state == asked.state)
    async with administration.store.reading() as connection:
        return await page_of(connection, query, ORDER, asked, lambda row: registry_queries.record_of(row, Editor))


async def read(administration: Administration, request: ApiRequest) -> EditorWithTokens:
    """Returns an editor with its tokens. Raises `UnknownRecord` for an unknown id."""
    async with administration.store.reading() as connection:
        found = await queries.editor(connection, request.id)
        return EditorWithTokens(
            editor=found,
            tokens=tuple(await queries.editor_tokens(connection, editor=found.id)),
            delegations=await queries.count_delegations(connection, found.id),
        )


async def create(administration: Administration, request: ApiRequest) -> Editor:
    """Creates an editor: a company whose software calls gateways for the administrations that are its clients. Raises
    `InvalidFields` for wrong fields."""
    return await editor_administration_of(administration).create(request.author, **given_fields(request.inputs))


async def change(administration: Administration, request: ApiRequest) -> Editor:
    """Changes the given fields of an editor. Raises `UnknownRecord` for an unknown id, `StaleVersion` for an outdated
    version, and `InvalidFields` for wrong fields."""
    fields = given_fields(request.inputs)
    return await editor_administration_of(administration).change(
        request.author, request.id, fields.pop("version"), **fields
    )


async def close(administration: Administration, request: ApiRequest) -> Editor:
    """Archives an editor, so that gateways refuse its tokens. Raises `UnknownRecord` for an unknown id, and
    `StaleVersion` for an outdated version."""
    return await editor_administration_of(administration).change(
        request.author, request.id, request.inputs.version, state="archived"
    )


async def reopen(administration: Administration, request: ApiRequest) -> Editor:
    """Makes an archived editor active again, so that gateways accept its tokens. Raises `UnknownRecord` for an unknown
    id, and `StaleVersion` for an outdated version."""
    return await editor_administration_of(administration).change(
        request.author, request.id, request.inputs.version, state="active"
    )


_ACTS: tuple[tuple[Method, str, str, str, Handler, type[Struct]], ...] = (
    ("PATCH", "", "change_editor", "Change fields of an editor.", change, EditorChange),
    ("POST", "/close", "close_editor", "Close an editor: its tokens are refused.", close, VersionOnly),
    ("POST", "/reopen", "reopen_editor", "Make an editor active again.", reopen, VersionOnly),
)
"""Data of the routes that change a software editor. For each route: HTTP method, end of the path, name, summary,
handler, type of the body."""


ROUTES = (
    Route(
        method="GET",
        path="/editors",
        name="list_editors",
        summary="List and search editors, oldest first.",
        handler=search,
        takes=EditorSearch,
        answers=Page[Editor],
    ),
    Route(
        method="POST",
        path="/editors",
        name="create_editor",
        summary="Create an editor.",
        handler=create,
        takes=NewEditor,
        check=problems_of,
        answers=Editor,
        is_act=True,
        status=201,
    ),
    Route(
        method="GET",
        path="/editors/{id}",
        name="read_editor",
        summary="Read an editor with its tokens.",
        handler=read,
        answers=EditorWithTokens,
        refusals=(404,),
    ),
    *(
        change_route(method, f"/editors/{{id}}{end}", name, summary, handler, takes, Editor, check=problems_of)
        for method, end, name, summary, handler, takes in _ACTS
    ),
)
"""Routes that list, read, create and change software editors."""
