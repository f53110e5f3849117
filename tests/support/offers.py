"""Offer of the fictitious provider ACME: one operation in version 3 and one in version 2."""

from __future__ import annotations

from typing import Any

from msgspec import Raw, Struct

from bouquet_mesh.bus.api import Handler
from bouquet_proto.failures import PERIMETER, Failure, Kind
from bouquet_proto.messages import Found, Reply, Request, encode
from bouquet_proto.offer import Authority, Offer, Operation, Retirement, operation
from bouquet_proto.rules import Check
from tests.support.gateway_client import RECIPIENT

ACME = Authority("ACME", "90")

UNKNOWN_PERSON = Failure(
    kind=Kind.NOT_FOUND,
    code="003",
    title="Entité non trouvée",
    detail="Aucun dossier n'a pu être trouvé avec les critères de recherche fournis" + PERIMETER,
    fault="caller",
    v2_reason="Person not found",
)


DURANT: dict[str, Any] = {
    "recipient": RECIPIENT,
    "nomNaissance": "DURANT",
    "prenoms[]": ["PAUL"],
    "anneeDateNaissance": 1990,
    "moisDateNaissance": 1,
    "jourDateNaissance": 2,
    "codeCogInseePaysNaissance": "99351",
}


class Person(Struct, frozen=True):
    nom: str
    age: int | None


class Dossier(Struct, frozen=True):
    numero: str
    titulaire: Person


def dossier(**changes: Any) -> Operation:
    """Returns ACME's version 3 operation. `changes` replace some of the arguments with which `Operation` is called."""
    wanted: dict[str, Any] = {
        "id": "acme_v3_dossier",
        "path": "/v3/acme/dossier/identite",
        "modality": "identite",
        "summary": "Dossier ACME",
        "scopes": ("acme_dossier", "acme_age"),
        "data": Dossier,
        "fields": {"numero": ("acme_dossier",), "titulaire.age": ("acme_age",)},
        "checks": ((Check("nom"), Check("prenoms_optional"), Check("commune_or_place"), Check("date_full")),),
        "reasons": ("unknown_person",),
        "example": {"numero": "1", "titulaire": {"nom": "DURANT", "age": 30}},
    }
    return operation(**wanted | changes)


V2_DOSSIER = dossier(
    id="acme_v2_dossier",
    path="/api/v2/dossier-acme",
    checks=((Check("nom", {"nom_naissance": "nom"}),),),
    retirement=Retirement(deprecated_on="2026-01-01", sunset_on="2027-01-01"),
)
"""ACME's version 2 operation, which is deprecated and has an announced date of removal."""


def offer(*operations: Operation) -> Offer:
    """Returns ACME's offer with these operations, by default those of version 3 and version 2."""
    return Offer(
        provider="acme",
        owner="team-acme",
        authority=ACME,
        operations=operations or (dossier(), V2_DOSSIER),
        problems={"unknown_person": UNKNOWN_PERSON},
    )


def describing(offer: Offer) -> Handler:
    """Returns a worker's handler that replies to every request with this offer."""

    async def handle(_: Request) -> Reply:
        return Found(Raw(encode(offer)))

    return handle
