"""Routes for the keys that sign tokens: list the keys, list the tokens of a key, withdraw a key, and end its
withdrawal."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from bouquet_registry.administration import Administration
from bouquet_registry.api.pages import Order, Page, PageRequest, Time, page_of
from bouquet_registry.api.route import ApiRequest, Handler, Route
from bouquet_registry.keys.administration import KeyAdministration
from bouquet_registry.keys.signatures import MAX_KID, SignedToken, SigningKey, tokens_signed_by
from bouquet_registry.queries import record_of

Kid = Annotated[
    str,
    Meta(
        max_length=MAX_KID,
        pattern="^[ -~]*$",
        description="Name of the key, as in the header of tokens; empty for a shared secret without a name.",
    ),
]


class KeyOnly(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of a request whose only field is the name of a key that signs tokens."""

    kid: Kid


class KeyTokens(PageRequest, frozen=True, kw_only=True):
    """Parameters of a search for the tokens in force that the key `kid` has signed. Tokens whose signing key is unknown
    are found too."""

    kid: Kid


class KeyList(Struct, frozen=True):
    """List of keys that sign tokens, sorted by name: the key in use, former keys whose tokens are still in force, and
    withdrawn keys."""

    data: tuple[SigningKey, ...]


async def list_keys(administration: Administration, request: ApiRequest) -> KeyList:
    """Returns the key that signs tokens now, former keys whose tokens are still in force, and withdrawn keys."""
    return KeyList(tuple(await KeyAdministration(administration).keys()))


async def list_tokens(administration: Administration, request: ApiRequest) -> Page[SignedToken]:
    """Returns a page of the tokens in force that a key has signed, sorted by expiry. Includes tokens whose signing key
    is unknown, since it could be this key."""
    asked: KeyTokens = request.inputs
    query = tokens_signed_by(asked.kid, administration.clock())
    known = query.selected_columns
    order = Order((known.expires_at, known.id), tuple[Time, str])
    async with administration.store.reading() as connection:
        return await page_of(connection, query, order, asked, lambda row: record_of(row, SignedToken))


async def withdraw(administration: Administration, request: ApiRequest) -> SigningKey:
    """Withdraws a key that signs tokens, so that gateways refuse every token text that it has signed. Raises
    `RefusalError` if the key is withdrawn already."""
    return await KeyAdministration(administration).withdraw(request.author, request.inputs.kid)


async def restore(administration: Administration, request: ApiRequest) -> SigningKey:
    """Ends the withdrawal of a key that signs tokens, so that gateways again accept the tokens that it has signed.
    Raises `UnknownRecord` if the key is not withdrawn."""
    return await KeyAdministration(administration).restore(request.author, request.inputs.kid)


_ACTS: tuple[tuple[str, str, str, Handler, tuple[int, ...]], ...] = (
    ("withdraw", "withdraw_key", "Withdraw a key: gateways refuse the texts that it has signed.", withdraw, (409,)),
    ("restore", "restore_key", "End the withdrawal of a key: its tokens are accepted again.", restore, (404,)),
)
"""Data of the routes that withdraw a key or end its withdrawal. For each route: end of the path, name, summary,
handler, HTTP statuses of refusals."""


ROUTES = (
    Route(
        method="GET",
        path="/keys",
        name="list_keys",
        summary="List the keys that have signed tokens, with their withdrawals.",
        handler=list_keys,
        answers=KeyList,
    ),
    Route(
        method="GET",
        path="/keys/tokens",
        name="list_tokens_of_key",
        summary="List the tokens in force that a key has signed, or may have signed, sorted by expiry.",
        handler=list_tokens,
        takes=KeyTokens,
        answers=Page[SignedToken],
    ),
    *(
        Route(
            method="POST",
            path=f"/keys/{end}",
            name=name,
            summary=summary,
            handler=handler,
            takes=KeyOnly,
            answers=SigningKey,
            is_act=True,
            refusals=refusals,
        )
        for end, name, summary, handler, refusals in _ACTS
    ),
)
"""Routes that list the keys and their tokens, withdraw a key, and end its withdrawal."""
