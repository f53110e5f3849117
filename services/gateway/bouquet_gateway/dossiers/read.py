"""Reading of the JSON body of a dossier (several lookups in one request): its parts (the lookups), and a fault for each
wrong field."""
# Fields are decoded one by one, since msgspec stops at the first fault.

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct

from bouquet_gateway.errors.problems import Problem
from bouquet_gateway.single_calls.parameters import Value, Values
from bouquet_proto.identity import Identifiant, Identite, Ine, NumeroAllocataire, public_name
from bouquet_proto.rules import is_siret

MAX_BODY_BYTES = 64 * 1024
MAX_PARTS = 20
"""Largest number of parts (lookups) in a dossier."""
MAX_MEMBERS = 32
"""Largest number of members of a JSON object in a dossier, except for the object `resources`."""
# It limits the work for a body whose sender is not known yet.

FIELD, COUNT, OPERATION, FOR_EACH = "dossier_field", "dossier_count", "dossier_operation", "dossier_for_each"
"""Reasons of the errors about a dossier: a wrong field, a wrong number of lookups or persons, an unknown operation, and
a wrong `for_each`."""
RECIPIENT = "00210"

NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
"""Pattern of the name that a caller gives to a part (lookup) of a dossier, such as `quotient_1`."""
# An error does not quote a name that does not match: it points to `/resources`.
PARAMETER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


CIVIL_STATUS: Mapping[str, str] = {public_name(field): field for field in Identite.__struct_fields__}
"""Field of `Identite` for each name of civil status in a dossier's JSON, such as `nom_naissance` for `nomNaissance`."""
IDENTIFIERS: Mapping[str, str] = {
    public_name(field): field for kind in (Ine, Identifiant, NumeroAllocataire) for field in kind.__struct_fields__
}
"""Canonical field for each name of a person's identifier in a dossier's JSON, such as `numero_allocataire` for
`numeroAllocataire`."""
DOSSIER_PARAMETERS = frozenset({"recipient", "delegation_id", "token"})
"""Query parameters of a whole dossier (several lookups in one request). No single lookup may set them."""


class PersonsOf(Struct, frozen=True):
    """JSON member `for_each` of a part (one lookup of a dossier), which says for which persons the lookup is repeated.
    The persons are in the data of the part `part`, at the dotted path `path`."""

    part: str
    path: str


class PartRequest(Struct, frozen=True, kw_only=True):
    """Part of a dossier (one of its lookups), as the caller has written it."""

    name: str
    operation: str
    """Path of the operation, such as `dss/quotient_familial`, without its version and its modality (way to identify the
    person)."""
    version: int = 0
    """Version of the operation. 0 stands for the newest version that is not deprecated."""
    modality: str = ""
    parameters: Values = {}
    """Query parameters of this lookup alone, by the names that the operation gives to them."""
    for_each: PersonsOf | None = None
    fallback: Values = {}
    """JSON member `with` of a part with `for_each`: values for the fields of civil status that the persons' data lacks.
    Keys are canonical fields, such as `nom_naissance`."""


class Fault(Struct, frozen=True):
    """Fault of one field of a dossier (several lookups in one request). `reason` is a key of the failure table,
    `pointer` the field's JSON pointer (RFC 6901)."""

    reason: str
    pointer: str


class DossierRequest(Struct, frozen=True, kw_only=True):
    """Dossier (several lookups in one request) as the caller has written it. Fields and lookups with a fault are left
    out."""

    recipient: str
    delegation_id: str
    person: Values
    """Values that identify the person, by canonical field (such as `nom_naissance`)."""
    parts: tuple[PartRequest, ...]
    names: frozenset[str]
    """Names of all parts (lookups) of the dossier, including parts with a fault. `parts` lacks those with a fault."""
    faults: tuple[Fault, ...]


def _text_like(pattern: str) -> msgspec.json.Decoder[str]:
    return msgspec.json.Decoder(Annotated[str, Meta(pattern=rf"\A(?:{pattern})\Z")])


_any = msgspec.json.Decoder(Raw)
_members = msgspec.json.Decoder(dict[str, Raw])
_value = msgspec.json.Decoder(Value)
_text = msgspec.json.Decoder(str)

WHOLE: Mapping[str, msgspec.json.Decoder[Any]] = {
    "recipient": _text,
    "delegation_id": _text,
    "identite": _any,
    **dict.fromkeys(IDENTIFIERS, _value),
    "resources": _any,
}
PART: Mapping[str, msgspec.json.Decoder[Any]] = {
    "operation": _text_like(r"[A-Za-z0-9_-]{1,64}(/[A-Za-z0-9_-]{1,64}){1,4}"),
    "version": msgspec.json.Decoder(Annotated[int, Meta(ge=1, le=999)]),
    "modality": _text_like("[A-Za-z0-9_-]{1,64}"),
    "parameters": _any,
    "for_each": _text_like(r"[a-z][a-z0-9_]{0,31}(\.[A-Za-z0-9_]{1,64}){1,8}"),
    "with": _any,
}


