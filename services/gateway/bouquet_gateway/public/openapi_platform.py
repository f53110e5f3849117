"""Descriptions, in the OpenAPI document, of the gateway's own endpoints, such as the health of resources and the list
of errors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

from bouquet_gateway.errors.nomenclature import DELEGATION_REASONS, RECIPIENT, TOKEN_REASONS, TRANSPORT_REASONS
from bouquet_gateway.errors.problems import PLATFORM_ITSELF
from bouquet_gateway.public.health_window import State
from bouquet_gateway.public.openapi_components import Components, Json
from bouquet_gateway.public.openapi_errors import HEADERS, JSON, ON_EVERY_ANSWER, error_answers, object_schema, text

HEALTH, ACCESS, EDITORS, ERRORS = "Statuts", "Jeton", "Éditeurs", "Erreurs"
TAGS = {
    HEALTH: "L'état des ressources, calculé d'après les appels",
    ACCESS: "Ce que le jeton de l'appelant permet",
    EDITORS: "Les habilitations déléguées à un éditeur de logiciels",
    ERRORS: "Toutes les erreurs que les opérations peuvent renvoyer",
}
MOMENT: Json = text(format="date-time")


def _or_null(schema: Json, description: str) -> Json:
    return {"description": description, "anyOf": [schema, {"type": "null"}]}


STATUS: Json = {
    "ResourceStatus": object_schema(
        ("status", "last_update"),
        status={"enum": list(get_args(State))},
        last_update=MOMENT,
        last_ok_status=_or_null(
            MOMENT, "Date du dernier appel abouti, `null` s'il n'y en a pas eu depuis le démarrage"
        ),
        until={"description": "Fin de la maintenance", **MOMENT},
    )
}
PING: Json = {"WatchedResource": object_schema(("name", "url"), name=text(), url=text(format="uri-reference"))}
INTROSPECTION: Json = {
    "Introspection": object_schema(
        ("_id", "name", "scopes"),
        _id=text(description="Identifiant du jeton"),
        name=text(description="Toujours vide"),
        scopes={"type": "array", "items": text()},
    )
}
TOKEN_INTROSPECTION: Json = {
    "TokenIntrospection": object_schema(
        ("data", "links", "meta"),
        data={"$ref": "#/components/schemas/DescribedToken"},
        links={"$ref": "#/components/schemas/TokenLinks"},
        meta={"type": "object"},
    ),
    "DescribedToken": object_schema(
        (
            *("id", "type", "scopes", "datapass_id", "siret_souscripteur", "date_emission", "date_expiration"),
            *("rate_limit_par_minute", "delegation"),
        ),
        id=text(description="Identifiant du jeton"),
        type=text(enum=["standard", "editeur"], description="Jeton d'une habilitation, ou d'un éditeur"),
        scopes={"type": "array", "items": text()},
        datapass_id=_or_null(text(), "Identifiant de l'habilitation dans DataPass"),
        siret_souscripteur=text(description="SIRET du titulaire de l'habilitation ; sans délégation, de l'éditeur"),
        date_emission=_or_null(MOMENT, "Émission du jeton"),
        date_expiration=MOMENT,
        rate_limit_par_minute=_or_null(
            {"type": "integer"}, "Nombre d'appels par minute de l'habilitation, si elle a une limite à elle"
        ),
        delegation=_or_null(
            {"$ref": "#/components/schemas/DelegationInUse"}, "Délégation à l'éditeur, si l'appel a un `recipient`"
        ),
    ),
    "DelegationInUse": object_schema(
        ("id", "siret_delegant"), id=text(format="uuid"), siret_delegant=text(description="SIRET du titulaire")
    ),
    "TokenLinks": object_schema(
        ("datapass",), datapass=_or_null(text(format="uri"), "Page de l'habilitation dans DataPass")
    ),
}
DELEGATIONS: Json = {
    "Delegations": object_schema(
        ("data", "meta"),
        data={"type": "array", "items": {"$ref": "#/components/schemas/Delegation"}},
        meta={"$ref": "#/components/schemas/DelegationsPage"},
    ),
    "Delegation": object_schema(
        ("id", "siret", "intitule", "scopes", "statut", "created_at", "authorization_request_id"),
        id=text(format="uuid", description="Valeur du paramètre `delegation_id`"),
        siret=text(description="SIRET du titulaire, valeur du paramètre `recipient`"),
        intitule=text(),
        scopes={"type": "array", "items": text()},
        statut={"type": "string", "enum": ["active", "revoked"]},
        created_at=MOMENT,
        authorization_request_id=_or_null(text(), "Identifiant de l'habilitation dans DataPass"),
    ),
    "DelegationsPage": object_schema(
        ("page", "per_page", "total", "total_pages"),
        **{name: {"type": "integer"} for name in ("page", "per_page", "total", "total_pages")},
    ),
}
BY_STATUS: Json = {
    "type": "object",
    "description": "Par statut HTTP",
    "additionalProperties": {"type": "array", "items": {"$ref": "#/components/schemas/KnownError"}},
}
FAULT: Json = {"type": "string", "enum": ["caller", "platform", "provider"], "description": "Responsable de l'erreur"}
RETRY: Json = {"type": "boolean", "description": "Le même appel peut aboutir plus tard"}
NOMENCLATURE: Json = {
    "KnownErrors": object_schema(
        ("api", "providers", "generic_subcodes", "platform_codes", "endpoints"),
        api=text(),
        providers={
            "type": "object",
            "description": "Nom du fournisseur, par les deux premiers chiffres de ses codes",
            "additionalProperties": text(),
        },
        generic_subcodes={
            "type": "object",
            "description": "Signification des trois derniers chiffres, quel que soit le fournisseur",
            "additionalProperties": {"$ref": "#/components/schemas/KnownSubcode"},
        },
        platform_codes=BY_STATUS,
        endpoints={
            "type": "object",
            "description": "Par `operationId`",
            "additionalProperties": {"$ref": "#/components/schemas/KnownErrorsOfOperation"},
        },
    ),
    "KnownErrorsOfOperation": object_schema(("provider", "errors"), provider=text(), errors=BY_STATUS),
    "KnownSubcode": object_schema(("title",), title=text(), detail=text()),
    "KnownError": object_schema(
        ("code", "title", "detail", "fault", "retry"),
        code=text(pattern="^[0-9]{5}$"),
        title=text(),
        detail=text(),
        fault=FAULT,
        retry=RETRY,
        meta={"$ref": "#/components/schemas/ErrorMeta"},
        other_causes={"type": "array", "items": {"$ref": "#/components/schemas/ErrorCause"}},
    ),
    "ErrorCause": object_schema(("detail", "fault", "retry"), detail=text(), fault=FAULT, retry=RETRY),
}


BEARER = "jwt_bearer_token"
"""Name of the OpenAPI security scheme for a token sent as `Authorization: Bearer`."""


def paths(monitored: Iterable[str], components: Components, security: Iterable[str]) -> Json:
    """Returns the OpenAPI paths of the gateway's own endpoints, and adds their schemas to `components`. `monitored` has
    the names of the resources whose health `/api/{status}/ping` shows, `security` the names of the security schemes."""
    return _health(monitored, components) | {
        "/api/introspect": described(
            "introspect",
            ACCESS,
            "Les scopes du jeton",
            {"200": answer("Le jeton est valide", components.schemas(INTROSPECTION), components)},
            errors_at("/api/introspect", components, TOKEN_REASONS),
            security=security,
        ),
        "/v3/token/introspect": described(
            "token_introspect",
            ACCESS,
            "Le jeton : ses scopes, sa fin, son habilitation et sa limite",
            {"200": answer("Le jeton est valide", components.schemas(TOKEN_INTROSPECTION), components)},
            errors_at("/v3/token/introspect", components, (*TOKEN_REASONS, RECIPIENT, *DELEGATION_REASONS)),
            security=security,
            parameters=[
                _query("recipient", text(), "SIRET du titulaire pour qui appelle un éditeur, facultatif"),
                _query("delegation_id", text(format="uuid"), "Délégation à l'éditeur, s'il y en a plusieurs"),
            ],
        ),
        "/editeur/api/v1/delegations": described(
            "delegations",
            EDITORS,
            "Les délégations à l'éditeur dont c'est le jeton, les plus récentes d'abord, révoquées comprises",
            {"200": answer("Une page de délégations", components.schemas(DELEGATIONS), components)},
            errors_at("/editeur/api/v1/delegations", components, TOKEN_REASONS),
            security=[BEARER],
            parameters=[
                _query("page", {"type": "integer"}, "Numéro de la page, à partir de 1"),
                _query("per_page", {"type": "integer"}, "Nombre de délégations par page, 50 par défaut, 100 au plus"),
            ],
        ),
        "/api/errors": described(
            "errors",
            ERRORS,
            "La liste des erreurs, complète ou pour une opération",
            {
                "200": answer(
                    "Erreurs de la plateforme et de chaque opération",
                    components.schemas(NOMENCLATURE),
                    components,
                )
            },
            errors_at("/api/errors", components, ("unknown_operation",)),
            parameters=[
                {
                    "name": "operation_id",
                    "in": "query",
                    "required": False,
                    "description": "Une opération, par son `operationId`",
                    "schema": text(),
                }
            ],
        ),
    }


def _query(name: str, schema: Json, description: str) -> Json:
    """Returns the OpenAPI description of an optional query parameter."""
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


def _health(monitored: Iterable[str], components: Components) -> Json:
    names = {"type": "string", "enum": sorted(monitored)} if monitored else text()
    status = {
        "name": "status",
        "in": "path",
        "required": True,
        "description": "Nom d'une ressource, selon `/api/pings`",
        "schema": names,
    }
    resource_status = components.schemas(STATUS)
    return {
        "/api/ping": described(
            "ping",
            HEALTH,
            "La passerelle répond",
            {"200": answer("La passerelle répond", {"const": "pong"}, components)},
            errors_at("/api/ping", components),
        ),
        "/api/pings": described(
            "pings",
            HEALTH,
            "Les ressources dont l'état est suivi",
            {
                "200": answer(
                    "Leur nom, et où le lire", {"type": "array", "items": components.schemas(PING)}, components
                )
            },
            errors_at("/api/pings", components),
        ),
        "/api/{status}/ping": described(
            "ping_resource",
            HEALTH,
            "L'état d'une ressource, d'après les appels des dix dernières minutes",
            {
                "200": answer(
                    "En service, en maintenance annoncée, ou inconnu faute d'appels en nombre suffisant",
                    resource_status,
                    components,
                ),
                "404": answer("Aucune ressource de ce nom", {"type": "object"}, components),
                "502": answer(
                    "Au moins un appel sur dix a échoué, sur dix appels ou plus", resource_status, components
                ),
            },
            errors_at("/api/{status}/ping", components),
            parameters=[status],
        ),
    }


def described(
    id: str,
    tag: str,
    summary: str,
    answers: Json,
    errors: Json,
    *,
    security: Iterable[str] = (),
    parameters: Iterable[Json] = (),
    body: Json | None = None,
) -> Json:
    """Returns the OpenAPI item of a path with one operation: a POST if `body` describes a body, else a GET. `answers`
    and `errors` are the responses by HTTP status. `security` names the security schemes; empty if callers need no
    token."""
    return {
        "get" if body is None else "post": {
            "operationId": id,
            "summary": summary,
            "description": f"{summary}." + ("" if security else " Sans jeton."),
            "tags": [tag],
            "security": [{scheme: []} for scheme in security],
            "parameters": [*parameters],
            **({} if body is None else {"requestBody": body}),
            "responses": dict(sorted((errors | answers).items())),
        }
    }


def answer(description: str, schema: Any, components: Components) -> Json:
    return {
        "description": description,
        "headers": components.headers(HEADERS, ON_EVERY_ANSWER),
        "content": {JSON: {"schema": schema}},
    }


def errors_at(path: str, components: Components, reasons: Iterable[str] = ()) -> Json:
    return error_answers([(reason, PLATFORM_ITSELF) for reason in (*TRANSPORT_REASONS, *reasons)], path, components)
