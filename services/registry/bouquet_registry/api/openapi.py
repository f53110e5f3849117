"""OpenAPI document of the registry's API, made from its routes and from the structs that they take and return."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct, structs

from bouquet_registry.api.errors import STATUSES, Errors, ServerErrors
from bouquet_registry.api.inputs import AUTHOR, MAX_HEADER, REASON
from bouquet_registry.api.route import Route

Json: TypeAlias = dict[str, Any]

VERSION = "1"
PATH = "/openapi.json"
REFERENCE = "#/components/schemas/{name}"
BY_SERVER = (400, 413)
"""HTTP statuses with which the HTTP server refuses a request itself, before any route receives the request."""
ALWAYS = (400, 401, 413, 500, 503)
"""HTTP statuses of the errors that every route may answer. `Route.refusals` adds the statuses of one route."""
DESCRIPTION = """Habilitations, tokens, acts and the access journal, for the operator's own programs: a portal, scripts.

Each route needs the shared secret of one of the API's clients as a bearer token, a client certificate, or both, as the
operator has set. Each act names its author and its reason in two headers. A change names the version of the record that
it is based on; if the record has another version now, the answer is 409 and shows the record and the acts since.
"""
OPEN_QUERY: Json = {
    "name": "attributes",
    "in": "query",
    "required": False,
    "style": "form",
    "explode": True,
    "schema": {"type": "object", "additionalProperties": {"type": "string"}},
    "description": "Attributes of the request, such as `intitule=Cantine&scopes[]=dss_enfants`. Others are ignored.",
}
"""OpenAPI description of a query string with arbitrary parameters, for routes with `Route.has_open_query`."""
ACT_HEADERS = {
    AUTHOR: "Person who acts, in UTF-8 or percent-encoded UTF-8.",
    REASON: "Reason of the act, in UTF-8 or percent-encoded UTF-8.",
}


def document(routes: Iterable[Route]) -> Json:
    """Returns the OpenAPI document that describes the routes."""
    known = tuple(routes)
    types = [
        *{id(kind): kind for route in known for kind in (route.answers, *_body(route))}.values(),
        Errors,
        ServerErrors,
    ]
    schemas, components = msgspec.json.schema_components(types, ref_template=REFERENCE)
    schema_of = {id(kind): schema for kind, schema in zip(types, schemas, strict=True)}
    paths: Json = {}
    for route in known:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schema_of, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Bouquet registry", "version": VERSION, "description": DESCRIPTION},
        "security": [{"secret": []}],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": {"secret": {"type": "http", "scheme": "bearer"}}},
    }


def _body(route: Route) -> tuple[type[Struct], ...]:
    return (route.takes,) if route.takes is not None and route.method != "GET" else ()


def _operation(route: Route, schema_of: dict[int, Json], components: Json) -> Json:
    made: Json = {"operationId": route.name, "summary": route.summary}
    parameters = [*_path_parameters(route), *_query_parameters(route, components), *_act_headers(route)]
    if parameters:
        made["parameters"] = parameters
    for body in _body(route):
        made["requestBody"] = {"required": True, "content": _content(schema_of[id(body)])}
    refusals = sorted({*ALWAYS, *route.refusals, *((422,) if route.takes or route.is_act else ())})
    made["responses"] = {
        str(route.status): {"description": "Done.", "content": _content(schema_of[id(route.answers)])},
        **{str(status): _refusal(status, schema_of) for status in refusals},
    }
    return made


def _content(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _refusal(status: int, schema_of: dict[int, Json]) -> Json:
    kinds = (Errors, ServerErrors) if status in BY_SERVER else (Errors,)
    schema = {"anyOf": [schema_of[id(kind)] for kind in kinds]}
    codes = ", ".join(f"`{code}`" for code, its_status in STATUSES.items() if its_status == status)
    return {"description": f"Refused: {codes}.", "content": _content(schema)}


def _path_parameters(route: Route) -> list[Json]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", route.path)
    ]


def _query_parameters(route: Route, components: Json) -> list[Json]:
    """Returns the OpenAPI parameters in the query string of a GET route, and adds their schemas to `components`.
    Returns an empty list for other methods."""
    parameters = [OPEN_QUERY] if route.has_open_query else []
    if route.takes is None or route.method != "GET":
        return parameters
    for field in structs.fields(route.takes):
        [schema], found = msgspec.json.schema_components([field.type], ref_template=REFERENCE)
        components |= found
        parameters.append(
            {"name": field.encode_name, "in": "query", "required": field.required, "schema": _not_null(schema)}
        )
    return parameters


def _not_null(schema: Json) -> Json:
    if "anyOf" in schema:
        [schema] = [one for one in schema["anyOf"] if one != {"type": "null"}]
    return {name: value for name, value in schema.items() if name != "enum"} | (
        {"enum": [value for value in schema["enum"] if value is not None]} if "enum" in schema else {}
    )


def _act_headers(route: Route) -> list[Json]:
    schema = {"type": "string", "minLength": 1, "maxLength": MAX_HEADER, "pattern": "[A-Za-z0-9]"}
    return [
        {"name": name, "in": "header", "required": True, "description": description, "schema": schema}
        for name, description in ACT_HEADERS.items()
        if route.is_act
    ]
