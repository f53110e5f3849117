"""Runs the DSS worker on a simulated hub. Tests can set the hub's answer about each prestation."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from bouquet_dss.personas import Resident, SignedAnswer
from bouquet_dss.simulator import SIMULATED_ANSWERS
from bouquet_dss.worker import PRESTATIONS
from bouquet_hub.personas import File, Persona, Refusal, person_asked_for
from bouquet_hub.request import query_of
from bouquet_proto.identity import Identite
from bouquet_proto.messages import Reply
from tests.providers.worker_client import WorkerClient, identite

OPERATIONS = {name: prestation.published[0].operation.id for name, prestation in PRESTATIONS.items()}
BY_FRANCE_CONNECT = {name: prestation.published[1].operation.id for name, prestation in PRESTATIONS.items()}
STATUSES = [name for name in PRESTATIONS if name != "eaje"]
CNAF, MSA = "00810011", "00171001"
CORALINE = identite("Pestel-Vignau", "Coraline", born="1995-05-08", commune="47157")
MAELYS = identite("Le Gouadec", "Maëlys", "Inès")


def identity_of(resident: Resident | Persona) -> Identite:
    who = resident.who
    named = identite(who.nom, *who.prenoms.split(), born=who.naissance, sexe=who.genre, commune=resident.commune)
    return replace(named, code_cog_insee_pays_naissance=resident.pays)


async def reply_to(dss: WorkerClient, name: str, answer: dict[str, Any] | Refusal, *, signature: str = CNAF) -> Reply:
    """Returns the worker's reply about the prestation `name` when the simulated hub gives `answer`. `signature` is the
    code of the fund that the hub names as the source of the answer."""
    who = identite("Dite", "Anne")
    said = answer if isinstance(answer, Refusal) else File(answer)
    dss.app[SIMULATED_ANSWERS][name, person_asked_for(query_of(who))] = SignedAnswer(said, signature)
    return await dss(OPERATIONS[name], who)


def refusal(code: int, status: int = 404, text: str = "?") -> Refusal:
    return Refusal(status, code, text, "fund")


def benefit(cd: str, since: str | None, state: int = 10) -> dict[str, Any]:
    return {"cd": cd, "dtOuvertureDroit": since, "etat": {"cd": state}}


def entitled(*benefits: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"indicateur": "BENEFICIAIRE", "dateIndicateur": "2025-06-01", "listePrestation": [*benefits], **more}


def household(**changed: Any) -> dict[str, Any]:
    parent = {
        "nomNaissance": "LAUZERTE",
        "nomUsage": "",
        "listePrenoms": "PERRINE ODE",
        "dateNaissance": "1991-01-15",
        "genre": "F",
        "cogNaissance": "64102",
    }
    child = {"nomNaissance": "LAUZERTE", "listePrenoms": "IBAN", "dateNaissance": "2023-10-02", "genre": "M"}
    whole = {
        "allocataires": [parent],
        "enfants": [child],
        "adresse": {
            "identite": "Mme LAUZERTE Perrine",
            "complementInformation": "",
            "complementInformationGeo": "Residence Ttipia",
            "numeroLibelleVoie": "18 chemin des Fougeres",
            "lieuDit": None,
            "codePostalVille": "64240 Hasparren",
            "pays": "France",
        },
        "nombreBeneficiaireAEH": 1,
        "nombreEnfantACharge": 2,
        "montantRessources": 21480,
        "annee": 2024,
    }
    return whole | changed


def summary(data: dict[str, Any]) -> dict[str, Any]:
    if "enfants" not in data:
        return data
    base = data["parametres_calcul_participation_familiale"]["base_ressources_annuelles"]
    return {"enfants": [child["prenoms"] for child in data["enfants"]], **base}
