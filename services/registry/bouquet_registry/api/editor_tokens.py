"""Routes of software editors' tokens, and of the notices that warn an editor before a token expires."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType
from sqlalchemy import select

from bouquet_registry import queries as registry_queries
from bouquet_registry import schema
from bouquet_registry.administration import Administration
from bouquet_registry.api.editors import problems_of
from bouquet_registry.api.habilitations import Addresses, Line, Version, VersionOnly
from bouquet_registry.api.inputs import given_fields
from bouquet_registry.api.pages import Order, Page, PageRequest, Time, page_of, presence_conditions
from bouquet_registry.api.route import ApiRequest, Handler, Method, Route, change_route
from bouquet_registry.api.tokens import Revocation, SignedText
from bouquet_registry.editors import queries
from bouquet_registry.editors.administration import IssuedEditorToken, RotatedToken, editor_administration_of
from bouquet_registry.editors.records import EditorToken

TOKENS = Order((schema.editor_tokens.c.expires_at, schema.editor_tokens.c.id), tuple[Time, str])
NOTICES = Order((schema.editor_notices.c.due_at, schema.editor_notices.c.token), tuple[Time, str], newest_first=True)


class EditorTokenSearch(PageRequest, frozen=True, kw_only=True):
    """Parameters of a search for software editors' tokens. The search finds the tokens that match all given
    parameters."""

    editor: Annotated[str, Meta(max_length=36, description="Id of the editor.")] = ""
    expiring_within_days: (
        Annotated[int, Meta(ge=0, le=3650, description="Only tokens that are in force and expire within so many days.")]
        | UnsetType
    ) = UNSET


class EditorNoticeSearch(PageRequest, frozen=True, kw_only=True):
    """Parameters of a search for notices (warnings to a software editor before a token expires). The search finds the
    notices that match all given parameters."""

    editor: Annotated[str, Meta(max_length=36, description="Id of the editor.")] = ""
    token: Annotated[str, Meta(max_length=36, description="Id of the token.")] = ""
    is_sent: bool | UnsetType = UNSET


class EditorNoticeRow(Struct, frozen=True, kw_only=True):
    """Notice: a warning to a software editor that one of its tokens will soon expire."""

    token: str
    editor: str
    days: int
    """Number of days before the token's expiry at which the notice is due, such as 30."""
    expires_at: datetime
    due_at: datetime
    sent_at: datetime | None
    """Time when the notice was sent; null if it has not been sent yet."""


