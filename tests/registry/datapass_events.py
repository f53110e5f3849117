"""Events of DataPass in its formats v1 and v2."""

from __future__ import annotations

import json
from typing import Any

from bouquet_mesh.secret import Secret
from bouquet_registry.webhook_signature import HEADER, signature_of
from tests.support.habilitations import SIRET

SECRET = Secret("the secret that DataPass shares with us")
V1 = "/api/datapass/api_particulier/webhook"
V2 = "/api/datapass/v2/api_particulier/webhook"
APPLICANT = {"id": 1, "email": "anne@mairie.example", "given_name": "Anne", "family_name": "DURANT"}


def v1(event: str, fired_at: float, **own: Any) -> bytes:
    habilitation = {
        "id": 4242,
        "public_id": "a-b-c",
        "intitule": "Cantine",
        "description": "Tarifs",
        "demarche": "qf",
        "siret": SIRET,
        "status": "validated" if event in ("approve", "validate") else "draft",
        "copied_from_enrollment_id": None,
        "scopes": {"dss_quotient_familial": True, "dss_allocataires": False, "dss_enfants": True},
        "team_members": [
            {
                "id": 1,
                "type": "demandeur",
                "email": "anne@mairie.example",
                "given_name": "Anne",
                "family_name": "DURANT",
            },
            {"id": 2, "type": "responsable_technique", "email": "si@mairie.example"},
            {"id": 3, "type": "delegue_protection_donnees", "email": "dpo@mairie.example"},
            {"id": 4, "type": "contact_metier", "email": None},
        ],
        "service_provider": None,
    }
    return json.dumps(
        {"event": event, "model_type": "Pass", "fired_at": fired_at, "data": {"pass": habilitation | own}}
    ).encode()


def v2(
    event: str,
    fired_at: float,
    *,
    model_id: int = 4242,
    state: str = "draft",
    form_uid: str = "api-particulier",
    siret: str = SIRET,
    service_provider: Any = None,
    applicant: Any = APPLICANT,
    **own: Any,
) -> bytes:
    form = {
        "intitule": "Cantine",
        "description": "Tarifs",
        "scopes": ["dss_quotient_familial", "dss_enfants"],
        "contact_metier_email": "metier@mairie.example",
        "contact_technique_email": "si@mairie.example",
        "contact_technique_given_name": "Zoé",
        "contact_technique_family_name": "MARTIN",
    }
    data = {
        "public_id": "a-b-c",
        "state": state,
        "form_uid": form_uid,
        "organization": {"id": 7, "siret": siret},
        "service_provider": service_provider,
        "applicant": applicant,
        "data": form | own,
    }
    told = {
        "event": event,
        "model_type": "authorization_request/api_particulier",
        "model_id": model_id,
        "fired_at": fired_at,
        "data": data,
    }
    return json.dumps(told).encode()


def signed(body: bytes, secret: Secret = SECRET) -> dict[str, str]:
    return {HEADER: signature_of(secret, body), "Content-Type": "application/json"}
