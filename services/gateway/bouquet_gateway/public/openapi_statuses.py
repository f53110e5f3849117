"""The statuses in the OpenAPI document (http-contract §5.3): beside the data, and without a token."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias, get_args

from bouquet_gateway.public.health_window import State

Json: TypeAlias = dict[str, Any]

TAG = "Disponibilité"
MOMENT: Json = {"type": "string", "format": "date-time"}
STATUS: Json = {
    "type": "object",
    "required": ["status", "last_update"],
    "properties": {
        "status": {"enum": list(get_args(State))},
        "last_update": MOMENT,
        "last_ok_status": {
            "description": "Dernier appel abouti, nul s'il n'y en a pas eu depuis le démarrage",
            "anyOf": [MOMENT, {"type": "null"}],
        },
        "until": {"description": "Fin de la maintenance", **MOMENT},
    },
}
PING: Json = {
    "type": "object",
    "required": ["name", "url"],
    "properties": {"name": {"type": "string"}, "url": {"type": "string", "format": "uri-reference"}},
}


def paths(names: Iterable[str]) -> Json:
    """`names`: of the resources that have a status."""
    status = {"name": "status", "in": "path", "required": True, "schema": {"type": "string", "enum": sorted(names)}}
    return {
        "/api/ping": _get("ping", "La passerelle répond", {"200": _answer("Elle répond", {"const": "pong"})}),
        "/api/pings": _get(
            "pings",
            "Les ressources dont l'état est suivi",
            {"200": _answer("Leur nom, et où le lire", {"type": "array", "items": PING})},
        ),
        "/api/{status}/ping": _get(
            "ping_resource",
            "L'état d'une ressource, d'après les appels des dix dernières minutes",
            {
                "200": _answer("En service, en maintenance annoncée, ou inconnu faute d'appels", STATUS),
                "502": _answer("Un appel sur dix au moins a échoué", STATUS),
                "404": _answer("Aucune ressource de ce nom", {"type": "object"}),
            },
        )
        | {"parameters": [status]},
    }


def _get(id: str, summary: str, responses: Json) -> Json:
    return {"get": {"operationId": id, "summary": summary, "tags": [TAG], "security": [], "responses": responses}}


def _answer(description: str, schema: Json) -> Json:
    return {"description": description, "content": {"application/json": {"schema": schema}}}
