"""DataPass events in the formats v1 and v2, parsed into a `DatapassEvent` (docs/reference/contract.md §7)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from bouquet_registry.habilitations import BY_PARAMETERS, EMAIL, Contact, ContactKind

Dialect: TypeAlias = Literal["v1", "v2"]

ROLES: dict[str, ContactKind] = {
    "demandeur": "demandeur",
    "contact_metier": "contact_metier",
    "responsable_technique": "contact_technique",  # as v1 says it
    "contact_technique": "contact_technique",
}
"""Kind of contact for each role of a DataPass team member."""
GRANTED = ("validated", "approved")
"""States of a DataPass request whose scopes have been granted."""


class DatapassEvent(Struct, frozen=True, kw_only=True):
    """An event of DataPass about one habilitation."""

    event: str
    fired_at: datetime
    """Time of the event by DataPass's clock."""
    datapass_id: str
    """Identifier of the habilitation in DataPass."""
    siret: str
    purpose: str
    contacts: tuple[Contact, ...]
    scopes: tuple[str, ...]
    modalities: tuple[str, ...]
    form_uid: str = ""
    """Id of the DataPass form for the habilitation, or ""."""
    granted: bool
    """Whether DataPass has granted `scopes`. If not, they were only requested."""


class _Member(Struct, frozen=True):
    type: str
    email: str | None = None
    given_name: str | None = None
    family_name: str | None = None


class _Pass(Struct, frozen=True):
    id: int | str
    siret: str
    intitule: str | None = None
    status: str | None = None
    demarche: str | None = None
    scopes: dict[str, bool] = {}
    team_members: tuple[_Member, ...] = ()


class _DataV1(Struct, frozen=True):
    own: _Pass = msgspec.field(name="pass")


class _EventV1(Struct, frozen=True):
    event: str
    fired_at: float
    data: _DataV1


class _Organization(Struct, frozen=True):
    siret: str


class _Applicant(Struct, frozen=True):
    email: str | None = None
    given_name: str | None = None
    family_name: str | None = None


class _FormV2(Struct, frozen=True):
    intitule: str | None = None
    scopes: tuple[str, ...] | None = None
    modalities: tuple[str, ...] | None = None
    contact_metier_email: str | None = None
    contact_metier_given_name: str | None = None
    contact_metier_family_name: str | None = None
    contact_technique_email: str | None = None
    contact_technique_given_name: str | None = None
    contact_technique_family_name: str | None = None


class _DataV2(Struct, frozen=True):
    organization: _Organization
    state: str | None = None
    form_uid: str | None = None
    applicant: _Applicant = _Applicant()
    data: _FormV2 = _FormV2()


class _EventV2(Struct, frozen=True):
    event: str
    fired_at: float
    model_id: int | str
    data: _DataV2


def read(dialect: Dialect, body: bytes) -> DatapassEvent:
    """Parses the body of a webhook. Raises `ValueError` for a malformed body, without quoting it."""
    try:
        if dialect == "v1":
            return _event_of_v1(msgspec.json.decode(body, type=_EventV1))
        return _event_of_v2(msgspec.json.decode(body, type=_EventV2))
    except (msgspec.DecodeError, ValueError, OverflowError, OSError, RecursionError):
        raise ValueError("not an event of DataPass") from None


def _event_of_v1(sent: _EventV1) -> DatapassEvent:
    own = sent.data.own
    return DatapassEvent(
        event=sent.event,
        fired_at=_moment(sent.fired_at),
        datapass_id=str(own.id),
        siret=own.siret,
        purpose=own.intitule or "",
        contacts=_contacts(own.team_members),
        scopes=tuple(code for code, wanted in own.scopes.items() if wanted),
        modalities=(BY_PARAMETERS,),
        form_uid=own.demarche or "",
        granted=own.status in GRANTED,
    )


def _event_of_v2(sent: _EventV2) -> DatapassEvent:
    form, applicant = sent.data.data, sent.data.applicant
    members = (
        _Member("demandeur", applicant.email, applicant.given_name, applicant.family_name),
        _Member(
            "contact_metier",
            form.contact_metier_email,
            form.contact_metier_given_name,
            form.contact_metier_family_name,
        ),
        _Member(
            "contact_technique",
            form.contact_technique_email,
            form.contact_technique_given_name,
            form.contact_technique_family_name,
        ),
    )
    return DatapassEvent(
        event=sent.event,
        fired_at=_moment(sent.fired_at),
        datapass_id=str(sent.model_id),
        siret=sent.data.organization.siret,
        purpose=form.intitule or "",
        contacts=_contacts(members),
        scopes=form.scopes or (),
        modalities=form.modalities or (BY_PARAMETERS,),
        form_uid=sent.data.form_uid or "",
        granted=sent.data.state in GRANTED,
    )


def _contacts(members: tuple[_Member, ...]) -> tuple[Contact, ...]:
    """Returns the team members with a known role and a valid mail address."""
    return tuple(
        Contact(ROLES[member.type], member.email, " ".join(filter(None, (member.given_name, member.family_name))))
        for member in members
        if member.type in ROLES and member.email and EMAIL.fullmatch(member.email)
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
