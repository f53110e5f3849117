"""Data with which a request for a habilitation (right to call operations) begins. Sources are the form, the query
string of a link to the form, and the applicant. Values of a later source replace values of an earlier source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import structs

from bouquet_registry.datapass.forms import CONTACT_PREFIXES, Block, Form, RequestData, ServiceProviderEntry, block_of
from bouquet_registry.habilitations import EMAIL
from bouquet_registry.served_scopes import FRANCE_CONNECT_SCOPES

LISTS = ("modalities", "scopes")
"""Names of the fields of `RequestData` whose values are lists."""
TYPES = {field.name: field.type for field in structs.fields(RequestData)}
LINKABLE = frozenset(name for name in TYPES if not name.startswith(CONTACT_PREFIXES))
"""Names of the `RequestData` fields that the query string of a link to a form may fill in. Contacts are left out."""
REQUIRED: dict[Block, tuple[str, ...]] = {
    "basic_infos": ("intitule", "description"),
    "legal": ("cadre_juridique_nature", "cadre_juridique_url"),
    "modalities": ("modalities",),
    "scopes": ("scopes",),
    "personal_data": (
        "destinataire_donnees_caractere_personnel",
        "duree_conservation_donnees_caractere_personnel",
    ),
}
"""Maps each part of a form to the attributes that must be filled in before a request may be submitted."""
MAX_UNJUSTIFIED_MONTHS = 36
"""Longest retention of personal data, in months, that a request need not justify."""


def from_link(form: Form, query: Iterable[tuple[str, str]]) -> RequestData:
    """Returns the data that the query string of a link to a form fills in. Lists are given as `scopes[]=a&scopes[]=b`.
    Ignores unusable values, and attributes that a link may not fill in."""
    given: dict[str, Any] = {}
    for name, value in query:
        attribute = name.removesuffix("[]")
        if attribute in LISTS:
            given.setdefault(attribute, []).append(value)
        elif attribute == name:
            given[attribute] = value
    usable = {name: _converted(name, value) for name, value in given.items() if name in LINKABLE}
    kept = {name: value for name, value in usable.items() if value is not None and not _is_fixed(form, name)}
    if "scopes" in kept:
        kept["scopes"] = tuple(filter(form.scopes_config.is_editable, kept["scopes"]))
    return RequestData(**kept)


def _converted(name: str, value: Any) -> Any:
    """Converts a value from a query string to the type of the attribute `name`. Returns None for an unusable value."""
    try:
        return msgspec.convert(value, TYPES[name], strict=False)
    except msgspec.ValidationError:
        return None


def faults_in(form: Form, typed: RequestData) -> Iterator[str]:
    """Yields the faults in `typed`, the data from an applicant, each as `demande.data.field: problem`. Examples are a
    field that the applicant cannot change, and a scope that the form does not offer."""
    filled = typed.filled()
    for name, value in filled.items():
        if _is_fixed(form, name):
            yield f"demande.data.{name}: is fixed by the form"
        elif name.endswith("_email") and not EMAIL.fullmatch(value):
            yield f"demande.data.{name}: is no e-mail address"
    start = form.initialize_with.filled().get("scopes", ())
    for number, scope in enumerate(filled.get("scopes", ())):
        if scope not in start and not form.scopes_config.is_editable(scope):
            yield f"demande.data.scopes[{number}]: is not offered by the form"


def merged(form: Form, *layers: RequestData) -> RequestData:
    """Returns the form's own data, overwritten by the data in each of `layers`, in this order. Scopes that the
    applicant cannot change remain as in the form."""
    start = form.initialize_with.filled()
    data = dict(start)
    for layer in layers:
        data |= layer.filled()
    if "scopes" in data:
        is_editable = form.scopes_config.is_editable
        fixed = [scope for scope in start.get("scopes", ()) if not is_editable(scope)]
        data["scopes"] = tuple(dict.fromkeys([*fixed, *filter(is_editable, data["scopes"])]))
    return RequestData(**data)


def missing(form: Form, data: RequestData, provider: ServiceProviderEntry | None) -> tuple[str, ...]:
    """Returns the names of the attributes that must still be filled in before a request may be submitted. `provider` is
    the editor that offers the form, or None."""
    blocks = {*form.steps, *form.static_blocks} if form.steps else set(REQUIRED)
    filled = {name: value for name, value in data.filled().items() if value not in ("", ())}
    needed = [name for block, names in REQUIRED.items() if block in blocks for name in names]
    if filled.get("duree_conservation_donnees_caractere_personnel", 0) > MAX_UNJUSTIFIED_MONTHS:
        needed.append("duree_conservation_donnees_caractere_personnel_justification")
    found = [name for name in needed if name not in filled]
    if "france_connect" in filled.get("modalities", ()) and "france_connect_authorization_id" not in filled:
        found += _missing_for_france_connect(filled, provider)
    return tuple(dict.fromkeys(found))


def _missing_for_france_connect(filled: dict[str, Any], provider: ServiceProviderEntry | None) -> Iterator[str]:
    # Software that FranceConnect has certified may ask for FranceConnect in the same request, with all its scopes.
    if provider is None or not (provider.fc_certified and provider.apipfc_enabled):
        yield "france_connect_authorization_id"
        return
    fields = ("fc_cadre_juridique_nature", "fc_cadre_juridique_url", "fc_eidas", "contact_technique_phone_number")
    yield from (name for name in fields if name not in filled)
    if not FRANCE_CONNECT_SCOPES.issubset(filled.get("scopes", ())):
        yield "scopes"


def _is_fixed(form: Form, attribute: str) -> bool:
    return block_of(attribute) in form.static_blocks
