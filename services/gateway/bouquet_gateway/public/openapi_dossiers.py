"""Description, in the OpenAPI document, of the endpoint for dossiers (several lookups in one request)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import get_args

from bouquet_gateway.dossiers.plan import MAX_PERSONS
from bouquet_gateway.dossiers.read import CIVIL_STATUS, IDENTIFIERS, MAX_PARTS
from bouquet_gateway.dossiers.result import Status
from bouquet_gateway.errors.nomenclature import DELEGATION_REASONS, DOSSIER_REASONS, RECIPIENT, TOKEN_REASONS
from bouquet_gateway.offers.catalogue import ServedOperation
from bouquet_gateway.paths import DOSSIERS, V2, split
from bouquet_gateway.public.openapi_components import Components, Json
from bouquet_gateway.public.openapi_errors import JSON, SCHEMAS, object_schema, text
from bouquet_gateway.public.openapi_platform import answer, described, errors_at
from bouquet_proto.offer import Operation
from bouquet_proto.rules import RULES

TAG = "Dossiers"
TAGS = {TAG: "Plusieurs ressources d'un foyer en un appel"}
DESCRIPTION = (
    f"Plusieurs ressources d'une personne en un appel, {MAX_PARTS} au plus, et une ressource pour chaque personne "
    f"d'une liste (`for_each`), {MAX_PERSONS} au plus. Chacune porte ce que l'appel seul aurait donné. Avec "
    "`Accept: application/x-ndjson`, une ligne par ressource dès qu'elle est connue, puis `meta`"
)
PART_NAME = text(pattern="^[a-z][a-z0-9_]{0,31}$")
ANYTHING: Json = {"type": "object", "additionalProperties": True}


def paths(by_path: Mapping[str, tuple[ServedOperation, ...]], components: Components, security: Iterable[str]) -> Json:
    """Returns the OpenAPI path of the endpoint for dossiers (several lookups in one request), and adds its schemas to
    `components`. `security` holds the names of the security schemes.

    Returns an empty dict if there are only operations of version 2, which dossiers cannot use.
    """
    operations = [served.operation for modalities in by_path.values() for served in modalities]
    operations = [operation for operation in operations if split(operation.path)[1] != V2]
    if not operations:
        return {}
    reasons = (*TOKEN_REASONS, RECIPIENT, *DELEGATION_REASONS, *DOSSIER_REASONS)
    return {
        DOSSIERS: described(
            "dossiers",
            TAG,
            DESCRIPTION,
            {"200": answer("Chaque ressource, sous son nom", components.schemas(_answers()), components)},
            errors_at(DOSSIERS, components, reasons),
            security=security,
            body={"required": True, "content": {JSON: {"schema": components.schemas(_requests(operations))}}},
        )
    }


def _requests(operations: list[Operation]) -> Json:
    fields = dict(_fields(operations))
    civil_status = {name: fields[field] for name, field in CIVIL_STATUS.items() if field in fields}
    identifiers = {name: fields[field] for name, field in IDENTIFIERS.items() if field in fields}
    lists = sorted({people.at for operation in operations for people in operation.people if people.at})
    named = sorted({_resource(operation) for operation in operations})
    modalities = sorted({operation.modality for operation in operations})
    versions = sorted({split(operation.path)[1] for operation in operations})
    return {
        "Dossier": object_schema(
            ("recipient", "resources"),
            recipient=text(pattern="^[0-9]{14}$", description="SIRET de l'administration destinataire des données"),
            delegation_id=text(description="Délégation au nom de laquelle un éditeur appelle"),
            identite={"$ref": "#/components/schemas/DossierIdentite"},
            **identifiers,
            resources={
                "type": "object",
                "minProperties": 1,
                "maxProperties": MAX_PARTS,
                "additionalProperties": {"$ref": "#/components/schemas/DossierResource"},
                "description": "Les ressources, chacune sous un nom de votre choix, de la forme "
                f"`{PART_NAME['pattern']}`",
            },
        ),
        "DossierIdentite": {"description": "État civil", **object_schema(**civil_status)},
        "DossierResource": object_schema(
            ("operation",),
            operation={"type": "string", "enum": named, "description": "Chemin, sans version ni modalité"},
            version={
                "type": "integer",
                "enum": versions,
                "description": "À défaut, la plus récente qui n'est pas dépréciée",
            },
            modality={
                "type": "string",
                "enum": modalities,
                "description": "À défaut, la seule de l'opération, ou `identite`",
            },
            parameters={**ANYTHING, "description": "Paramètres de cette ressource seule, sous leur nom de l'opération"},
            for_each=text(
                description="Nom d'une autre ressource et, après un point, champ où elle liste des personnes : "
                + ", ".join(f"`{path}`" for path in lists)
            ),
            **{"with": {"$ref": "#/components/schemas/DossierIdentite"}},
        ),
    }


def _answers() -> Json:
    call = {
        "status": {"type": "string", "enum": list(get_args(Status))},
        "data": {**ANYTHING, "description": "`data` de l'appel seul"},
        "errors": {"type": "array", "items": {"$ref": "#/components/schemas/ErrorV3"}},
        "meta": {**ANYTHING, "description": "`meta` de l'appel seul, s'il n'est pas vide"},
        "provider": text(description="Qui a répondu"),
        "obtained_at": text(format="date-time"),
        "cached": {"type": "boolean"},
        "retry_in": {"type": "integer", "description": "Secondes à attendre avant un nouvel appel"},
    }
    return {
        "DossierAnswer": object_schema(
            ("data", "links", "meta"),
            data={"type": "object", "additionalProperties": {"$ref": "#/components/schemas/DossierPart"}},
            links=ANYTHING,
            meta={"$ref": "#/components/schemas/DossierMeta"},
        ),
        "DossierPart": object_schema(
            **call,
            parts={
                "type": "array",
                "items": {"$ref": "#/components/schemas/DossierCall"},
                "description": "Pour un `for_each`, une réponse par personne, dans l'ordre de la liste",
            },
        ),
        "DossierCall": object_schema(("status",), **call),
        "DossierMeta": object_schema(
            ("complete", "duration_ms"),
            complete={"type": "boolean", "description": "Chaque statut est `found` ou `not_found`"},
            duration_ms={"type": "integer"},
        ),
        **SCHEMAS["v3"],
    }


def _fields(operations: Iterable[Operation]) -> Iterator[tuple[str, Json]]:
    """Yields the parameters about a person that the operations read: canonical name (such as `nom_naissance`), and JSON
    schema with description."""
    for check in (check for operation in operations for stage in operation.checks for check in stage):
        for name, field in RULES[check.rule].fields.items():
            yield name, {"description": field.description, **field.schema}


def _resource(operation: Operation) -> str:
    resource, _ = split(operation.path)
    return resource.rpartition("/")[0]
