"""OpenAPI 3.1 document of the operations that callers can call, with every error of each operation."""
# Every object schema has a name, because client generators name classes after schemas.

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, count

import msgspec

from bouquet_gateway.errors import nomenclature
from bouquet_gateway.errors.nomenclature import documented_reasons
from bouquet_gateway.offers.catalogue import ServedOperation
from bouquet_gateway.paths import Envelope, envelope_of
from bouquet_gateway.public import openapi_dossiers, openapi_platform, openapi_proofs, openapi_sandbox
from bouquet_gateway.public.openapi_components import Components, Json, pascal
from bouquet_gateway.public.openapi_errors import HEADERS, JSON, ON_THROTTLED, error_answers, object_schema
from bouquet_proto.offer import Operation
from bouquet_proto.rules import RULES, Check, Field

FRANCE_CONNECT = "franceConnectToken"
BEARER, API_KEY = openapi_platform.BEARER, "apiKey"
SECURITY: dict[Envelope, str] = {"v3": BEARER, "v2": API_KEY}
SECURITY_SCHEMES: Json = {
    FRANCE_CONNECT: {"type": "http", "scheme": "bearer", "description": "Jeton d'accès FranceConnect du citoyen"},
    BEARER: {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    API_KEY: {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
}

DESCRIPTION = """\
Les données que des administrations détiennent déjà sur une personne, et qu'elle n'a donc plus à fournir. Le contrat \
est celui d'API Particulier.

- **Accès** : par un jeton, ou, sur les chemins `/france_connect`, par la session FranceConnect du citoyen. Chaque \
opération indique les scopes qui y donnent accès ; un champ assorti de scopes (`x-scopes`) n'est présent que si le \
jeton en possède un. [`/api/introspect`](/api/introspect) renvoie les scopes d'un jeton.
- **Éditeurs** : avec son propre jeton, un éditeur de logiciels appelle pour les administrations qui lui ont délégué \
leur habilitation : `recipient` désigne l'administration et, si elle en a délégué plusieurs, `delegation_id` la \
délégation. [`/editeur/api/v1/delegations`](/editeur/api/v1/delegations) en donne la liste.
- **Dossiers** : [`POST /bouquet/v1/dossiers`](/bouquet/v1/dossiers) demande plusieurs ressources d'un foyer en un \
appel.
- **Erreurs** : chaque statut HTTP est documenté avec toutes ses erreurs, mot pour mot ; \
[`/api/errors`](/api/errors) en donne la liste.
- **Fin de vie** : une opération dépréciée annonce sa date de retrait dans les en-têtes `Deprecation` et `Sunset`.
"""
LICENSE = {"name": "MIT", "identifier": "MIT"}

RECIPIENT = Field(
    name="recipient",
    schema={"type": "string", "pattern": "^[0-9]{14}$"},
    description="SIRET de l'administration destinataire des données",
    example="13002526500013",
)

DELEGATION = Field(
    name="delegation_id",
    schema={"type": "string", "format": "uuid"},
    description="Délégation au nom de laquelle un éditeur appelle, si `recipient` lui en a accordé plusieurs ; sans "
    "effet avec un autre jeton",
    example="0c5e7f0a-3a51-4f6e-9f39-52c6b0b6b1f4",
)

CACHE_CONTROL: Json = {
    "name": "Cache-Control",
    "in": "header",
    "required": False,
    "description": "`no-cache` : la réponse ne provient pas du cache et n'y est pas enregistrée",
    "schema": {"type": "string"},
}

ANYTHING: Json = {"type": "object"}
ON_DATA = (*ON_THROTTLED, "X-Response-Cached", "X-Cache-Expires-in")
ON_RETIREMENT = ("Deprecation", "Sunset", "Link")


def document(
    by_path: Mapping[str, tuple[ServedOperation, ...]],
    title: str = "Bouquet",
    version: str = "3.0.0",
    server_url: str = "/",
    contact: str = "",
    monitored: Iterable[str] = (),
    *,
    is_sandbox: bool = False,
    has_proofs: bool = False,
) -> Json:
    """Returns the OpenAPI document of the operations in `by_path` and of the gateway's own endpoints.

    `contact` is a URL or an e-mail address. `monitored` holds the names of the resources whose health
    `/api/{status}/ping` shows. `has_proofs` says whether callers can request and verify proofs.
    """
    components = Components()
    sessions_last = sorted(by_path.items(), key=lambda item: (item[1][0].operation.by_session, item[0]))
    operations = {path: {"get": _get(modalities, components)} for path, modalities in sessions_last}
    tags = dict(openapi_dossiers.TAGS)
    platform = openapi_platform.paths(monitored, components, (BEARER, API_KEY))
    platform |= openapi_dossiers.paths(by_path, components, (BEARER, API_KEY, FRANCE_CONNECT))
    if has_proofs:
        openapi_proofs.add_header(operations, by_path)
        platform |= openapi_proofs.paths(components)
        tags |= openapi_proofs.TAGS
    if is_sandbox:
        platform |= openapi_sandbox.paths(components)
        tags |= openapi_sandbox.TAGS
    _make_ids_unique([*platform.values(), *(item for _, item in sorted(operations.items()))])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": version,
            "description": DESCRIPTION,
            "contact": _contact(contact),
            "license": LICENSE,
        },
        "servers": [{"url": server_url}],
        "tags": _tags(by_path, tags),
        "paths": dict(sorted(operations.items())) | platform,
        "components": {"securitySchemes": SECURITY_SCHEMES} | components.as_json(),
    }


