"""Parsing of DataPass's events (messages about habilitations), in the formats v1 and v2 (docs/reference/contract.md
§7)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal, TypeAlias

import msgspec
from msgspec import UNSET, Struct, UnsetType

from bouquet_registry.habilitations import BY_PARAMETERS, EMAIL, Contact, ContactKind, Person, ServiceProvider
from bouquet_registry.refusals import RefusalError
from bouquet_registry.text import one_line

Dialect: TypeAlias = Literal["v1", "v2"]

ROLES: dict[str, ContactKind] = {
    "demandeur": "demandeur",
    "contact_metier": "contact_metier",
    "responsable_technique": "contact_technique",  # as v1 says it
    "contact_technique": "contact_technique",
}
"""Maps the role of a team member in DataPass to a kind of contact in the registry."""
DATA_PROTECTION_OFFICER = "delegue_protection_donnees"
"""Role of the data protection officer in the list of team members of an event."""
GRANTED = ("validated", "approved")
"""States of a DataPass request in which the requested scopes have been granted."""


class UnreadableEvent(RefusalError):
    """Error raised for a webhook's body that is no event (message of DataPass) in the expected format. Its text quotes
    no value from the body."""


class DatapassEvent(Struct, frozen=True, kw_only=True):
    """Event: a message of DataPass about one habilitation (right to call operations)."""

    event: str
    fired_at: datetime
    """Time at which the event happened, according to DataPass's clock."""
    datapass_id: str
    """Identifier of the habilitation in DataPass."""
    siret: str
    purpose: str
    contacts: tuple[Contact, ...]
    scopes: tuple[str, ...]
    modalities: tuple[str, ...]
    public_id: str = ""
    """Identifier of the habilitation in the addresses of DataPass's public pages, or ""."""
    form_uid: str = ""
    """Id of the DataPass form in which the habilitation was requested, or ""."""
    description: str = ""
    service_provider: ServiceProvider | None = None
    data_protection_officer: Person | None = None
    granted: bool
    """Whether DataPass has granted `scopes`. If false, the scopes were only requested."""


class _Member(Struct, frozen=True):
    type: str
    email: str | None = None
    given_name: str | None = None
    family_name: str | None = None


class _ServiceProvider(Struct, frozen=True):
    id: int | str | None = None
    type: str | None = None
    siret: str | None = None


class _Pass(Struct, frozen=True):
    id: int | str
    siret: str
    public_id: str | None = None
    description: str | None = None
    service_provider: _ServiceProvider | None = None
    intitule: str | None = None
    status: str | None = None
    demarche: str | None = None
    scopes: dict[str, bool | None] | None = None
    team_members: tuple[_Member, ...] | None = None


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
    description: str | None = None
    scopes: tuple[str, ...] | None = None
    modalities: tuple[str, ...] | None = None
    contact_metier_email: str | None = None
    contact_metier_given_name: str | None = None
    contact_metier_family_name: str | None = None
    contact_technique_email: str | None = None
    contact_technique_given_name: str | None = None
    contact_technique_family_name: str | None = None
    delegue_protection_donnees_email: str | None = None
    delegue_protection_donnees_given_name: str | None = None
    delegue_protection_donnees_family_name: str | None = None


class _DataV2(Struct, frozen=True):
    organization: _Organization
    state: str | None = None
    public_id: str | None = None
    form_uid: str | None = None
    service_provider: _ServiceProvider | None = None
    applicant: _Applicant | None = None
    data: _FormV2 | None = None


class _EventV2(Struct, frozen=True):
    event: str
    fired_at: float
    model_id: int | str
    data: _DataV2


class _Test(Struct, frozen=True):
    test: bool
    event: UnsetType | str = UNSET


def is_test(body: bytes) -> bool:
    """Returns whether a body is the test message that DataPass sends to a new webhook."""
    # It is a JSON object with `"test": true` and no event.
    try:
        sent = msgspec.json.decode(body, type=_Test)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return False
    return sent.test and sent.event is UNSET


