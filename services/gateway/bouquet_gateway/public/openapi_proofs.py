"""Descriptions, in the OpenAPI document, of proofs: encrypted texts that show later what an answer said."""

from __future__ import annotations

from collections.abc import Mapping

from bouquet_gateway.errors.nomenclature import DOCUMENT_REASONS, PROOF_REASONS
from bouquet_gateway.offers.catalogue import ServedOperation
from bouquet_gateway.paths import PROOF_DOCUMENT, PROOFS
from bouquet_gateway.proofs.json import ENTRY_STATE_NAMES
from bouquet_gateway.proofs.proofs import DOCUMENT_PARAMETER, PDF, PROOF_ONLY, PROOF_PARAMETER
from bouquet_gateway.public.openapi_components import Components, Json
from bouquet_gateway.public.openapi_errors import object_schema, text
from bouquet_gateway.public.openapi_platform import answer, described, errors_at

TAG = "Preuves"
TAGS = {TAG: "Les preuves d'une réponse, que chacun peut vérifier pendant cinq ans"}
HEADER: Json = {
    "name": "X-Generate-Proof",
    "in": "header",
    "required": False,
    "description": "`proof-only` : `meta.verification_url` et `meta.verification_code` donnent une preuve de la "
    f"réponse, que [`{PROOFS}`]({PROOFS}) vérifie pendant cinq ans ; `pdf` : en plus, `links.attestation_pdf` est un "
    "document, jusqu'à `meta.attestation_pdf_url_expires_at` ; la réponse ne provient pas du cache",
    "schema": {"type": "string", "enum": [PROOF_ONLY, PDF]},
}
SCHEMAS: Json = {
    "ProofVerification": object_schema(
        ("data", "links", "meta"),
        data={"$ref": "#/components/schemas/ProofContent"},
        links={"type": "object"},
        meta={"type": "object"},
    ),
    "ProofContent": object_schema(
        (
            *("operation", "titre", "source", "verification_code", "siret_demandeur", "emise_le"),
            *("valable_jusqu_au", "entree_journal", "etat_entree_journal", "donnees_de_test", "sections"),
        ),
        operation=text(description="Opération qui a répondu"),
        titre=text(),
        source=text(description="Fournisseur de la donnée"),
        verification_code=text(pattern="^[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{2}$"),
        siret_demandeur=text(description="SIRET de l'administration destinataire de la réponse"),
        emise_le=text(format="date"),
        valable_jusqu_au=text(format="date"),
        entree_journal={
            "description": "Entrée du journal des accès, `null` sur une passerelle sans journal",
            "anyOf": [text(), {"type": "null"}],
        },
        etat_entree_journal={
            "description": "Si le journal des accès a cette entrée : `plus_conservee` après sa durée de conservation, "
            "`absente` si elle n'y est pas encore, ou n'y est plus ; `inconnu` si le journal ne répond pas",
            "anyOf": [text(enum=list(ENTRY_STATE_NAMES.values())), {"type": "null"}],
        },
        donnees_de_test={"type": "boolean", "description": "Document sans valeur, d'un bac à sable"},
        sections={"type": "array", "items": {"$ref": "#/components/schemas/ProofPart"}},
    ),
    "ProofPart": object_schema(
        ("titre", "entrees"),
        titre=text(),
        entrees={
            "type": "array",
            "description": "Une liste de lignes par personne ou objet décrit",
            "items": {"type": "array", "items": {"$ref": "#/components/schemas/ProofRow"}},
        },
    ),
    "ProofRow": object_schema(("libelle", "valeur"), libelle=text(), valeur=text()),
}


def add_header(operations: Mapping[str, Json], by_path: Mapping[str, tuple[ServedOperation, ...]]) -> None:
    """Adds the header `X-Generate-Proof` to the OpenAPI description of each operation for which callers can request a
    proof. `operations` holds the descriptions by path."""
    for path, modalities in by_path.items():
        if any(served.operation.proof for served in modalities):
            operations[path]["get"]["parameters"].append(HEADER)


def paths(components: Components) -> Json:
    """Returns the OpenAPI paths of the two endpoints for proofs: verification, and download as a PDF file."""
    valid = answer("La preuve est authentique", components.schemas(SCHEMAS), components)
    valid["content"]["text/html"] = {"schema": text()}
    file: Json = {"description": "Le document", "content": {"application/pdf": {"schema": {}}}}
    return {
        PROOFS: described(
            "proof_verification",
            TAG,
            "Ce que dit une preuve, en JSON ou, avec `Accept: text/html`, en une page",
            {"200": valid},
            errors_at(PROOFS, components, ("too_many_requests", *PROOF_REASONS)),
            parameters=[_parameter(PROOF_PARAMETER, "La preuve, telle que `meta.verification_url` la contient")],
        ),
        PROOF_DOCUMENT: described(
            "proof_document",
            TAG,
            "Le document d'une preuve, pendant cinq minutes",
            {"200": file},
            errors_at(PROOF_DOCUMENT, components, ("too_many_requests", "overloaded", *DOCUMENT_REASONS)),
            parameters=[_parameter(DOCUMENT_PARAMETER, "Le document, tel que `links.attestation_pdf` le contient")],
        ),
    }


def _parameter(name: str, description: str) -> Json:
    return {"name": name, "in": "query", "required": True, "description": description, "schema": text()}
