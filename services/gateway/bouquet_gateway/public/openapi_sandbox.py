"""Descriptions, in the OpenAPI document, of a sandbox's endpoints: list of test cases, check of a proposed test case,
and tokens with fewer scopes."""

from __future__ import annotations

from bouquet_gateway.errors.nomenclature import TOKEN_REASONS
from bouquet_gateway.paths import SANDBOX_CASES, SANDBOX_CHECK, SANDBOX_TOKENS
from bouquet_gateway.public.openapi_components import Components, Json
from bouquet_gateway.public.openapi_errors import JSON, object_schema, text
from bouquet_gateway.public.openapi_platform import BEARER, answer, described, errors_at

SANDBOX = "Bac à sable"
TAGS = {SANDBOX: "Les cas enregistrés, que seul le bac à sable propose"}
TEXTS: Json = {"type": "array", "items": text()}
ASKED: Json = {
    "type": "object",
    "description": "Paramètres de l'appel, à envoyer tels quels, avec un `recipient` quelconque",
    "additionalProperties": {"anyOf": [text(), TEXTS]},
}
PERSON: Json = {
    "description": text(),
    "person": text(description="Nom de la personne inventée"),
    "family": text(description="Nom de sa famille"),
}
CASE: Json = {
    "RecordedCase": object_schema(
        ("id", "operation_id", "status", "payload"),
        id=text(),
        operation_id=text(),
        status={"type": "integer"},
        payload={"type": "object", "description": "Corps de la réponse à un appelant qui a tous les scopes"},
        **PERSON,
        parameters=ASKED,
        sessions={**TEXTS, "description": "Jetons FranceConnect qui obtiennent ce cas"},
        is_default={"type": "boolean", "description": "Le cas répond à tout appel qui n'en a pas d'autre"},
        code=text(description="Code de l'erreur, s'il y en a une"),
    ),
}
CASES: Json = {
    "SandboxCases": object_schema(
        ("cases", "errors", "sessions"),
        cases={"type": "array", "items": {"$ref": "#/components/schemas/RecordedCase"}},
        errors={"type": "array", "items": {"$ref": "#/components/schemas/SimulatedErrors"}},
        sessions={"type": "array", "items": {"$ref": "#/components/schemas/SimulatedSession"}},
    ),
    **CASE,
    "SimulatedErrors": object_schema(
        ("operation_id", "errors"),
        operation_id=text(),
        parameters=ASKED,
        errors={"type": "array", "items": {"$ref": "#/components/schemas/SimulatedError"}},
    ),
    "SimulatedError": object_schema(
        ("code", "status"),
        code=text(),
        status={"type": "integer"},
        parameters={**ASKED, "description": "Paramètres qui nomment le code, à joindre à ceux de l'opération"},
        session=text(description="Jeton FranceConnect qui nomme le code"),
    ),
    "SimulatedSession": object_schema(("token", "scopes"), token=text(), scopes=TEXTS, **PERSON),
}
REPORT: Json = {
    "CaseReport": object_schema(
        ("faults",),
        faults={"type": "array", "items": {"$ref": "#/components/schemas/CaseFault"}},
        case={"$ref": "#/components/schemas/RecordedCase"},
    ),
    "CaseFault": object_schema(
        ("message",),
        message=text(),
        path=text(description="Endroit de la faute, comme `params.nomNaissance`"),
        line={"type": "integer", "description": "Ligne de la faute, à partir de 1"},
    ),
    **CASE,
}
TOKEN: Json = {
    "SandboxToken": object_schema(
        ("token", "expires_at", "scopes"),
        token=text(),
        expires_at={"type": "integer", "description": "Fin de validité, en secondes depuis 1970"},
        scopes=TEXTS,
    )
}
OPERATION_ID: Json = {
    "name": "operation_id",
    "in": "query",
    "required": True,
    "description": "Opération à laquelle le cas est destiné, par son `operationId`, ou `france_connect`",
    "schema": text(),
}


def paths(components: Components) -> Json:
    """Returns the OpenAPI paths of a sandbox's endpoints."""
    return {
        SANDBOX_CASES: described(
            "sandbox_cases",
            SANDBOX,
            "Les cas du bac à sable, et les erreurs qu'il simule",
            {"200": answer("Tous les cas", components.schemas(CASES), components)},
            errors_at(SANDBOX_CASES, components, ("bus_unavailable",)),
        ),
        SANDBOX_CHECK: described(
            "sandbox_check",
            SANDBOX,
            "Les fautes d'un cas proposé, qui n'est ni gardé ni journalisé",
            {"200": answer("Les fautes, et le cas s'il est lisible", components.schemas(REPORT), components)},
            errors_at(SANDBOX_CHECK, components, (*TOKEN_REASONS, "unknown_operation", "bus_unavailable")),
            security=[BEARER],
            parameters=[OPERATION_ID],
            body={
                "required": True,
                "description": "Fichier du cas, de 64 Kio au plus",
                "content": {"application/yaml": {"schema": text()}},
            },
        ),
        SANDBOX_TOKENS: described(
            "sandbox_token",
            SANDBOX,
            "Un jeton qui a moins de scopes, valable un jour au plus",
            {"200": answer("Le jeton", components.schemas(TOKEN), components)},
            errors_at(SANDBOX_TOKENS, components, TOKEN_REASONS),
            security=[BEARER],
            body={"required": True, "content": {JSON: {"schema": object_schema(("scopes",), scopes=TEXTS)}}},
        ),
    }
