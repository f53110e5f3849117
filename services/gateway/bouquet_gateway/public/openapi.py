"""The OpenAPI 3.1 document of what the workers offer. Pure: the same offers give the same document.

Every error that an operation can answer stands in it, rendered by the very function that answers it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, TypeAlias

import msgspec

from bouquet_gateway.errors.nomenclature import told_of
from bouquet_gateway.errors.problems import Problem, code_of, render, row_of
from bouquet_gateway.offers.catalogue import Served
from bouquet_gateway.paths import Envelope, envelope_of
from bouquet_proto.offer import Operation
from bouquet_proto.rules import RULES, Check, Field, names_of

Json: TypeAlias = dict[str, Any]

JSON = "application/json"
MAY_WAIT = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE)
SAMPLE_VALUES = {"start": "01:10", "end": "02:30"}

SECURITY: dict[Envelope, str] = {"v3": "jwt_bearer_token", "v2": "apiKey"}

FRANCE_CONNECT = "franceConnectToken"

SECURITY_SCHEMES: Json = {
    FRANCE_CONNECT: {"type": "http", "scheme": "bearer", "description": "Jeton d'accès FranceConnect du citoyen"},
    "jwt_bearer_token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
}

RECIPIENT = Field(
    name="recipient",
    schema={"type": "string", "pattern": "^[0-9]{14}$"},
    description="SIRET de l'administration destinataire des données",
    example="13002526500013",
)

CACHE_CONTROL: Json = {
    "name": "Cache-Control",
    "in": "header",
    "required": False,
    "description": "`no-cache` : la réponse ne vient pas du cache, et n'y entre pas",
    "schema": {"type": "string"},
}


def _header(description: str, kind: str = "integer") -> Json:
    return {"description": description, "schema": {"type": kind}}


HEADERS: Json = {
    "X-Request-Id": _header("Identifiant de l'appel", "string"),
    "RateLimit-Limit": _header("Nombre d'appels permis par fenêtre"),
    "RateLimit-Remaining": _header("Nombre d'appels restants dans la fenêtre"),
    "RateLimit-Reset": _header("Fin de la fenêtre, en secondes depuis 1970"),
    "Retry-After": _header("Secondes à attendre avant un nouvel appel"),
    "X-Response-Cached": _header("`true` si la réponse vient du cache", "string"),
    "X-Cache-Expires-in": _header("Secondes restantes en cache, vide hors cache", "string"),
    "Deprecation": _header("Date de dépréciation (RFC 9745)", "string"),
    "Sunset": _header("Date d'extinction (RFC 8594)", "string"),
    "Link": _header("Ce qui remplace l'opération", "string"),
}
ON_EVERY_ANSWER = ("X-Request-Id", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
ON_DATA = (*ON_EVERY_ANSWER, "X-Response-Cached", "X-Cache-Expires-in")
ON_RETIREMENT = ("Deprecation", "Sunset", "Link")


def _text(**limits: Any) -> Json:
    return {"type": "string", **limits}


def _object(required: Iterable[str] = (), **properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": [*required]}


_STRUCTURED = _object(("error", "reason", "message"), error=_text(), reason=_text(), message=_text())
_FLAT = _object(("errors",), errors={"type": "array", "items": _text()})
_ERROR = _object(
    ("code", "title", "detail", "meta"),
    code=_text(pattern="^[0-9]{5}$"),
    title=_text(),
    detail=_text(),
    source=_object(parameter=_text(), header=_text()),
    meta=_object(provider=_text(), retry_in={"type": "integer"}),
)

ERROR_SCHEMAS: Json = {
    "v3": _object(("errors",), errors={"type": "array", "minItems": 1, "items": _ERROR}),
    "v2": {"anyOf": [_STRUCTURED, _FLAT]},
}


def document(
    by_path: Mapping[str, tuple[Served, ...]],
    title: str = "Bouquet",
    version: str = "3.0.0",
    server_url: str = "/",
    more: Mapping[str, Json] = {},
) -> Json:
    """`more`: paths that are nobody's offer."""
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "servers": [{"url": server_url}],
        "paths": {path: {"get": _get(modalities)} for path, modalities in sorted(by_path.items())} | dict(more),
        "components": {
            "securitySchemes": SECURITY_SCHEMES,
            "headers": HEADERS,
            "schemas": {f"errors_{envelope}": schema for envelope, schema in ERROR_SCHEMAS.items()},
        },
    }


def _checks(operation: Operation) -> Iterator[Check]:
    for stage in operation.checks:
        yield from stage


