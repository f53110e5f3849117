"""Command `bouquet-registry import`: creates the habilitations and tokens of another system from a file of JSON
lines."""

from __future__ import annotations

import argparse
import re
from collections.abc import Container, Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, structs
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from bouquet_mesh.settings import SettingsError
from bouquet_proto.registry_messages import GroupLimit
from bouquet_registry import schema, transactions
from bouquet_registry.cli import Context, Output, add_subcommand, author_of
from bouquet_registry.clock import FIRST_YEAR, LAST_YEAR
from bouquet_registry.habilitations import (
    BY_PARAMETERS,
    Contact,
    Habilitation,
    Person,
    ServiceProvider,
    State,
    Token,
)
from bouquet_registry.keys import signatures
from bouquet_registry.refusals import InvalidFields, RefusalError
from bouquet_registry.served_scopes import unserved_problems, unserved_scopes
from bouquet_registry.text import contains_token, one_line
from bouquet_registry.transactions import checked

ZonedDateTime: TypeAlias = Annotated[datetime, Meta(tz=True)]

UUID = re.compile(r"[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}", re.ASCII)
"""Pattern of a token's id (claim `jti`), a lowercase UUID. Gateways refuse tokens with other ids."""
BOM = b"\xef\xbb\xbf"
"""Byte order mark of UTF-8, with which some text editors begin a file. The import skips the mark."""
STAGING_TOKEN_ID = "00000000-0000-0000-0000-000000000000"
"""Id of the public token of staging environments, which the import refuses."""


class HabilitationLine(
    Struct, frozen=True, kw_only=True, tag_field="kind", tag="habilitation", forbid_unknown_fields=True
):
    """Line of the import file that creates a habilitation: a JSON object whose `kind` is `habilitation`."""

    id: str
    siret: str
    name: str = ""
    purpose: str = ""
    description: str = ""
    contacts: tuple[Contact, ...] = ()
    scopes: tuple[str, ...] = ()
    modalities: tuple[str, ...] = (BY_PARAMETERS,)
    calls_per_minute: int = 0
    calls_per_second: int = 0
    group_limits: tuple[GroupLimit, ...] = ()
    allowed_ips: tuple[str, ...] = ()
    ine: bool = False
    datapass_id: str | None = None
    public_id: str = ""
    form_uid: str = ""
    service_provider: ServiceProvider | None = None
    data_protection_officer: Person | None = None
    state: State = "active"
    created_at: ZonedDateTime | None = None


class TokenLine(Struct, frozen=True, kw_only=True, tag_field="kind", tag="token", forbid_unknown_fields=True):
    """Line of the import file that creates a token: a JSON object whose `kind` is `token`. The token's signed text is
    not imported."""

    id: str
    """Id of the token: claim `jti` of its signed text."""
    habilitation: str
    issued_at: ZonedDateTime
    expires_at: ZonedDateTime
    blacklisted_at: ZonedDateTime | None = None
    blacklist_reason: str = ""
    last_used_at: ZonedDateTime | None = None
    mcp: bool = False
    kid: str = signatures.UNRECORDED
    """Name of the key that signed the token, as in the header `kid` of its signed text; "" for a header without `kid`.
    If left out, the key counts as unknown."""
    scopes: tuple[str, ...] | UnsetType = UNSET
    """Scopes in the token's signed text, which must equal the habilitation's scopes. Not stored."""


Line: TypeAlias = HabilitationLine | TokenLine


class ExistingRecords(Struct, frozen=True):
    """Ids and scopes in the database before an import, against which the import file is checked."""

    habilitations: dict[str, frozenset[str]]
    """Scopes of each existing habilitation, by the habilitation's id."""
    datapass_ids: frozenset[str]
    tokens: frozenset[str]
    """Ids of all tokens, those of editors included."""


class ImportPlan(Struct, frozen=True):
    """Habilitations and tokens that the import of a file will create, and the report to print."""

    habilitations: list[Habilitation]
    tokens: list[Token]
    kids: dict[str, str]
    """Name of the key that signed each token, by the token's id."""
    report: list[Output]
    """Report to print: line number, kind (habilitation or token) and id of each record in the file."""

    async def report_with_warnings(self, connection: AsyncConnection, now: datetime) -> list[Output]:
        """Returns `report`, with a `warning` added to each habilitation that has scopes which no gateway serves."""
        scopes = {own.id: own.scopes for own in self.habilitations}
        wanted = dict.fromkeys(scope for each in scopes.values() for scope in each)
        unserved = await unserved_scopes(connection, wanted, now)
        warnings = {id_: "; ".join(unserved_problems(each, unserved)) for id_, each in scopes.items()}
        return [row | ({"warning": found} if (found := warnings.get(row["id"])) else {}) for row in self.report]


async def import_file(context: Context, arguments: argparse.Namespace) -> list[Output]:
    """Creates the habilitations and tokens of a file, and returns a report with a row for each. With `--dry-run`, only
    checks the file. If a line is wrong, creates nothing and raises `RefusalError`, which names every wrong line. Raises
    `SettingsError` for an unreadable file."""
    try:
        text = arguments.file.read_bytes()
    except OSError as error:
        raise SettingsError([f"FILE: cannot be read ({error.strerror})"]) from None
    if arguments.dry_run:
        async with context.store.reading() as connection:
            now = context.clock()
            return await plan(text, await _existing_records(connection), now).report_with_warnings(connection, now)
    async with transactions.begin(context.store, author_of(arguments), context.clock) as transaction:
        planned = plan(text, await _existing_records(transaction.connection), transaction.now)
        for habilitation in planned.habilitations:
            await transaction.add(habilitation, "habilitation import")
        for token in planned.tokens:
            await transaction.add_token(token, "token import")
            await signatures.add_signature(transaction.connection, planned.kids[token.id], token.id)
        return await planned.report_with_warnings(transaction.connection, transaction.now)