class NewEditorToken(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of a request that creates a token of a software editor."""

    label: Line = ""
    allowed_ips: Addresses = ()


class EditorTokenChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of a request that changes a software editor's token. Fields that are left out keep their values."""

    version: Version
    label: Line | UnsetType = UNSET
    allowed_ips: Addresses | UnsetType = UNSET


class Rotation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of a request that replaces a software editor's token by a new one."""

    version: Version
    grace_hours: Annotated[int, Meta(ge=0, le=8760)] = 24
    """Hours for which gateways still accept the old token after its replacement."""


async def search(administration: Administration, request: ApiRequest) -> Page[EditorToken]:
    """Returns the editors' tokens that match a search, sorted by expiry."""
    asked: EditorTokenSearch = request.inputs
    query = select(schema.editor_tokens).join(schema.editors)
    if asked.editor:
        query = query.where(schema.editor_tokens.c.editor == asked.editor)
    if isinstance(asked.expiring_within_days, int):
        now = administration.clock()
        until = now + timedelta(days=asked.expiring_within_days)
        query = query.where(schema.editor_tokens.c.expires_at.between(now, until), queries.in_force(now))
    async with administration.store.reading() as connection:
        return await page_of(connection, query, TOKENS, asked, lambda row: registry_queries.record_of(row, EditorToken))


async def read(administration: Administration, request: ApiRequest) -> EditorToken:
    """Returns a token of an editor, without its signed text. Raises `UnknownRecord` for an unknown id."""
    async with administration.store.reading() as connection:
        return await queries.editor_token(connection, request.id)


async def issue(administration: Administration, request: ApiRequest) -> IssuedEditorToken:
    """Issues a token of an editor for 18 months, and returns it with its signed text. Raises `UnknownRecord` for an
    unknown editor, and `InvalidFields` for wrong fields. Raises `RefusalError` if the editor is archived, or if the key
    that signs tokens is withdrawn."""
    return await editor_administration_of(administration).issue(
        request.author, request.id, **given_fields(request.inputs)
    )


async def text(administration: Administration, request: ApiRequest) -> SignedText:
    """Returns the signed text of an editor's token, and records that the author has seen the text. Raises
    `UnknownRecord` for an unknown id, and `RefusalError` if the key that signs tokens is withdrawn."""
    return SignedText(await editor_administration_of(administration).text(request.author, request.id))


async def change(administration: Administration, request: ApiRequest) -> EditorToken:
    """Changes the label or the allowed addresses of an editor's token. Raises `UnknownRecord` for an unknown id, and
    `StaleVersion` for an outdated version. Raises `InvalidFields` for an address outside `Editor.allowed_ips`, or for a
    label that contains the text of a token."""
    fields = given_fields(request.inputs)
    return await editor_administration_of(administration).change_token(
        request.author, request.id, fields.pop("version"), **fields
    )


async def prolong(administration: Administration, request: ApiRequest) -> EditorToken:
    """Moves the expiry of an editor's token to 18 months from now; a blacklisted token stays blacklisted. Raises
    `UnknownRecord` for an unknown id, and `StaleVersion` for an outdated version. Raises `InvalidFields` if an address
    of the token is no longer in `Editor.allowed_ips`."""
    return await editor_administration_of(administration).prolong(request.author, request.id, request.inputs.version)


async def rotate(administration: Administration, request: ApiRequest) -> RotatedToken:
    """Issues a token that replaces an older one. Gateways accept the older token for another `Rotation.grace_hours`
    hours. Raises `UnknownRecord` for an unknown id, and `StaleVersion` for an outdated version. Raises `RefusalError`
    if the editor is archived, or if the older token is blacklisted, at present or from a later time."""
    given: Rotation = request.inputs
    return await editor_administration_of(administration).rotate(
        request.author, request.id, given.version, timedelta(hours=given.grace_hours)
    )


async def revoke(administration: Administration, request: ApiRequest) -> EditorToken:
    """Blacklists an editor's token, at once or from a given time. Raises `RefusalError` if a blacklisting in effect
    would move to a later time. Raises `UnknownRecord` for an unknown id, and `StaleVersion` for an outdated version."""
    given: Revocation = request.inputs
    return await editor_administration_of(administration).revoke(
        request.author, request.id, given.version, request.author.reason, given.begins_at
    )


async def list_notices(administration: Administration, request: ApiRequest) -> Page[EditorNoticeRow]:
    """Returns the notices (warnings before an editor's token expires) that match a search, latest due date first.
    Without `is_sent`, the search finds sent and unsent notices."""
    asked: EditorNoticeSearch = request.inputs
    known = schema.editor_notices.c
    query = select(schema.editor_notices, schema.editor_tokens.c.editor).join(schema.editor_tokens)
    if asked.editor:
        query = query.where(schema.editor_tokens.c.editor == asked.editor)
    if asked.token:
        query = query.where(known.token == asked.token)
    query = query.where(*presence_conditions(known.sent_at, asked.is_sent))
    async with administration.store.reading() as connection:
        return await page_of(
            connection, query, NOTICES, asked, lambda row: registry_queries.record_of(row, EditorNoticeRow)
        )


_ACTS: tuple[tuple[Method, str, str, str, Handler, type[Struct], Any], ...] = (
    (
        "PATCH",
        "",
        "change_editor_token",
        "Change label or addresses of an editor's token.",
        change,
        EditorTokenChange,
        EditorToken,
    ),
    (
        "POST",
        "/prolong",
        "prolong_editor_token",
        "Move the expiry to 18 months from now.",
        prolong,
        VersionOnly,
        EditorToken,
    ),
    (
        "POST",
        "/rotate",
        "rotate_editor_token",
        "Issue a token in place of another, which is refused after a while.",
        rotate,
        Rotation,
        RotatedToken,
    ),
    (
        "POST",
        "/revoke",
        "revoke_editor_token",
        "Blacklist a token of an editor, now or from a later time.",
        revoke,
        Revocation,
        EditorToken,
    ),
)
"""Data of the routes that change an editor's token. For each route: HTTP method, end of the path, name, summary,
handler, type of the body, type of the answer."""


ROUTES = (
    Route(
        method="GET",
        path="/editor-tokens",
        name="list_editor_tokens",
        summary="List tokens of editors, sorted by expiry.",
        handler=search,
        takes=EditorTokenSearch,
        answers=Page[EditorToken],
    ),
    Route(
        method="GET",
        path="/editor-tokens/{id}",
        name="read_editor_token",
        summary="Read a token of an editor, without its signed text.",
        handler=read,
        answers=EditorToken,
        refusals=(404,),
    ),
    Route(
        method="POST",
        path="/editors/{id}/tokens",
        name="issue_editor_token",
        summary="Issue a token of an editor for 18 months; the answer has its signed text.",
        handler=issue,
        takes=NewEditorToken,
        check=problems_of,
        answers=IssuedEditorToken,
        is_act=True,
        status=201,
        refusals=(404, 409),
    ),
    Route(
        method="POST",
        path="/editor-tokens/{id}/text",
        name="reveal_editor_token",
        summary="Get the signed text of an editor's token again.",
        handler=text,
        answers=SignedText,
        is_act=True,
        refusals=(404, 409),
    ),
    *(
        change_route(method, f"/editor-tokens/{{id}}{end}", name, summary, handler, takes, answers, check=problems_of)
        for method, end, name, summary, handler, takes, answers in _ACTS
    ),
    Route(
        method="GET",
        path="/editor-notices",
        name="list_editor_notices",
        summary="List the notices before the expiry of editors' tokens, newest first.",
        handler=list_notices,
        takes=EditorNoticeSearch,
        answers=Page[EditorNoticeRow],
    ),
)
"""Routes of editors' tokens, and of the notices that warn before a token expires."""