def _make_ids_unique(items: Iterable[Json]) -> None:
    """Makes the operation ids in an OpenAPI document unique: a repeated id gets a number at its end, as in `…_2`.
    `items` holds the descriptions of the document's paths."""
    taken: set[str] = set()
    for operation in (operation for item in items for operation in item.values()):
        id = operation["operationId"]
        operation["operationId"] = next(
            name for name in chain([id], (f"{id}_{n}" for n in count(2))) if name not in taken
        )
        taken.add(operation["operationId"])


def _contact(contact: str) -> Json:
    kind = "url" if "://" in contact else "email"
    return {"name": "L'exploitant de cette passerelle"} | ({kind: contact} if contact else {})


def _tags(by_path: Mapping[str, tuple[ServedOperation, ...]], more: Mapping[str, str]) -> list[Json]:
    labels = sorted({modalities[0].authority.label for modalities in by_path.values()})
    described = {label: f"Données fournies par : {label}" for label in labels} | openapi_platform.TAGS | dict(more)
    return [{"name": name, "description": description} for name, description in described.items()]


def _checks(operation: Operation) -> Iterator[Check]:
    for stage in operation.checks:
        yield from stage


def _get(modalities: tuple[ServedOperation, ...], components: Components) -> Json:
    """Returns the OpenAPI description of GET at one path. `modalities` holds the path's operations, one for each way to
    identify the person."""
    operations = [served.operation for served in modalities]
    served, envelope = modalities[0], envelope_of(operations[0].path)
    errors: Json = {}
    for modality in modalities:
        errors |= _errors(modality, components)
    return {
        "operationId": served.operation.folder,
        "summary": served.operation.summary,
        "description": _description(served.operation),
        "tags": [served.authority.label],
        "deprecated": served.operation.retirement is not None,
        **_end_of_life(served.operation),
        "x-scopes": list(served.operation.scopes),
        "security": [
            {scheme: []} for scheme in dict.fromkeys(_scheme(operation, envelope) for operation in operations)
        ],
        "parameters": _parameters(operations),
        "responses": {"200": _success(served, components)} | dict(sorted(errors.items())),
    }


def _end_of_life(operation: Operation) -> Json:
    """Returns the OpenAPI extensions that announce the end of an operation: its days of deprecation and end, and the
    path of its successor. Returns an empty dict if no end is announced."""
    if (end := operation.retirement) is None:
        return {}
    named = {"x-deprecation": end.deprecated_on, "x-sunset": end.sunset_on, "x-successor": end.successor}
    return {name: value for name, value in named.items() if value}


def _description(operation: Operation) -> str:
    scopes = ", ".join(f"`{scope}`" for scope in operation.scopes)
    return f"Accessible avec l'un de ces scopes : {scopes}. [Ses erreurs]({_errors_url(operation)})."


def _errors_url(operation: Operation) -> str:
    return f"/api/errors?operation_id={operation.folder}"


def _scheme(operation: Operation, envelope: Envelope) -> str:
    return FRANCE_CONNECT if operation.by_session else SECURITY[envelope]


def _parameters(operations: list[Operation]) -> list[Json]:
    """Returns the OpenAPI query parameters of all operations of a path. A parameter is required only if every operation
    requires it."""
    tables = [query_parameters(operation) for operation in operations]
    merged: dict[str, Json] = {}
    if any(operation.cache_s for operation in operations):
        merged[CACHE_CONTROL["name"]] = CACHE_CONTROL
    for name in dict.fromkeys(name for table in tables for name in table):
        parameter = next(table[name] for table in tables if name in table)
        merged[name] = parameter | {"required": all(name in table and table[name]["required"] for table in tables)}
    return list(merged.values())