def plan(text: bytes, existing: ExistingRecords, now: datetime) -> ImportPlan:
    """Returns the habilitations and tokens that the import of a file with this text will create. `existing` is what the
    database already contains. Raises `RefusalError`, with a line for each fault, if the file is wrong or has no
    records."""
    lines, faults = _decoded(text.removeprefix(BOM))
    if not lines and not faults:
        raise RefusalError("the file has no records: nothing was imported")
    habilitations: dict[str, Habilitation] = {}
    datapass_ids = set(existing.datapass_ids)
    for number, line in lines.items():
        if isinstance(line, HabilitationLine):
            problems = [*_id_faults(line.id, existing.habilitations, habilitations)]
            if line.datapass_id is not None and line.datapass_id in datapass_ids:
                problems.append("datapass_id: is another habilitation's")
            problems += _time_faults(line, "created_at")
            made = _habilitation(line, now)
            try:
                made = checked(made)
            except InvalidFields as invalid:
                problems += invalid.problems
            faults[number] = problems
            habilitations.setdefault(made.id, made)
            datapass_ids |= {line.datapass_id} if line.datapass_id is not None else set()
    scopes = existing.habilitations | {own.id: frozenset(own.scopes) for own in habilitations.values()}
    tokens: dict[str, Token] = {}
    for number, line in lines.items():
        if isinstance(line, TokenLine):
            faults[number] = [*_id_faults(line.id, existing.tokens, tokens), *_token_faults(line, scopes)]
            tokens.setdefault(line.id, _token(line))
    if problems := [f"line {number}: {problem}" for number in sorted(faults) for problem in faults[number]]:
        raise RefusalError("\n".join([*problems, "nothing was imported"]))
    report = [{"line": number, "kind": _kind(line), "id": line.id} for number, line in lines.items()]
    kids = {line.id: line.kid for line in lines.values() if isinstance(line, TokenLine)}
    return ImportPlan(list(habilitations.values()), list(tokens.values()), kids, report)


def _decoded(text: bytes) -> tuple[dict[int, Line], dict[int, list[str]]]:
    """Decodes the lines of a file. Returns two dictionaries by line number: the decoded lines, and the faults of the
    other lines. Empty lines are in neither."""
    decoder: msgspec.json.Decoder[Line] = msgspec.json.Decoder(HabilitationLine | TokenLine)
    lines: dict[int, Line] = {}
    faults: dict[int, list[str]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            lines[number] = decoder.decode(line)
        except msgspec.ValidationError as error:
            faults[number] = [one_line(str(error))]
        except (ValueError, RecursionError):
            faults[number] = ["is no JSON"]
    return lines, faults


def _kind(line: Line) -> str:
    return "habilitation" if isinstance(line, HabilitationLine) else "token"


def _id_faults(id_: str, *taken: Container[str]) -> Iterator[str]:
    if not UUID.fullmatch(id_) or id_ == STAGING_TOKEN_ID:
        yield "id: is no UUID in small letters"
    elif any(id_ in ids for ids in taken):
        yield "id: is another record's"


def _token_faults(line: TokenLine, scopes: dict[str, frozenset[str]]) -> Iterator[str]:
    if line.habilitation not in scopes:
        yield "habilitation: is neither in the file nor in the database"
    elif line.scopes is not UNSET and frozenset(line.scopes) != scopes[line.habilitation]:
        yield "scopes: are not those of its habilitation"
    yield from _time_faults(line, "issued_at", "expires_at", "blacklisted_at", "last_used_at")
    if line.expires_at <= line.issued_at:
        yield "expires_at: is not after issued_at"
    if contains_token(line.blacklist_reason):
        yield "blacklist_reason: contains a token"
    if not signatures.is_kid(line.kid) and line.kid != signatures.UNRECORDED:
        yield "kid: is no name of a key"


def _time_faults(line: Line, *names: str) -> Iterator[str]:
    """Yields a text `field: problem` for each of the fields `names` whose time is not between the years `FIRST_YEAR`
    and `LAST_YEAR`."""
    for name in names:
        time = getattr(line, name)
        if time is not None and not FIRST_YEAR <= time.year <= LAST_YEAR:
            yield f"{name}: is not between the years {FIRST_YEAR} and {LAST_YEAR}"


def _habilitation(line: HabilitationLine, now: datetime) -> Habilitation:
    fields = structs.asdict(line) | {"created_at": line.created_at or now, "updated_at": now}
    return Habilitation(**fields)


def _token(line: TokenLine) -> Token:
    fields = structs.asdict(line) | {"blacklist_reason": one_line(line.blacklist_reason)}
    del fields["scopes"], fields["kid"]
    return Token(siret="", name="", **fields)


async def _existing_records(connection: AsyncConnection) -> ExistingRecords:
    own = schema.habilitations.c
    rows = (await connection.execute(select(own.id, own.scopes, own.datapass_id))).all()
    tokens = [*await connection.scalars(select(schema.tokens.c.id))]
    tokens += await connection.scalars(select(schema.editor_tokens.c.id))
    return ExistingRecords(
        {row.id: frozenset(row.scopes) for row in rows},
        frozenset(row.datapass_id for row in rows if row.datapass_id is not None),
        frozenset(tokens),
    )


def add_commands(subparsers: Any) -> None:
    """Adds the subcommand `import` to the parser of `bouquet-registry`."""
    command = add_subcommand(
        subparsers, "import", import_file, "create habilitations and tokens of another system, all or none"
    )
    command.add_argument("file", type=Path, metavar="FILE", help="JSON lines: docs/operations/moving-in.md")
    command.add_argument("--dry-run", action="store_true", help="check the file, and create nothing")
