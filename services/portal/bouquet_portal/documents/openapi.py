"""Operations from a gateway's OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from bouquet_portal.documents.model import Field, Operation, Parameter

PATH = re.compile(r"/(?:api/)?(?P<version>v\d+)/(?P<rest>.+)")
SCOPES = "x-scopes"
"""Key under which the OpenAPI document lists the scopes of an operation or a field. Operations that return no data
about people lack the key."""
MAX_DEPTH = 12
"""Largest depth of nested fields that are read from a schema."""
# Reading therefore ends even for a schema that contains itself.

KINDS = {
    "string": "texte",
    "integer": "nombre entier",
    "number": "nombre",
    "boolean": "vrai ou faux",
    "object": "objet",
}
PLURALS = {
    "texte": "textes",
    "nombre entier": "nombres entiers",
    "nombre": "nombres",
    "objet": "objets",
    "date": "dates",
}
FORMATS = {"date": "date", "date-time": "date et heure"}


def operations(document: Mapping[str, Any]) -> tuple[Operation, ...]:
    """Returns the operations that return personal data, in the order of the OpenAPI document. Raises `KeyError`,
    `TypeError` or `ValueError` for a document that is not a gateway's."""
    # These are the operations that need a scope.
    schemas = document["components"]["schemas"]
    found = (
        _operation(path, method, schemas)
        for path, methods in document["paths"].items()
        for method in methods.values()
        if SCOPES in method
    )
    return tuple(found)


def _operation(path: str, method: Mapping[str, Any], schemas: Mapping[str, Any]) -> Operation:
    version, resource, modality = _parts(path)
    found = method["responses"]["200"]
    answer = _resolved(found["content"]["application/json"]["schema"], schemas)
    data, meta = (answer["properties"].get(name) if version != "v2" else None for name in ("data", "meta"))
    security = {name for choice in method.get("security", ()) for name in choice}
    return Operation(
        id=method["operationId"],
        path=path,
        title=method["summary"],
        provider=(method.get("tags") or [""])[0],
        version=version,
        resource=resource,
        modality=modality,
        is_deprecated=method.get("deprecated", False),
        deprecated_on=_day(method, "x-deprecation"),
        ends_on=_day(method, "x-sunset"),
        successor=method.get("x-successor", ""),
        scopes=tuple(method[SCOPES]),
        parameters=tuple(map(_parameter, method.get("parameters", ()))),
        fields=tuple(_fields(data or answer, schemas, "", (), 0)),
        meta=tuple(_fields(meta or {}, schemas, "", (), 0)),
        is_cached="X-Response-Cached" in found.get("headers", {}),
        is_by_session=any("franceconnect" in name.lower() for name in security),
        statuses=tuple(sorted(int(status) for status in method["responses"] if status.isdecimal())),
        description=method.get("description", ""),
    )


def _day(method: Mapping[str, Any], key: str) -> date | None:
    return date.fromisoformat(method[key]) if key in method else None


def _parts(path: str) -> tuple[str, str, str]:
    """Returns the version, the resource and the modality (way to identify the person) of a path, such as `v3`,
    `dss/quotient_familial` and `identite`. Version 2 has the modality "". Raises `ValueError` for a path without a
    version."""
    match = PATH.fullmatch(path)
    if match is None:
        raise ValueError("a path without a version")
    version, rest = match["version"], match["rest"]
    if version == "v2":
        return version, rest, ""
    resource, _, modality = rest.rpartition("/")
    return version, resource, modality


def _parameter(parameter: Mapping[str, Any]) -> Parameter:
    schema = parameter.get("schema", {})
    return Parameter(
        name=parameter["name"],
        location=parameter["in"],
        is_required=parameter.get("required", False),
        description=parameter.get("description", ""),
        kind=_kind(schema, {}),
        example=parameter.get("example"),
        choices=_choices(schema),
        pattern=schema.get("pattern", ""),
        codes=tuple(parameter.get("x-error-codes", ())),
    )


def _fields(
    schema: Mapping[str, Any], schemas: Mapping[str, Any], prefix: str, scopes: tuple[str, ...], depth: int
) -> Iterator[Field]:
    """Yields the fields of an object's schema, with paths that begin with `prefix`, such as `enfants[].`. A field
    without scopes of its own gets `scopes`, the scopes of the object. `depth` is the object's level, 0 for the whole
    answer."""
    # `depth` is the number of levels between the object and the top. Below `MAX_DEPTH`, there are no fields.
    if depth > MAX_DEPTH:
        return
    members = _resolved(schema, schemas)
    for name, own in members.get("properties", {}).items():
        is_required = name in members.get("required", ()) or SCOPES in own
        yield _field(name, own, schemas, prefix, scopes, depth, is_required=is_required)


def _field(
    name: str,
    own: Mapping[str, Any],
    schemas: Mapping[str, Any],
    prefix: str,
    around: tuple[str, ...],
    depth: int,
    *,
    is_required: bool,
) -> Field:
    schema = _resolved(own, schemas)
    value, may_be_null = _without_null(schema, schemas)
    is_list = value.get("type") == "array"
    inner = _resolved(value["items"], schemas) if is_list else value
    scopes = tuple(own.get(SCOPES) or schema.get(SCOPES) or around)
    path = f"{prefix}{name}{'[]' if is_list else ''}"
    return Field(
        name=name,
        path=path,
        kind=_kind(schema | value, schemas),
        description=own.get("description") or schema.get("description") or value.get("description") or "",
        scopes=scopes,
        begins_scopes=scopes != around,
        may_be_null=may_be_null,
        is_required=is_required,
        choices=_choices(inner),
        children=tuple(_fields(inner, schemas, f"{path}.", scopes, depth + 1)),
        is_list=is_list,
        depth=depth,
        example=own.get("example", schema.get("example")),
    )


def _resolved(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a schema or, if it is a reference (`$ref`), the schema to which it refers."""
    if "$ref" in schema:
        return dict(schemas[schema["$ref"].rsplit("/", 1)[-1]])
    return dict(schema)


def _without_null(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """Returns the part of a schema that describes values other than null, and whether the schema also allows null."""
    choices = schema.get("anyOf") or schema.get("oneOf")
    if not choices:
        return dict(schema), False
    values = [_resolved(choice, schemas) for choice in choices if choice.get("type") != "null"]
    return (values[0] if values else {}), len(values) < len(choices)


def _choices(schema: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(choice) for choice in schema.get("enum", ()) if choice is not None)


def _kind(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    """Returns the type of a value in French words, such as `texte` or `liste de textes`."""
    if schema.get("type") == "array":
        item = _kind(_without_null(_resolved(schema.get("items", {}), schemas), schemas)[0], schemas)
        return f"liste de {PLURALS.get(item, item)}"
    if schema.get("format") in FORMATS:
        return FORMATS[schema["format"]]
    kinds = schema.get("type", "string")
    if isinstance(kinds, list):
        kinds = next((kind for kind in kinds if kind != "null"), "string")
    return KINDS.get(kinds, str(kinds))