def _get(modalities: tuple[Served, ...]) -> Json:
    """The modalities of a path share their resource and differ by their parameters."""
    operations = [served.operation for served in modalities]
    first, envelope = modalities[0], envelope_of(operations[0].path)
    errors: Json = {}
    for served in modalities:
        errors |= _errors(served)
    return {
        "operationId": first.operation.folder,
        "summary": first.operation.summary,
        "tags": [first.authority.label],
        "deprecated": first.operation.retirement is not None,
        "x-scopes": list(first.operation.scopes),
        "security": [
            {scheme: []} for scheme in dict.fromkeys(_scheme(operation, envelope) for operation in operations)
        ],
        "parameters": _parameters(operations),
        "responses": {"200": _success(first)} | dict(sorted(errors.items())),
    }


def _scheme(operation: Operation, envelope: Envelope) -> str:
    return FRANCE_CONNECT if operation.modality == "france_connect" else SECURITY[envelope]


def _parameters(operations: list[Operation]) -> list[Json]:
    """A field that several rules read is required when one of them requires it, in every modality of the path."""
    tables = [_table(operation) for operation in operations]
    whole: dict[str, Json] = {}
    if any(operation.cache_s for operation in operations):
        whole[CACHE_CONTROL["name"]] = CACHE_CONTROL
    for name in dict.fromkeys(name for table in tables for name in table):
        parameter = next(table[name] for table in tables if name in table)
        whole[name] = parameter | {"required": all(name in table and table[name]["required"] for table in tables)}
    return list(whole.values())


def _table(operation: Operation) -> dict[str, Json]:
    recipient = msgspec.structs.replace(RECIPIENT, required=envelope_of(operation.path) == "v3")
    table: dict[str, Json] = {}
    for name, field in [(recipient.name, recipient), *_fields(operation)]:
        required = field.required or name in table and table[name]["required"]
        table[name] = _parameter(name, field, required=required)
    return table


def _fields(operation: Operation) -> Iterator[tuple[str, Field]]:
    for check in _checks(operation):
        for canonical, name in names_of(check).items():
            yield name, RULES[check.rule].fields[canonical]


def _parameter(name: str, field: Field, *, required: bool) -> Json:
    many = field.schema["type"] == "array"
    parameter: Json = {
        "name": f"{name}[]" if many else name,
        "in": "query",
        "required": required,
        "description": field.description,
        "schema": field.schema,
    }
    if many:
        parameter |= {"style": "form", "explode": True}
    if field.example is not None:
        parameter["example"] = field.example
    return parameter


def _success(served: Served) -> Json:
    operation = served.operation
    media: Json = {"schema": operation.schema}
    if operation.example is not None:
        media["example"] = operation.example
    return {
        "description": operation.summary,
        "x-operationId": operation.folder,
        "headers": _references(ON_DATA + (ON_RETIREMENT if operation.retirement else ())),
        "content": {JSON: _enveloped(media) if envelope_of(operation.path) == "v3" else media},
    }


def _enveloped(media: Json) -> Json:
    whole: Json = {"schema": _object(("data", "links", "meta"), data=media["schema"], links=_object(), meta=_object())}
    if "example" in media:
        whole["example"] = {"data": media["example"], "links": {}, "meta": {}}
    return whole


def _errors(served: Served) -> Json:
    """By status; each example is an answer to the letter, under its code."""
    envelope = envelope_of(served.operation.path)
    examples: dict[int, dict[str, Json]] = defaultdict(dict)
    for reason, authority in told_of(served):
        row = row_of(reason, served.problems)
        problem = Problem(reason, authority=authority, values=SAMPLE_VALUES)
        status, body = render(problem, served.problems, envelope)
        example = {"summary": row.title, "value": msgspec.json.decode(body)}
        _add(examples[status], code_of(row, authority), example)
    return {str(status): _error(status, examples[status], envelope) for status in sorted(examples)}


def _add(examples: dict[str, Json], code: str, example: Json) -> None:
    """Two texts may share a code (§3.5)."""
    if example not in examples.values():
        same = sum(name.partition(" ")[0] == code for name in examples)
        examples[f"{code} ({same + 1})" if same else code] = example


def _error(status: int, examples: Mapping[str, Json], envelope: Envelope) -> Json:
    return {
        "description": HTTPStatus(status).phrase,
        "headers": _references(ON_EVERY_ANSWER + (("Retry-After",) if status in MAY_WAIT else ())),
        "content": {
            JSON: {"schema": {"$ref": f"#/components/schemas/errors_{envelope}"}, "examples": dict(examples)},
        },
    }


def _references(headers: Iterable[str]) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in headers}
