"""What the registry is about: habilitations, and the tokens that are issued for them."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from datetime import datetime
from ipaddress import ip_network
from typing import Literal, TypeAlias

from msgspec import Struct

from bouquet_proto.rules import is_siret

ContactKind: TypeAlias = Literal["demandeur", "contact_metier", "contact_technique"]
State: TypeAlias = Literal["requested", "active", "refused", "revoked", "archived"]

BY_PARAMETERS = "params"
"""The modality that needs a token; the others need the citizen's session (docs/reference/contract.md §7)."""
TOKEN_LIFE_MONTHS = 18
MAX_DATAPASS_ID = 64
SCOPE = re.compile(r"[a-z0-9_.:-]{1,100}")
EMAIL = re.compile(r"[^@\s,<>\x00-\x1f\x7f-\x9f]+@[^@\s,<>\x00-\x1f\x7f-\x9f]+")


class Contact(Struct, frozen=True, omit_defaults=True):
    kind: ContactKind
    email: str
    name: str = ""


class Delegation(Struct, frozen=True, omit_defaults=True):
    """An editor that acts for the holder. It changes nothing for the API: editors call with the holder's token."""

    siret: str
    name: str = ""


class Habilitation(Struct, frozen=True, kw_only=True):
    id: str
    siret: str
    """Of the administration that holds it."""
    name: str = ""
    purpose: str = ""
    contacts: tuple[Contact, ...] = ()
    scopes: tuple[str, ...] = ()
    modalities: tuple[str, ...] = (BY_PARAMETERS,)
    calls_per_minute: int = 0
    """A limit of its own, for each token, besides that of everyone; none when 0."""
    allowed_ips: tuple[str, ...] = ()
    """Addresses and CIDR ranges; any when empty."""
    delegations: tuple[Delegation, ...] = ()
    datapass_id: str | None = None
    state: State = "active"
    version: int = 1
    created_at: datetime
    updated_at: datetime
    told_at: datetime | None = None
    """When DataPass last said something of it, by its own clock."""


class Token(Struct, frozen=True, kw_only=True):
    """`id` is the `jti` of the signed text, which is not kept."""

    id: str
    habilitation: str
    siret: str
    name: str
    """The holder's, as `siret` is."""
    issued_at: datetime
    expires_at: datetime
    blacklisted_at: datetime | None = None
    blacklist_reason: str = ""
    last_used_at: datetime | None = None
    """Within an hour: a gateway asks again for a token in use that often."""
    version: int = 1


def validation_errors(habilitation: Habilitation) -> list[str]:
    """What an operator or DataPass got wrong, by field."""
    return list(_validation_errors(habilitation))


def _validation_errors(habilitation: Habilitation) -> Iterator[str]:
    for siret in (habilitation.siret, *(delegation.siret for delegation in habilitation.delegations)):
        if not is_siret(siret):
            yield "siret: is no SIRET"
    for contact in habilitation.contacts:
        if not EMAIL.fullmatch(contact.email):
            yield f"contacts: {contact.kind} has no e-mail address"
    for scope in habilitation.scopes:
        if not SCOPE.fullmatch(scope):
            yield f"scopes: {scope!r} is no scope"
    for address in habilitation.allowed_ips:
        try:
            ip_network(address, strict=False)
        except ValueError:
            yield f"allowed_ips: {address!r} is no address nor range"
    if len(habilitation.datapass_id or "") > MAX_DATAPASS_ID:
        yield f"datapass_id: is longer than {MAX_DATAPASS_ID} characters"
    if habilitation.calls_per_minute < 0:
        yield "calls_per_minute: is negative"


def expiry_after(from_: datetime) -> datetime:
    """A token's, issued or prolonged then."""
    return months_later(from_, TOKEN_LIFE_MONTHS)


def months_later(moment: datetime, months: int) -> datetime:
    """The same day and hour, or the month's last day where it has no such day. Earlier, if negative."""
    months += moment.month - 1
    year, month = moment.year + months // 12, months % 12 + 1
    return moment.replace(year=year, month=month, day=min(moment.day, calendar.monthrange(year, month)[1]))
