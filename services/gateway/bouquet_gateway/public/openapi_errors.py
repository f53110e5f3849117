"""Error responses in an OpenAPI document, by HTTP status, with bodies of the gateway as examples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from bouquet_gateway.errors.problems import (
    NO_PROVIDER_FAILURES,
    FailuresByReason,
    Problem,
    error_envelope,
    failure_of,
    render,
)
from bouquet_gateway.paths import Envelope
from bouquet_gateway.public.openapi_components import Components, Json
from bouquet_proto.offer import Authority

JSON = "application/json"
WITH_RETRY_AFTER = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE)
"""HTTP statuses of the errors that can have a header `Retry-After`."""
SAMPLE_VALUES = {"start": "01:10", "end": "02:30", "named": " (inconnue)"}
"""Sample values for the placeholders, such as `{start}`, in the examples of errors in the OpenAPI document."""


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
    "Link": _header("Opération de remplacement", "string"),
}
ON_EVERY_ANSWER = ("X-Request-Id",)
ON_THROTTLED = (*ON_EVERY_ANSWER, "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")


def text(**limits: Any) -> Json:
    return {"type": "string", **limits}


def object_schema(required: Iterable[str] = (), **properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": [*required]}


SCHEMAS: dict[Envelope, Json] = {
    "v3": {
        "ErrorsV3": object_schema(
            ("errors",), errors={"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/ErrorV3"}}
        ),
        "ErrorV3": object_schema(
            ("code", "title", "detail", "meta"),
            code=text(pattern="^[0-9]{5}$"),
            title=text(),
            detail=text(),
            source={"$ref": "#/components/schemas/ErrorSource"},
            meta={"$ref": "#/components/schemas/ErrorMeta"},
        ),
        "ErrorSource": object_schema(parameter=text(), header=text(), pointer=text()),
        "ErrorMeta": object_schema(provider=text(), retry_in={"type": "integer"}),
    },
    "v2": {
        "ErrorsV2": {
            "anyOf": [{"$ref": "#/components/schemas/ErrorV2"}, {"$ref": "#/components/schemas/ErrorTextsV2"}]
        },
        "ErrorV2": object_schema(("error", "reason", "message"), error=text(), reason=text(), message=text()),
        "ErrorTextsV2": object_schema(("errors",), errors={"type": "array", "items": text()}),
    },
}


def error_answers(
    reasons: Iterable[tuple[str, Authority]],
    path: str,
    components: Components,
    *,
    provider_failures: FailuresByReason = NO_PROVIDER_FAILURES,
    headers: Iterable[str] = ON_EVERY_ANSWER,
    more: str = "",
) -> Json:
    """Returns the OpenAPI responses for the errors of `path`, with examples, by HTTP status. `reasons` holds failure
    reasons such as `overloaded`, each with the authority that the error names.

    `provider_failures` are the provider's own failures, by reason. `headers` names the headers of each response. `more`
    is appended to each description.
    """
    examples: dict[int, dict[str, Json]] = defaultdict(dict)
    forms: dict[int, set[Envelope]] = defaultdict(set)
    for reason, authority in reasons:
        row, form = failure_of(reason, provider_failures), error_envelope((reason,), path)
        status, body = render(Problem(reason, authority=authority, values=SAMPLE_VALUES), provider_failures, form)
        example = {"summary": row.title, "value": msgspec.json.decode(body)}
        _add(examples[status], row.code_of(authority.prefix), example)
        forms[status].add(form)
    return {
        str(status): {
            "description": HTTPStatus(status).phrase + more,
            "headers": components.headers(
                HEADERS, (*headers, *(("Retry-After",) if status in WITH_RETRY_AFTER else ()))
            ),
            "content": {JSON: {"schema": _schema(forms[status], components), "examples": dict(examples[status])}},
        }
        for status in sorted(examples)
    }


def _schema(forms: set[Envelope], components: Components) -> Json:
    schemas = [components.schemas(SCHEMAS[form]) for form in sorted(forms)]
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _add(examples: dict[str, Json], code: str, example: Mapping[str, Any]) -> None:
    """Adds an example to `examples` under its error code. A second example of the same code is added as `00210 (2)`."""
    if example not in examples.values():
        already_there = sum(name.partition(" ")[0] == code for name in examples)
        examples[f"{code} ({already_there + 1})" if already_there else code] = dict(example)