def read_dossier(body: bytes) -> DossierRequest:
    """Reads a dossier (several lookups in one request) from a JSON body. Raises `Problem` (400) if the body is no JSON
    object; the result lists all other faults."""
    try:
        members = _members.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Problem("bad_request") from None
    faults: list[Fault] = []
    whole = _read(members, WHOLE, "", faults)
    recipient = whole.get("recipient", "")
    if "recipient" not in members or ("recipient" in whole and not is_siret(recipient)):
        faults.append(Fault(RECIPIENT, "/recipient"))
    civil_status = _values_of(whole.get("identite"), CIVIL_STATUS, "/identite", faults)
    identifiers = {field: whole[member] for member, field in IDENTIFIERS.items() if member in whole}
    resources = _objects(whole["resources"], "/resources", faults) if "resources" in whole else {}
    if "resources" not in members:
        faults.append(Fault(FIELD, "/resources"))
    elif not 1 <= len(resources) <= MAX_PARTS and not any(fault.pointer == "/resources" for fault in faults):
        faults.append(Fault(COUNT, "/resources"))
    parts = tuple(_parts(resources, faults)) if len(resources) <= MAX_PARTS else ()
    return DossierRequest(
        recipient=recipient,
        delegation_id=whole.get("delegation_id", ""),
        person=civil_status | identifiers,
        parts=parts,
        names=frozenset(resources),
        faults=tuple(dict.fromkeys(faults)),
    )


def _parts(resources: Mapping[str, Raw], faults: list[Fault]) -> Iterator[PartRequest]:
    """Yields the parts (lookups) of a dossier that have no fault, and adds the faults of the others to `faults`.
    `resources` holds each part as JSON, by name."""
    for name, raw in resources.items():
        if not NAME.fullmatch(name):
            faults.append(Fault(FIELD, "/resources"))
            continue
        found: list[Fault] = []
        part = _part(name, raw, found)
        faults += found
        if not found and part is not None:
            yield part


def _part(name: str, raw: Raw, faults: list[Fault]) -> PartRequest | None:
    pointer = f"/resources/{name}"
    members = _objects(raw, pointer, faults)
    read = _read(members, PART, pointer, faults)
    if "operation" not in members and not faults:
        faults.append(Fault(FIELD, f"{pointer}/operation"))
    parameters = _parameters(read.get("parameters"), f"{pointer}/parameters", faults)
    fallback = _values_of(read.get("with"), CIVIL_STATUS, f"{pointer}/with", faults)
    if "with" in read and "for_each" not in members:
        faults.append(Fault(FOR_EACH, f"{pointer}/with"))
    if faults:
        return None
    source, _, path = read.get("for_each", "").partition(".")
    return PartRequest(
        name=name,
        operation=read["operation"],
        version=read.get("version", 0),
        modality=read.get("modality", ""),
        parameters=parameters,
        for_each=PersonsOf(source, path) if source else None,
        fallback=fallback,
    )


def _parameters(raw: Raw | None, pointer: str, faults: list[Fault]) -> dict[str, Value]:
    members = {} if raw is None else _objects(raw, pointer, faults)
    names = {name for name in members if PARAMETER_NAME.fullmatch(name) and name not in DOSSIER_PARAMETERS}
    return _read(members, dict.fromkeys(names, _value), pointer, faults)


def _values_of(raw: Raw | None, known: Mapping[str, str], pointer: str, faults: list[Fault]) -> dict[str, Value]:
    """Returns the values of the JSON object `raw` by canonical field: `{"nomNaissance": "MARTIN"}` becomes
    `{"nom_naissance": "MARTIN"}`. `known` maps the names of members to fields.

    Adds a fault to `faults` for each wrong member. `pointer` is the object's JSON pointer, such as `/identite`.
    """
    # Returns an empty dict if `raw` is `None`.
    members = {} if raw is None else _objects(raw, pointer, faults)
    read = _read(members, dict.fromkeys(known, _value), pointer, faults)
    return {known[member]: value for member, value in read.items()}


def _objects(raw: Raw, pointer: str, faults: list[Fault]) -> dict[str, Raw]:
    try:
        return _members.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        faults.append(Fault(FIELD, pointer))
        return {}


def _read(
    members: Mapping[str, Raw], known: Mapping[str, msgspec.json.Decoder[Any]], pointer: str, faults: list[Fault]
) -> dict[str, Any]:
    """Decodes the members of a JSON object, each with its decoder in `known`. Adds a fault to `faults` for each wrong
    or unknown member. `pointer` is the object's JSON pointer, such as `/identite`."""
    # The fault of an unknown member names the object, so that an error never quotes a name that the caller invented.
    read: dict[str, Any] = {}
    if len(members) > MAX_MEMBERS:
        faults.append(Fault(FIELD, pointer))
        return read
    for name, raw in members.items():
        if name not in known:
            faults.append(Fault(FIELD, pointer))
            continue
        try:
            read[name] = known[name].decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            faults.append(Fault(FIELD, f"{pointer}/{name}"))
    return read
