"""Habilitations (the right of an administration to call operations) and the tokens issued for them."""

from __future__ import annotations

import calendar
import re
from collections.abc import Container, Iterable, Iterator
from datetime import datetime
from ipaddress import ip_network
from typing import Literal, TypeAlias

from msgspec import Struct, structs

from bouquet_proto.registry_messages import GroupLimit
from bouquet_proto.rules import is_siret

ContactKind: TypeAlias = Literal["demandeur", "contact_metier", "contact_technique"]
State: TypeAlias = Literal["requested", "active", "refused", "revoked", "archived"]

BY_PARAMETERS = "params"
"""Modality (way of calling) in which the parameters of a call identify the person. In other modalities, the person must
be logged in (docs/reference/contract.md §7)."""
TOKEN_LIFE_MONTHS = 18
"""Months from the issue or prolongation of a token to its expiry."""
MAX_ITEMS = 500
"""Largest number of items in each list of a habilitation or of an editor."""
# Gateways compare the address of each call with all items of `allowed_ips`.
MAX_TEXT = 500
"""Largest number of characters in a text field of a habilitation or of an editor. `MAX_TEXTS` lists exceptions."""
MAX_TEXTS = {"purpose": 2_000, "description": 20_000, "datapass_id": 64}
"""Exceptions to `MAX_TEXT`: largest number of characters in a text field, by the field's name."""
# Each token's signed text contains `purpose`, and comes in a header.
SCOPE = re.compile(r"[a-z0-9_.:-]{1,100}")
MAX_CALLS = 1_000_000
"""Largest rate limit that a habilitation may have, in calls per minute or per second."""
PATH_PREFIX = re.compile(r"/(?:v[1-9][0-9]*|api)/[a-z0-9_./-]*")
"""Pattern of a path prefix, such as `/v3/dss/`. A prefix stands for all operations whose paths begin with the
prefix."""
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
EMAIL = re.compile(rf"(?=.{{3,254}}\Z)(?!.*=\?)(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*")
"""Pattern of mail addresses in ASCII without quotes or comments, which every mail server accepts (RFC 5321 §4.1.2)."""
# Excludes `=?`, which begins an encoded word in the header of a mail.


class Contact(Struct, frozen=True, omit_defaults=True):
    kind: ContactKind
    email: str
    name: str = ""


class Person(Struct, frozen=True, omit_defaults=True):
    email: str
    name: str = ""


class ServiceProvider(Struct, frozen=True, omit_defaults=True):
    """Software editor, or provider of software as a service, named in a request for a habilitation (right to call
    operations)."""

    id: str
    type: str = ""
    """Kind of service provider, such as `editor` or `saas`."""
    siret: str = ""


class Habilitation(Struct, frozen=True, kw_only=True):
    """Right of an administration to call some operations for a purpose."""

    id: str
    siret: str
    """SIRET of the habilitation's holder."""
    name: str = ""
    """Name of the habilitation's holder, an administration."""
    purpose: str = ""
    description: str = ""
    """Longer description of the purpose; "" if there is none."""
    contacts: tuple[Contact, ...] = ()
    scopes: tuple[str, ...] = ()
    modalities: tuple[str, ...] = (BY_PARAMETERS,)
    calls_per_minute: int = 0
    """Largest number of calls per minute with the habilitation, or 0 for no such limit. The limit `calls_per_second`
    applies in addition."""
    # Gateways count each token alone, or all tokens of the habilitation together (`BOUQUET_GATEWAY_RATE_LIMIT_PER`).
    calls_per_second: int = 0
    """Largest number of calls per second with the habilitation, or 0 for the default limit of gateways."""
    group_limits: tuple[GroupLimit, ...] = ()
    """Rate limits for groups of operations, in calls per minute. The calls to each group are counted separately."""
    allowed_ips: tuple[str, ...] = ()
    """IP addresses and CIDR ranges from which the habilitation may be used; empty for any address."""
    ine: bool = False
    """Whether calls may identify a student by the INE (national student number), which only some purposes allow."""
    datapass_id: str | None = None
    public_id: str = ""
    """Identifier of the habilitation in the addresses of DataPass's public pages, or ""."""
    form_uid: str = ""
    """Id of the DataPass form in which the habilitation was requested, or ""."""
    service_provider: ServiceProvider | None = None
    """Software editor that DataPass names in the request for the habilitation; None if the request names none."""
    data_protection_officer: Person | None = None
    """Data protection officer of the administration that holds the habilitation. No notices are sent to this person."""
    state: State = "active"
    version: int = 1
    """Version of the habilitation's record, beginning at 1. Each change increments the version, and a change based on
    an older version is refused."""
    created_at: datetime
    updated_at: datetime
    told_at: datetime | None = None
    """Time, by DataPass's clock, of the newest DataPass event applied to this habilitation; None if there was none."""


