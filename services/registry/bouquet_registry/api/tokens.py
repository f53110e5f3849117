"""Routes of tokens, and of the notices that warn before a token expires."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType
from sqlalchemy import select

from bouquet_registry import queries, schema
from bouquet_registry.administration import Administration, IssuedToken
from bouquet_registry.api.habilitations import Version, VersionOnly
from bouquet_registry.api.pages import Order, Page, PageRequest, Time, page_of, presence_conditions
from bouquet_registry.api.route import ApiRequest, Handler, Method, Route, change_route
from bouquet_registry.habilitations import Token

TOKENS = Order((schema.tokens.c.expires_at, schema.tokens.c.id), tuple[Time, str])
NOTICES = Order((schema.notices.c.due_at, schema.notices.c.token), tuple[Time, str], newest_first=True)


class TokenSearch(PageRequest, frozen=True, kw_only=True):
    """Parameters of a search for tokens. The search finds the tokens that match all given parameters."""

    habilitation: Annotated[str, Meta(max_length=36, description="Id of the habilitation.")] = ""
    expiring_within_days: (
        Annotated[int, Meta(ge=0, le=3650, description="Only tokens that are in force and expire within so many days.")]
        | UnsetType
    ) = UNSET


class NoticeSearch(PageRequest, frozen=True, kw_only=True):
    """Parameters of a search for notices (warnings before a habilitation's token expires). The search finds the notices
    that match all given parameters."""

    habilitation: Annotated[str, Meta(max_length=36, description="Id of the habilitation.")] = ""
    token: Annotated[str, Meta(max_length=36, description="Id of the token.")] = ""
    is_sent: bool | UnsetType = UNSET


class TokenWithNotices(Struct, frozen=True, kw_only=True):
    """Token with the notices (warnings before its current expiry) that were already sent."""

    token: Token
    notices_sent: tuple[int, ...]
    """Notices that were already sent, each as a number of days before the token's expiry: `(90, 60)`, for example."""


class NewToken(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of a request that creates a token of a habilitation (an administration's right to call operations)."""

    mcp: bool = False
    """Whether the token may be used with the Model Context Protocol."""


class TokenChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of a request that sets or clears the flag `mcp` of a habilitation's token."""

    version: Version
    mcp: bool


class Revocation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of a request that revokes a token. The header `X-Reason` contains the reason for the revocation."""

    version: Version
    at: Time | UnsetType = UNSET
    """Time from which gateways refuse the token. If left out, the token is refused at once."""

    @property
    def begins_at(self) -> datetime | None:
        return None if isinstance(self.at, UnsetType) else self.at


class SignedText(Struct, frozen=True):
    """Signed text of a token, which callers send to gateways."""

    jwt: str


class NoticeRow(Struct, frozen=True, kw_only=True):
    """Notice: a warning, sent or still to be sent, that a habilitation's token will soon expire."""

    token: str
    habilitation: str
    days: int
    """Number of days before the token's expiry at which the notice is due, such as 30."""
    expires_at: datetime
    due_at: datetime
    sent_at: datetime | None
    """Time when the notice was sent; null for a notice that has not been delivered."""


async def search(administration: Administration, request: ApiRequest) -> Page[Token]:
    """Returns the tokens that match a search, sorted by expiry."""
    asked: TokenSearch = request.inputs
    query = queries.TOKENS
    if asked.habilitation:
        query = query.where(schema.tokens.c.habilitation == asked.habilitation)
    if isinstance(asked.expiring_within_days, int):
        now = administration.clock()
        until = now + timedelta(days=asked.expiring_within_days)
        query = query.where(schema.tokens.c.expires_at.between(now, until), queries.in_force(now))
    async with administration.store.reading() as connection:
        return await page_of(connection, query, TOKENS, asked, _token)


async def read(administration: Administration, request: ApiRequest) -> TokenWithNotices:
    """Returns a token, with the warnings already sent about its current expiry. Raises `UnknownRecord` for an unknown
    id."""
    async with administration.store.reading() as connection:
        token = await queries.token(connection, request.id)
        sent = await queries.notices_of(connection, token)
        return TokenWithNotices(token=token, notices_sent=tuple(sent))


async def issue(administration: Administration, request: ApiRequest) -> IssuedToken:
    """Issues a token of a habilitation for 18 months, and returns it with its signed text. Raises `UnknownRecord` for
    an unknown habilitation. Raises `RefusalError` if the habilitation is not active, or if the key that signs tokens is
    withdrawn."""
    return await administration.issue(request.author, request.id, mcp=request.inputs.mcp)


async def text(administration: Administration, request: ApiRequest) -> SignedText:
    """Returns the signed text of a token, and records that the author has seen the text. Raises `UnknownRecord` for an
    unknown id, and `RefusalError` if the key that signs tokens is withdrawn."""
    return SignedText(await administration.text(request.author, request.id))


async def change(administration: Administration, request: ApiRequest) -> Token:
    """Sets or clears a token's flag `mcp`, which allows its use with the Model Context Protocol. Raises `UnknownRecord`
    for an unknown id, and `StaleVersion` for an outdated version."""
    return await administration.set_mcp(request.author, request.id, request.inputs.version, mcp=request.inputs.mcp)


async def prolong(administration: Administration, request: ApiRequest) -> Token:
    """Moves the expiry of a token to 18 months from now; a blacklisted token stays blacklisted. Raises `UnknownRecord`
    for an unknown id, and `StaleVersion` for an outdated version."""
    return await administration.prolong(request.author, request.id, request.inputs.version)


async def revoke(administration: Administration, request: ApiRequest) -> Token:
    """Blacklists a token, at once or from a given time. Raises `UnknownRecord` for an unknown id, and `StaleVersion`
    for an outdated version. Raises `RefusalError` if a blacklisting in effect would move to a later time."""
    given: Revocation = request.inputs
    return await administration.revoke(
        request.author, request.id, given.version, request.author.reason, given.begins_at
    )


async def list_notices(administration: Administration, request: ApiRequest) -> Page[NoticeRow]:
    """Returns the notices (warnings before a habilitation's token expires) that match a search, latest due date first.
    Notices that are not sent yet are included."""
    asked: NoticeSearch = request.inputs
    query = select(schema.notices, schema.tokens.c.habilitation).join(schema.tokens)
    if asked.token:
        query = query.where(schema.notices.c.token == asked.token)
    if asked.habilitation:
        query = query.where(schema.tokens.c.habilitation == asked.habilitation)
    query = query.where(*presence_conditions(schema.notices.c.sent_at, asked.is_sent))
    async with administration.store.reading() as connection:
        return await page_of(connection, query, NOTICES, asked, _notice)


def _token(row: Mapping[Any, Any]) -> Token:
    return queries.record_of(row, Token)


def _notice(row: Mapping[Any, Any]) -> NoticeRow:
    return queries.record_of(row, NoticeRow)


_ACTS: tuple[tuple[Method, str, str, str, Handler, type[Struct]], ...] = (
    ("PATCH", "", "change_token", "Set or clear the flag `mcp`.", change, TokenChange),
    ("POST", "/prolong", "prolong_token", "Move the expiry to 18 months from now.", prolong, VersionOnly),
    ("POST", "/revoke", "revoke_token", "Blacklist a token, now or from a later time.", revoke, Revocation),
)
"""Data of the routes that change a habilitation's token. For each route: HTTP method, end of the path, name, summary,
handler, type of the body."""


ROUTES = (
    Route(
        method="GET",
        path="/tokens",
        name="list_tokens",
        summary="List tokens, sorted by expiry.",
        handler=search,
        takes=TokenSearch,
        answers=Page[Token],
    ),
    Route(
        method="POST",
        path="/habilitations/{id}/tokens",
        name="issue_token",
        summary="Issue a token of a habilitation for 18 months; the answer has its signed text.",
        handler=issue,
        takes=NewToken,
        answers=IssuedToken,
        is_act=True,
        status=201,
        refusals=(404, 409),
    ),
    Route(
        method="GET",
        path="/tokens/{id}",
        name="read_token",
        summary="Read a token, without its signed text.",
        handler=read,
        answers=TokenWithNotices,
        refusals=(404,),
    ),
    Route(
        method="POST",
        path="/tokens/{id}/text",
        name="reveal_token",
        summary="Get the signed text of a token again.",
        handler=text,
        answers=SignedText,
        is_act=True,
        refusals=(404, 409),
    ),
    *(
        change_route(method, f"/tokens/{{id}}{end}", name, summary, handler, takes, Token)
        for method, end, name, summary, handler, takes in _ACTS
    ),
    Route(
        method="GET",
        path="/notices",
        name="list_notices",
        summary="List the notices before the expiry of tokens, newest first.",
        handler=list_notices,
        takes=NoticeSearch,
        answers=Page[NoticeRow],
    ),
)
"""Routes of habilitations' tokens, and of the notices (warnings before a token expires)."""