def query_parameters(operation: Operation) -> dict[str, Json]:
    """Returns the OpenAPI query parameters of an operation, by name without `[]`. A parameter is required if at least
    one validation rule requires it."""
    is_v3 = envelope_of(operation.path) == "v3"
    own = [msgspec.structs.replace(RECIPIENT, required=is_v3), *([DELEGATION] if is_v3 else [])]
    table: dict[str, Json] = {}
    for name, field in [*((field.name, field) for field in own), *_fields(operation)]:
        required = field.required or name in table and table[name]["required"]
        table[name] = _parameter(name, field, required=required)
        if codes := _codes(operation, name):
            table[name]["x-error-codes"] = codes
    return table


def _codes(operation: Operation, name: str) -> list[str]:
    """Returns the codes of the errors that an answer may contain because of the parameter `name`."""
    # These are all codes of the rules that read the parameter, even those that a rule reports only for another
    # parameter.
    if name == RECIPIENT.name:
        return [nomenclature.RECIPIENT]
    rules = (check.rule for check in _checks(operation) if name in check.parameter_names.values())
    return list(dict.fromkeys(code for rule in rules for code in RULES[rule].codes))


def _fields(operation: Operation) -> Iterator[tuple[str, Field]]:
    for check in _checks(operation):
        for canonical, name in check.parameter_names.items():
            yield name, RULES[check.rule].fields[canonical]


def _parameter(name: str, field: Field, *, required: bool) -> Json:
    is_array = field.schema["type"] == "array"
    parameter: Json = {
        "name": f"{name}[]" if is_array else name,
        "in": "query",
        "required": required,
        "description": field.description,
        "schema": field.schema,
    }
    if is_array:
        parameter |= {"style": "form", "explode": True}
    if field.example is not None:
        parameter["example"] = field.example
    return parameter


def _success(served: ServedOperation, components: Components) -> Json:
    operation = served.operation
    headers = ON_DATA + (ON_RETIREMENT if operation.retirement else ())
    return {
        "description": operation.summary,
        "x-operationId": operation.folder,
        "headers": components.headers(HEADERS, headers),
        "content": {JSON: _media(operation, components)},
    }


def _names(operation: Operation) -> tuple[str, ...]:
    """Returns names for the schema of an operation's data, such as `V3DssQuotientFamilial`, in order of preference."""
    # Operations of the same resource share the first name if their types are equal.
    path = operation.path.removeprefix("/api/")
    resource, _, modality = path.rpartition("/")
    if envelope_of(operation.path) == "v2" or modality != operation.modality:
        return (pascal(path) or "Data",)
    return pascal(resource), pascal(path)


def _media(operation: Operation, components: Components) -> Json:
    names, example = _names(operation), operation.example
    if envelope_of(operation.path) == "v2":
        schema = components.extract_objects(operation.schema, *names)
    else:
        data, meta = _data_and_meta_schemas(operation.schema, operation.meta_fields)
        data = components.extract_objects(data, *names)
        envelope = object_schema(("data", "links", "meta"), data=data, links=ANYTHING, meta=meta)
        schema = components.extract_objects(envelope, *(f"{name}Answer" for name in names))
        example = None if example is None else _example(example, operation.meta_fields)
    return {"schema": schema} | ({} if example is None else {"example": example})


def _data_and_meta_schemas(schema: Json, meta_fields: tuple[str, ...]) -> tuple[Json, Json]:
    """Divides `schema` into the schemas of `data` and `meta` in an answer. The fields in `meta_fields` go to `meta`,
    all others to `data`."""
    if not meta_fields:
        return schema, ANYTHING
    properties = schema.get("properties", {})
    meta = {name: field for name, field in properties.items() if name in meta_fields}
    required = schema.get("required", ())
    data = schema | {
        "properties": {name: field for name, field in properties.items() if name not in meta},
        "required": [name for name in required if name not in meta],
    }
    return data, object_schema(tuple(name for name in required if name in meta), **meta)


def _example(data: Json, meta_fields: tuple[str, ...]) -> Json:
    meta = {name: data[name] for name in meta_fields if name in data}
    return {"data": {name: data[name] for name in data if name not in meta}, "links": {}, "meta": meta}


def _errors(served: ServedOperation, components: Components) -> Json:
    operation = served.operation
    address = _errors_url(operation)
    return error_answers(
        documented_reasons(served),
        operation.path,
        components,
        provider_failures=served.problems,
        headers=ON_THROTTLED,
        more=f". Toutes les erreurs de l'opération : [{address}]({address})",
    )