class Token(Struct, frozen=True, kw_only=True):
    """Access token of a habilitation (an administration's right to call operations). The database does not contain the
    token's signed text (JWT)."""

    id: str
    """Id of the token, the claim `jti` of its signed text."""
    habilitation: str
    siret: str
    name: str
    """Name of the administration that holds the token's habilitation."""
    issued_at: datetime
    expires_at: datetime
    blacklisted_at: datetime | None = None
    blacklist_reason: str = ""
    last_used_at: datetime | None = None
    """Time of the token's latest known use, or None. The registry may learn of a use up to an hour later."""
    # A gateway asks the registry only once an hour for a token in use.
    mcp: bool = False
    """Whether the token may be used with the Model Context Protocol. If so, the signed text has the claim `mcp`."""
    version: int = 1


def problems_in(fields: Container[str], problems: Iterable[str]) -> list[str]:
    """Returns the texts in `problems` that concern one of `fields`. For instance, the problem `scopes[0]: …` concerns
    `scopes`."""
    return [problem for problem in problems if re.split(r"[.:\[]", problem, maxsplit=1)[0] in fields]


def validation_errors(habilitation: Habilitation) -> list[str]:
    """Returns the faults found in a habilitation's fields, each as a text `field: problem`."""
    return list(_validation_errors(habilitation))


def _validation_errors(habilitation: Habilitation) -> Iterator[str]:
    if not is_siret(habilitation.siret):
        yield "siret: is no SIRET"
    for number, contact in enumerate(habilitation.contacts):
        if not EMAIL.fullmatch(contact.email):
            yield f"contacts[{number}].email: is no e-mail address"
    for number, scope in enumerate(habilitation.scopes):
        if not SCOPE.fullmatch(scope):
            yield f"scopes[{number}]: is no scope"
    yield from address_errors(habilitation.allowed_ips)
    for number, modality in enumerate(habilitation.modalities):
        if not modality.isprintable():
            yield f"modalities[{number}]: contains a control character"
    if habilitation.datapass_id == "":
        yield "datapass_id: is empty"
    yield from size_errors(habilitation)
    for name in ("datapass_id", "public_id", "form_uid"):
        if not (getattr(habilitation, name) or "").isprintable():
            yield f"{name}: contains a control character"
    if (officer := habilitation.data_protection_officer) and not EMAIL.fullmatch(officer.email):
        yield "data_protection_officer.email: is no e-mail address"
    for name in ("calls_per_minute", "calls_per_second"):
        if not 0 <= getattr(habilitation, name) <= MAX_CALLS:
            yield f"{name}: is not between 0 and {MAX_CALLS}"
    for number, limit in enumerate(habilitation.group_limits):
        if not PATH_PREFIX.fullmatch(limit.paths):
            yield f"group_limits[{number}].paths: is not the beginning of a path"
        if limit.paths in {other.paths for other in habilitation.group_limits[:number]}:
            yield f"group_limits[{number}].paths: has a limit already"
        if not 0 <= limit.calls_per_minute <= MAX_CALLS:
            yield f"group_limits[{number}].calls_per_minute: is not between 0 and {MAX_CALLS}"


def size_errors(record: Struct) -> Iterator[str]:
    """Yields a text `field: problem` for each field of the record that is too long. A list may have at most `MAX_ITEMS`
    items. A text may have at most `MAX_TEXT` characters, unless `MAX_TEXTS` gives another limit for its field."""
    for name in record.__struct_fields__:
        value, longest = getattr(record, name), MAX_TEXTS.get(name, MAX_TEXT)
        if isinstance(value, tuple) and len(value) > MAX_ITEMS:
            yield f"{name}: has more than {MAX_ITEMS} items"
        elif any(len(text) > longest for text in _texts_in(value)):
            yield f"{name}: is longer than {longest} characters"


def _texts_in(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case tuple():
            for item in value:
                yield from _texts_in(item)
        case Struct():
            yield from _texts_in(structs.astuple(value))


def address_errors(addresses: Iterable[str]) -> Iterator[str]:
    """Yields a text such as `allowed_ips[0]: problem` for each item that is no IP address or CIDR range."""
    for number, address in enumerate(addresses):
        try:
            # A zone (`fe80::1%eth0`) may be any text, and is of one machine alone.
            is_usable = "%" not in address and bool(ip_network(address, strict=False))
        except ValueError:
            is_usable = False
        if not is_usable:
            yield f"allowed_ips[{number}]: is no address nor range"


def expiry_after(from_: datetime) -> datetime:
    """Returns the expiry of a token that is issued or prolonged at `from_`: `TOKEN_LIFE_MONTHS` months later."""
    return months_later(from_, TOKEN_LIFE_MONTHS)


def months_later(moment: datetime, months: int) -> datetime:
    """Returns the same day and time of day `months` months after `moment`, or before it if `months` is negative. In a
    shorter month, returns the last day: one month after 31 January is 28 or 29 February."""
    months += moment.month - 1
    year, month = moment.year + months // 12, months % 12 + 1
    return moment.replace(year=year, month=month, day=min(moment.day, calendar.monthrange(year, month)[1]))
