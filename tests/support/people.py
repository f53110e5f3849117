"""Query parameters about the people whom the simulators of CAF and MSA know."""

from __future__ import annotations

from typing import Any

from bouquet_hub.personas import PERSONAS, Persona
from tests.support.gateway_client import RECIPIENT

V2_NAMES = {
    "anneeDateNaissance": "anneeDateDeNaissance",
    "moisDateNaissance": "moisDateDeNaissance",
    "jourDateNaissance": "jourDateDeNaissance",
    "sexeEtatCivil": "sexe",
    "codeCogInseePaysNaissance": "codePaysLieuDeNaissance",
    "codeCogInseeCommuneNaissance": "codeInseeLieuDeNaissance",
}
"""Map from the version 3 name of a query parameter to its version 2 name. Parameters with the same name in both are
left out."""


def persona(nom: str) -> Persona:
    [found] = [persona for persona in PERSONAS if persona.who.nom == nom]
    return found


def query_for(persona: Persona, **more: Any) -> dict[str, Any]:
    """Returns the query parameters that identify a persona. `more` adds parameters or replaces some of them."""
    who = persona.who
    year, month, day = (int(part) for part in who.naissance.split("-"))
    parts = {"anneeDateNaissance": year, "moisDateNaissance": month, "jourDateNaissance": day}
    birth = {name: value for name, value in parts.items() if value}
    place = {"codeCogInseeCommuneNaissance": persona.commune} if persona.commune else {}
    return {
        "recipient": RECIPIENT,
        "nomNaissance": who.nom,
        "prenoms[]": who.prenoms.split(),
        **birth,
        "sexeEtatCivil": who.genre,
        "codeCogInseePaysNaissance": persona.pays,
        **place,
        **more,
    }


def staged_query(nom: str, **more: Any) -> dict[str, Any]:
    """Returns query parameters about an invented person whose birth name tells the simulators how to answer. For
    example, `CAF-SLOW MSA-FOUND` makes the CAF slow and lets the MSA find the person."""
    return {
        "recipient": RECIPIENT,
        "nomNaissance": nom,
        "prenoms[]": ["CAMILLE"],
        "anneeDateNaissance": 1980,
        "moisDateNaissance": 2,
        "jourDateNaissance": 29,
        "sexeEtatCivil": "F",
        "codeCogInseePaysNaissance": "99100",
        "codeCogInseeCommuneNaissance": "29019",
        **more,
    }


CAF_ALLOCATAIRE = query_for(persona("LE GOUADEC"))
MSA_ALLOCATAIRE = query_for(persona("CASTAGNOS"))
UNKNOWN_PERSON = query_for(persona("FONTVIEILLE"))
