"""Answers of the SIV, the State's register of vehicles, about a number plate (docs/reference/upstreams/ants.md
§3-5)."""
# XML elements are found by their local names.

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeAlias, TypeVar
from xml.etree.ElementTree import Element

import msgspec
from msgspec import Meta, Struct

from bouquet_worker import Answer, IsoDateOrBlank, UpstreamError, parse_xml

T = TypeVar("T")

SOAP_NAMESPACES = ("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope")
REPLY = "{*}Body/{*}rep_consulter_dossier"
SUCCESS, REFUSED = "0", "1"
"""Values of `code_traitement` in the SIV's answer: a record is found, or the SIV refuses the request."""
UNKNOWN_PLATE_CODE = "20"
"""Value of `code_erreur` in the SIV's answer about an unknown number plate."""
MESSAGE = "description_erreur/{*}item_erreur/{*}message_erreur"
UNKNOWN_PLATE_MESSAGE = "Aucune réponse trouvée pour les critères en entrée"
"""Beginning of the error message in the SIV's answer about an unknown number plate."""
# Other refusals are not documented.
FLAG = "identite_personne/{*}flag_pers_physique"
IS_NATURAL = {"oui": True, "non": False}
"""Values of `flag_pers_physique` in the SIV's answer: `oui` for a natural person, `non` for an organisation."""

Number: TypeAlias = Annotated[float, Meta(ge=0, le=1_000_000)]
"""Number in a vehicle's record: mass in kilograms, engine capacity in cubic centimetres, or CO2 emission in grams per
kilometre."""


class Registration(Struct, frozen=True):
    num_immat: str
    date_prem_immat: IsoDateOrBlank | None = None
    code_type_loc: str | None = None
    libelle_type_loc: str | None = None


class Vehicle(Struct, frozen=True):
    """Technical characteristics of a vehicle in the SIV's answer."""

    # Numbers are floats, as some have decimals, such as `2380.0`.

    marque_vehicule: str | None = None
    tvv: str | None = None
    denomination_com: str | None = None
    ptac: Number | None = None
    categorie_ce: str | None = None
    genre_national: str | None = None
    cylindree: Number | None = None
    energie: str | None = None
    co2: Number | None = None
    classe_environnement_ce: str | None = None


class Person(Struct, frozen=True):
    """Identity of a natural person in the SIV's answer. In records from the former register, `nom_naiss` may hold the
    whole name, such as `LE GALL ANNE`, with `prenom` empty."""

    nom_naiss: str = ""
    prenom: str = ""
    sexe: str | None = None
    date_naissance: IsoDateOrBlank | None = None
    code_dep_naissance: str | None = None


class Address(Struct, frozen=True):
    compl_adresse: str | None = None
    num_voie: str | None = None
    type_voie: str | None = None
    libelle_voie: str | None = None
    code_postal: str | None = None
    libelle_commune: str | None = None
    lieudit_ou_bp: str | None = None
    point_remise: str | None = None
    extension: str | None = None
    pays: str | None = None


class Attached(Struct, frozen=True):
    """Natural person whom the SIV attaches to a vehicle, with the person's address. `link` is the person's role, such
    as `titulaire`."""

    person: Person
    address: Address
    link: str


class VehicleRecord(Struct, frozen=True):
    """Record of a vehicle in the SIV, the State's register of vehicles. `people` are the natural persons attached to
    the vehicle."""

    registration: Registration
    vehicle: Vehicle
    people: tuple[Attached, ...]


def record_in(answer: Answer) -> VehicleRecord | None:
    """Returns the record in an answer of the SIV, or `None` if the SIV does not know the plate. Raises `UpstreamError`
    for any other answer, such as an undocumented error code."""
    if answer.status != 200:
        raise answer.unexpected()
    root = parse_xml(answer.body)
    if root.tag not in {f"{{{namespace}}}Envelope" for namespace in SOAP_NAMESPACES}:
        raise UpstreamError("upstream_malformed", field="Envelope")
    if root.find("{*}Body/{*}Fault") is not None:
        raise UpstreamError("upstream_unknown", cause="SOAP fault")
    control = _found(root, f"{REPLY}/{{*}}control")
    treatment, message = _text(control, "code_traitement"), _text(control, MESSAGE)
    if treatment == SUCCESS:
        return _record(_found(root, f"{REPLY}/{{*}}reponse/{{*}}dossier"))
    code = _text(control, "code_erreur")
    if treatment == REFUSED and code == UNKNOWN_PLATE_CODE and message.startswith(UNKNOWN_PLATE_MESSAGE):
        return None
    raise UpstreamError("upstream_unknown", cause=_cause(code))


def _cause(code: str) -> str:
    """Returns a text for logs about an error code of the SIV, such as `code 20`. Leaves out a code that might contain
    the number plate."""
    return f"code {code}" if code.isdecimal() and len(code) <= 5 else "code"


def _record(dossier: Element) -> VehicleRecord:
    people = _found(dossier, "{*}personne/{*}liste_personnes").iterfind("{*}personne")
    return VehicleRecord(
        registration=_read(_found(dossier, "{*}immatriculation"), Registration),
        vehicle=_read(_found(dossier, "{*}vehicule/{*}caracteristiques_techniques"), Vehicle),
        people=tuple(_attached(person) for person in people if _is_natural(person)),
    )


def _is_natural(person: Element) -> bool:
    natural = IS_NATURAL.get(_text(person, FLAG).lower())
    if natural is None:
        raise UpstreamError("upstream_malformed", field=FLAG.replace("{*}", ""))
    return natural


def _attached(person: Element) -> Attached:
    address = person.find("{*}adresse_personne")
    return Attached(
        person=_read(_found(person, "{*}identite_personne"), Person),
        address=Address() if address is None else _read(address, Address),
        link=_text(person, "libelle_type_personne").lower(),
    )


def _read(element: Element, model: type[T]) -> T:
    """Converts an XML element to a struct. Each child becomes the field of the same name; a blank child counts as
    missing. Raises `UpstreamError` for an unsuitable text."""
    texts: Mapping[str, str] = {
        child.tag.rpartition("}")[2]: text for child in element if (text := (child.text or "").strip())
    }
    try:
        return msgspec.convert(texts, model, strict=False)
    except msgspec.ValidationError as error:
        at = str(error).rpartition(" - at `$")[2].rstrip("`")
        raise UpstreamError("upstream_malformed", field=f"{model.__name__}{at}") from None


def _found(element: Element, path: str) -> Element:
    found = element.find(path)
    if found is None:
        raise UpstreamError("upstream_malformed", field=path.replace("{*}", ""))
    return found


def _text(element: Element, path: str) -> str:
    return (element.findtext("{*}" + path) or "").strip()
