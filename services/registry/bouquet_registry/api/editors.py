"""Routes of software editors (companies whose software calls for administrations), of their tokens, and of the
habilitations delegated to them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType, structs
from sqlalchemy import or_, select

from bouquet_registry import queries as registry_queries
from bouquet_registry import schema
from bouquet_registry.administration import Administration
from bouquet_registry.api.habilitations import Addresses, Line, Version, VersionOnly
from bouquet_registry.api.pages import Order, Page, PageRequest, Time, page_of
from bouquet_registry.api.route import Call, Handler, Method, Route, change_route
from bouquet_registry.api.tokens import Revocation, SignedText
from bouquet_registry.editors import queries
from bouquet_registry.editors.administration import IssuedEditorToken, RotatedToken, editors_of
from bouquet_registry.editors.records import Delegation, Editor, EditorState, EditorToken, validation_errors
from bouquet_registry.habilitations import problems_in

BLANK = Editor(id="", siret="", created_at=datetime.min, updated_at=datetime.min)
"""Editor with empty fields. The fields of a request are validated in a copy of this editor, so that faults in all of
them are found at once."""
EDITORS = Order((schema.editors.c.created_at, schema.editors.c.id), tuple[Time, str])
TOKENS = Order((schema.editor_tokens.c.expires_at, schema.editor_tokens.c.id), tuple[Time, str])
NOTICES = Order((schema.editor_notices.c.due_at, schema.editor_notices.c.token), tuple[Time, str], newest_first=True)
DELEGATIONS = Order((schema.delegations.c.created_at, schema.delegations.c.id), tuple[Time, str], newest_first=True)


class EditorSearch(PageRequest, frozen=True, kw_only=True):
    """Parameters of a search for software editors. The search finds the editors that match all given parameters."""

    q: Annotated[str, Meta(max_length=200, description="Part of the name or SIRET.")] = ""
    state: EditorState | UnsetType = UNSET


class EditorWithTokens(Struct, frozen=True, kw_only=True):
    """Software editor with its tokens, sorted by expiry, and the number of its delegations (rights to use
    administrations' habilitations), including revoked ones."""

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
    """Body of a request that creates an editor, a vendor of software for administrations."""

    siret: str
    name: Line


class EditorChange(EditorFields, frozen=True, kw_only=True):
    """Body of a request that changes a software editor. Members that are left out stay as they are."""

    version: Version
    siret: str | UnsetType = UNSET
    name: Line | UnsetType = UNSET


class EditorTokenSearch(PageRequest, frozen=True, kw_only=True):
    """Parameters of a search for software editors' tokens. The search finds the tokens that match all given
    parameters."""

    editor: Annotated[str, Meta(max_length=36, description="Id of the editor.")] = ""
    expiring_within_days: (
        Annotated[int, Meta(ge=0, le=3650, description="Only tokens that are in force and expire within so many days.")]
        | UnsetType
    ) = UNSET


class EditorNoticeSearch(PageRequest, frozen=True, kw_only=True):
    """Parameters of a search for notices, each of which warns a software editor that a token will soon expire. The
    search finds the notices that match all given parameters."""

    editor: Annotated[str, Meta(max_length=36, description="Id of the editor.")] = ""
    token: Annotated[str, Meta(max_length=36, description="Id of the token.")] = ""
    is_sent: bool | UnsetType = UNSET


class EditorNoticeRow(Struct, frozen=True, kw_only=True):
    """Notice: a warning that a token of a software editor will soon expire."""

    token: str
    editor: str
    days: int
    """Number of days between the notice's due date and the token's expiry."""
    expires_at: datetime
    due_at: datetime
    sent_at: datetime | None
    """Time when the notice was sent; null for a notice that is not sent yet or was not delivered."""


class NewEditorToken(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of a request that creates a token of a software editor."""

    label: Line = ""
    allowed_ips: Addresses = ()


class EditorTokenChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of a request that changes a software editor's token. Members that are left out stay as they are."""

    version: Version
    label: Line | UnsetType = UNSET
    allowed_ips: Addresses | UnsetType = UNSET


class Rotation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of a request that replaces a software editor's token by a new one."""

    version: Version
    grace_hours: Annotated[int, Meta(ge=0, le=8760)] = 24
    """Hours after the replacement during which gateways still accept the former token."""


class DelegationSearch(PageRequest, frozen=True, kw_only=True):
    """Parameters of a search for delegations (rights of software editors to use administrations' habilitations). The
    search finds the delegations that match all given parameters."""

    editor: Annotated[str, Meta(max_length=36, description="Id of the editor.")] = ""
    habilitation: Annotated[str, Meta(max_length=36, description="Id of the habilitation.")] = ""
    is_revoked: bool | UnsetType = UNSET


class NewDelegation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of a request that delegates a habilitation to a software editor, so that calls with the editor's tokens may
    have the habilitation's rights. The header `X-Reason` contains the reason for the delegation."""

    editor: Annotated[str, Meta(max_length=36)]
    habilitation: Annotated[str, Meta(max_length=36)]


def problems_of(fields: Mapping[str, Any]) -> list[str]:
    """Checks the given fields of an editor, and returns a text `field: problem` for each fault."""
    given = {name: value for name, value in fields.items() if name in Editor.__struct_fields__}
    return problems_in(given, validation_errors(structs.replace(BLANK, **given)))


async def search(own: Administration, call: Call) -> Page[Editor]:
    """Returns the editors that match a search, oldest first."""
    asked: EditorSearch = call.given
    query, known = select(schema.editors), schema.editors.c
    if asked.q:
        query = query.where(or_(*(one.icontains(asked.q, autoescape=True) for one in (known.name, known.siret))))
    if asked.state is not UNSET:
        query = query.where(known.state == asked.state)
    async with own.store.reading() as connection:
        return await page_of(connection, query, EDITORS, asked, lambda row: registry_queries.record_of(row, Editor))


async def read(own: Administration, call: Call) -> EditorWithTokens:
    """Returns an editor with its tokens. Raises `Unknown` for an unknown id."""
    async with own.store.reading() as connection:
        found = await queries.editor(connection, call.id)
        return EditorWithTokens(
            editor=found,
            tokens=tuple(await queries.editor_tokens(connection, of=found.id)),
            delegations=await queries.count_delegations(connection, found.id),
        )


async def create(own: Administration, call: Call) -> Editor:
    """Creates an editor: a company whose software calls gateways for the administrations that are its clients. Raises
    `Invalid` for wrong fields."""
    return await editors_of(own).create(call.author, **_given(call.given))


async def change(own: Administration, call: Call) -> Editor:
    """Changes the given fields of an editor. Raises `Unknown` for an unknown id, `Stale` for an outdated version, and
    `Invalid` for wrong fields."""
    fields = _given(call.given)
    return await editors_of(own).change(call.author, call.id, fields.pop("version"), **fields)


async def close(own: Administration, call: Call) -> Editor:
    """Archives an editor, so that gateways refuse its tokens. Raises `Unknown` for an unknown id, and `Stale` for an
    outdated version."""
    return await editors_of(own).change(call.author, call.id, call.given.version, state="archived")


async def reopen(own: Administration, call: Call) -> Editor:
    """Makes an archived editor active again, so that gateways accept its tokens. Raises `Unknown` for an unknown id,
    and `Stale` for an outdated version."""
    return await editors_of(own).change(call.author, call.id, call.given.version, state="active")


async def search_tokens(own: Administration, call: Call) -> Page[EditorToken]:
    """Returns the editors' tokens that match a search, sorted by expiry."""
    asked: EditorTokenSearch = call.given
    query = select(schema.editor_tokens).join(schema.editors)
    if asked.editor:
        query = query.where(schema.editor_tokens.c.editor == asked.editor)
    if isinstance(asked.expiring_within_days, int):
        now = own.clock()
        until = now + timedelta(days=asked.expiring_within_days)
        query = query.where(schema.editor_tokens.c.expires_at.between(now, until), queries.in_force(now))
    async with own.store.reading() as connection:
        return await page_of(connection, query, TOKENS, asked, lambda row: registry_queries.record_of(row, EditorToken))


async def read_token(own: Administration, call: Call) -> EditorToken:
    """Returns a token of an editor, without its signed text. Raises `Unknown` for an unknown id."""
    async with own.store.reading() as connection:
        return await queries.editor_token(connection, call.id)


async def issue(own: Administration, call: Call) -> IssuedEditorToken:
    """Issues a token of an editor for 18 months, and returns it with its signed text. Raises `Unknown` for an unknown
    editor, `Refused` if the editor is archived or the key that signs tokens is withdrawn, and `Invalid` for wrong
    fields."""
    return await editors_of(own).issue(call.author, call.id, **_given(call.given))


async def text(own: Administration, call: Call) -> SignedText:
    """Returns the signed text of an editor's token, and records that the author has seen the text. Raises `Unknown` for
    an unknown id, and `Refused` if the key that signs tokens is withdrawn."""
    return SignedText(await editors_of(own).text(call.author, call.id))


async def change_token(own: Administration, call: Call) -> EditorToken:
    """Changes the label or the allowed addresses of an editor's token. Raises `Unknown` for an unknown id, `Stale` for
    an outdated version, and `Invalid` if an address lies outside `Editor.allowed_ips` or the label contains the text of
    a token."""
    fields = _given(call.given)
    return await editors_of(own).change_token(call.author, call.id, fields.pop("version"), **fields)


async def prolong(own: Administration, call: Call) -> EditorToken:
    """Moves the expiry of an editor's token to 18 months from now; a blacklisted token stays blacklisted. Raises
    `Unknown` for an unknown id, `Stale` for an outdated version, and `Invalid` if an address of the token no longer
    lies within `Editor.allowed_ips`."""
    return await editors_of(own).prolong(call.author, call.id, call.given.version)


async def rotate(own: Administration, call: Call) -> RotatedToken:
    """Issues a token that replaces an older one. Gateways accept the older token for another `Rotation.grace_hours`
    hours. Raises `Unknown` for an unknown id, `Stale` for an outdated version, and `Refused` if the older token is
    blacklisted (now or from a future time) or its editor is archived."""
    given: Rotation = call.given
    return await editors_of(own).rotate(call.author, call.id, given.version, timedelta(hours=given.grace_hours))


async def revoke(own: Administration, call: Call) -> EditorToken:
    """Blacklists an editor's token, at once or from a given time. Raises `Unknown` for an unknown id, `Stale` for an
    outdated version, and `Refused` if the token has been blacklisted since an earlier time than the new one."""
    given: Revocation = call.given
    at = given.at if isinstance(given.at, datetime) else None
    return await editors_of(own).revoke(call.author, call.id, given.version, call.author.reason, at)


async def list_notices(own: Administration, call: Call) -> Page[EditorNoticeRow]:
    """Returns the notices that match a search, sent or not, latest due date first. Each notice warns that a token of an
    editor will soon expire."""
    asked: EditorNoticeSearch = call.given
    known = schema.editor_notices.c
    query = select(schema.editor_notices, schema.editor_tokens.c.editor).join(schema.editor_tokens)
    if asked.editor:
        query = query.where(schema.editor_tokens.c.editor == asked.editor)
    if asked.token:
        query = query.where(known.token == asked.token)
    if asked.is_sent is not UNSET:
        query = query.where(known.sent_at.is_not(None) if asked.is_sent else known.sent_at.is_(None))
    async with own.store.reading() as connection:
        return await page_of(
            connection, query, NOTICES, asked, lambda row: registry_queries.record_of(row, EditorNoticeRow)
        )


async def search_delegations(own: Administration, call: Call) -> Page[Delegation]:
    """Returns the delegations that match a search, newest first."""
    asked: DelegationSearch = call.given
    query, known = queries.DELEGATIONS.order_by(None), schema.delegations.c
    if asked.editor:
        query = query.where(known.editor == asked.editor)
    if asked.habilitation:
        query = query.where(known.habilitation == asked.habilitation)
    if asked.is_revoked is not UNSET:
        query = query.where(known.revoked_at.is_not(None) if asked.is_revoked else known.revoked_at.is_(None))
    async with own.store.reading() as connection:
        return await page_of(
            connection, query, DELEGATIONS, asked, lambda row: registry_queries.record_of(row, Delegation)
        )


async def read_delegation(own: Administration, call: Call) -> Delegation:
    """Returns a delegation, with who created and revoked it, when and why. Raises `Unknown` for an unknown id."""
    async with own.store.reading() as connection:
        return await queries.delegation(connection, call.id)


async def delegate(own: Administration, call: Call) -> Delegation:
    """Delegates a habilitation to an editor. Raises `Unknown` if either does not exist, `Refused` if either is not
    active or the editor accepts no delegations, and `Conflict` if the habilitation is already delegated to this
    editor."""
    return await editors_of(own).delegate(call.author, call.given.editor, call.given.habilitation)


async def withdraw(own: Administration, call: Call) -> Delegation:
    """Revokes a delegation. Raises `Unknown` for an unknown id, `Stale` for an outdated version, and `Refused` if the
    delegation is revoked already."""
    return await editors_of(own).withdraw(call.author, call.id, call.given.version)


def _given(body: Struct) -> dict[str, Any]:
    return {name: value for name, value in structs.asdict(body).items() if value is not UNSET}


_LISTS: tuple[tuple[str, str, str, Handler, type[Struct], Any], ...] = (
    ("/editors", "list_editors", "List and search editors, oldest first.", search, EditorSearch, Page[Editor]),
    (
        "/editor-tokens",
        "list_editor_tokens",
        "List tokens of editors, sorted by expiry.",
        search_tokens,
        EditorTokenSearch,
        Page[EditorToken],
    ),
    (
        "/editor-notices",
        "list_editor_notices",
        "List the notices before the expiry of editors' tokens, newest first.",
        list_notices,
        EditorNoticeSearch,
        Page[EditorNoticeRow],
    ),
    (
        "/delegations",
        "list_delegations",
        "List delegations, newest first, revoked ones included.",
        search_delegations,
        DelegationSearch,
        Page[Delegation],
    ),
)
"""Routes that return a list. For each route: path, name, summary, handler, type of the parameters, type of the
answer."""
_READ: tuple[tuple[str, str, str, Handler, Any], ...] = (
    ("/editors/{id}", "read_editor", "Read an editor with its tokens.", read, EditorWithTokens),
    (
        "/editor-tokens/{id}",
        "read_editor_token",
        "Read a token of an editor, without its signed text.",
        read_token,
        EditorToken,
    ),
    ("/delegations/{id}", "read_delegation", "Read a delegation with its history.", read_delegation, Delegation),
)
"""Routes that return one record. For each route: path, name, summary, handler, type of the answer."""
_CREATE: tuple[tuple[str, str, str, Handler, type[Struct], Any], ...] = (
    ("/editors", "create_editor", "Create an editor.", create, NewEditor, Editor),
    (
        "/editors/{id}/tokens",
        "issue_editor_token",
        "Issue a token of an editor for 18 months; the answer has its signed text.",
        issue,
        NewEditorToken,
        IssuedEditorToken,
    ),
    ("/delegations", "create_delegation", "Delegate a habilitation to an editor.", delegate, NewDelegation, Delegation),
)
"""Routes that create a record. For each route: path, name, summary, handler, type of the body, type of the answer."""
_ACTS: tuple[tuple[Method, str, str, str, Handler, type[Struct], Any], ...] = (
    ("PATCH", "/editors/{id}", "change_editor", "Change fields of an editor.", change, EditorChange, Editor),
    (
        "POST",
        "/editors/{id}/close",
        "close_editor",
        "Close an editor: its tokens are refused.",
        close,
        VersionOnly,
        Editor,
    ),
    ("POST", "/editors/{id}/reopen", "reopen_editor", "Make an editor active again.", reopen, VersionOnly, Editor),
    (
        "PATCH",
        "/editor-tokens/{id}",
        "change_editor_token",
        "Change label or addresses of an editor's token.",
        change_token,
        EditorTokenChange,
        EditorToken,
    ),
    (
        "POST",
        "/editor-tokens/{id}/prolong",
        "prolong_editor_token",
        "Move the expiry to 18 months from now.",
        prolong,
        VersionOnly,
        EditorToken,
    ),
    (
        "POST",
        "/editor-tokens/{id}/rotate",
        "rotate_editor_token",
        "Issue a token in place of another, which is refused after a while.",
        rotate,
        Rotation,
        RotatedToken,
    ),
    (
        "POST",
        "/editor-tokens/{id}/revoke",
        "revoke_editor_token",
        "Blacklist a token of an editor, now or from a later time.",
        revoke,
        Revocation,
        EditorToken,
    ),
    (
        "POST",
        "/delegations/{id}/revoke",
        "revoke_delegation",
        "Revoke a delegation: it counts everywhere within 5 s.",
        withdraw,
        VersionOnly,
        Delegation,
    ),
)
"""Routes that change a record. For each route: method, path, name, summary, handler, type of the body, type of the
answer."""


ROUTES = (
    *(
        Route(method="GET", path=path, name=name, summary=summary, handler=handler, takes=takes, answers=answers)
        for path, name, summary, handler, takes, answers in _LISTS
    ),
    *(
        Route(method="GET", path=path, name=name, summary=summary, handler=handler, answers=answers, refusals=(404,))
        for path, name, summary, handler, answers in _READ
    ),
    *(
        Route(
            method="POST",
            path=path,
            name=name,
            summary=summary,
            handler=handler,
            takes=takes,
            check=problems_of,
            answers=answers,
            is_act=True,
            status=201,
            refusals=(404, 409),
        )
        for path, name, summary, handler, takes, answers in _CREATE
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
        change_route(method, path, name, summary, handler, takes, answers, check=problems_of)
        for method, path, name, summary, handler, takes, answers in _ACTS
    ),
)
"""Routes of editors, their tokens and their delegations."""