def read(dialect: Dialect, body: bytes) -> DatapassEvent:
    """Parses the body of a webhook in the format `dialect`, and replaces line breaks in texts by spaces. Raises
    `UnreadableEvent` for a malformed body."""
    try:
        if dialect == "v1":
            return _event_of_v1(msgspec.json.decode(body, type=_EventV1))
        return _event_of_v2(msgspec.json.decode(body, type=_EventV2))
    except msgspec.ValidationError as error:
        raise UnreadableEvent(f"is no event in format {dialect}: {one_line(str(error))}") from None
    except (ValueError, OverflowError, OSError, RecursionError):
        raise UnreadableEvent(f"is no event in format {dialect}") from None


def _event_of_v1(sent: _EventV1) -> DatapassEvent:
    own = sent.data.own
    members = own.team_members or ()
    officers = (member for member in members if member.type == DATA_PROTECTION_OFFICER)
    return DatapassEvent(
        event=one_line(sent.event),
        fired_at=_moment(sent.fired_at),
        datapass_id=one_line(str(own.id)),
        siret=one_line(own.siret),
        purpose=_text(own.intitule),
        contacts=_contacts(members),
        scopes=_texts(code for code, wanted in (own.scopes or {}).items() if wanted),
        modalities=(BY_PARAMETERS,),
        public_id=_text(own.public_id),
        form_uid=_text(own.demarche),
        description=_text(own.description),
        service_provider=_service_provider(own.service_provider),
        data_protection_officer=_person(next(officers, None)),
        granted=own.status in GRANTED,
    )


def _event_of_v2(sent: _EventV2) -> DatapassEvent:
    form, applicant = sent.data.data or _FormV2(), sent.data.applicant or _Applicant()
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
    officer = _Member(
        DATA_PROTECTION_OFFICER,
        form.delegue_protection_donnees_email,
        form.delegue_protection_donnees_given_name,
        form.delegue_protection_donnees_family_name,
    )
    return DatapassEvent(
        event=one_line(sent.event),
        fired_at=_moment(sent.fired_at),
        datapass_id=one_line(str(sent.model_id)),
        siret=one_line(sent.data.organization.siret),
        purpose=_text(form.intitule),
        contacts=_contacts(members),
        scopes=_texts(form.scopes or ()),
        modalities=_texts(form.modalities or ()) or (BY_PARAMETERS,),
        public_id=_text(sent.data.public_id),
        form_uid=_text(sent.data.form_uid),
        description=_text(form.description),
        service_provider=_service_provider(sent.data.service_provider),
        data_protection_officer=_person(officer),
        granted=sent.data.state in GRANTED,
    )


def _contacts(members: Iterable[_Member]) -> tuple[Contact, ...]:
    """Returns a contact for each member of the applicant's team who has a known role and a valid mail address."""
    return tuple(
        Contact(ROLES[member.type], person.email, person.name)
        for member in members
        if member.type in ROLES and (person := _person(member))
    )


def _person(member: _Member | None) -> Person | None:
    """Converts a member of the applicant's team to a `Person`. Returns None if the member is None or has no valid mail
    address."""
    if member is None or not member.email or not EMAIL.fullmatch(member.email):
        return None
    name = " ".join(filter(None, (member.given_name, member.family_name)))
    return Person(one_line(member.email), one_line(name))


def _service_provider(sent: _ServiceProvider | None) -> ServiceProvider | None:
    if sent is None or sent.id is None:
        return None
    return ServiceProvider(id=one_line(str(sent.id)), type=_text(sent.type), siret=_text(sent.siret))


def _text(sent: str | None) -> str:
    return one_line(sent or "")


def _texts(sent: Iterable[str]) -> tuple[str, ...]:
    return tuple(map(one_line, sent))


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
