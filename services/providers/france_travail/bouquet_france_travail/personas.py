"""Invented jobseekers of the simulated France Travail, by identifier. Identifiers such as `panne-html` cause faults
(bouquet_worker.simulated_faults)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from msgspec import Struct

Json: TypeAlias = Mapping[str, Any]


class SimulatedAnswer(Struct, frozen=True):
    status: int
    body: Json | None = None


class Persona(Struct, frozen=True, kw_only=True):
    """Invented jobseeker, with the answers of France Travail's two APIs. `story` describes the jobseeker to readers of
    this code."""

    story: str
    statut: SimulatedAnswer
    indemnites: SimulatedAnswer


UNKNOWN = SimulatedAnswer(404, {"codeErreur": "404", "messageLog": "Individu inconnu de nos services"})
LATE = SimulatedAnswer(
    500,
    {
        "codeErreur": "01",
        "messageLog": "Erreur technique lors de l'appel REST du service : java.util.concurrent.TimeoutException",
    },
)
BROKEN = SimulatedAnswer(500, {"codeErreur": "02", "messageLog": "Erreur technique lors de l'appel REST du service"})

LABELS = {
    "1": "PERSONNE SANS EMPLOI DISPONIBLE DUREE INDETERMINEE PLEIN TPS",
    "3": "PERSONNE SANS EMPLOI DISPONIBLE DUREE DETERMINEE OU SAISON",
    "5": "PERSONNE POURVUE D'UN EMPLOI A LA RECHERCHE D'UN AUTRE",
}


def registration(category: str, since: str, certification: str, until: str | None = None) -> Json:
    return {
        "categorieInscription": category,
        "libellecategorieInscription": LABELS[category],
        "codeCertificationCNAV": certification,
        "dateInscription": since,
        **({"dateCessationInscription": until} if until else {}),
    }


def payments(*rows: tuple[str | float, ...], registered: bool = True) -> SimulatedAnswer:
    """Returns an answer of the payments API. `registered` says whether the person is a registered jobseeker. Each of
    `rows` is one payment: its date, then its total, allowances, aids and other amounts, in euros."""
    keys = ("datePaiement", "montantPaiement", "allocations", "aides", "autresPaiements")
    return SimulatedAnswer(
        200,
        {"statutInscription": registered, "listePaiement": [dict(zip(keys, row, strict=True)) for row in rows]},
    )


_QUINTRAND: Json = {
    "civilite": "MME",
    "nom": "QUINTRAND",
    "nomUsage": "BELLONCLE",
    "prenom": "MAELYS",
    "sexe": "Féminin",
    "dateNaissance": "1991-04-06T00:00:00+02:00",
    "email": "maelys.quintrand@exemple.test",
    "telephone": "0600000012",
    "telephone2": "0900000012",
    "adresse": {
        "INSEECommune": "07019",
        "codePostal": "07200",
        "ligneComplementAdresse": "RESIDENCE LES ROCHERS",
        "ligneComplementDestinataire": "APPARTEMENT 7",
        "ligneComplementDistribution": "BP 21",
        "ligneNom": "QUINTRAND",
        "ligneVoie": "18 MONTEE DE LA CHAUSSEE",
        "localite": "07200 AUBENAS",
    },
}
_PRADIGNAC: Json = {
    "civilite": "M.",
    "nom": "PRADIGNAC",
    "nomUsage": " ",
    "prenom": "GAUTHIER",
    "sexe": "Masculin",
    "dateNaissance": "1984-12-19T00:00:00+01:00",
    "email": "gauthier.pradignac@exemple.test",
    "telephone": "0600000033",
    "adresse": {
        "INSEECommune": "23096",
        "codePostal": "23000",
        "ligneComplementAdresse": " ",
        "ligneComplementDestinataire": "",
        "ligneNom": "PRADIGNAC",
        "ligneVoie": "2 RUE DU PRAT",
        "localite": "23000 GUERET",
    },
}
_AUCLAVEL: Json = {
    "civilite": "MME",
    "nom": "AUCLAVEL",
    "nomUsage": " ",
    "prenom": "LUDIVINE",
    "sexe": "Féminin",
    "dateNaissance": "1998-07-23T00:00:00+02:00",
    "email": " ",
    "telephone": "0600000007",
}

PERSONAS = {
    "maelys.quintrand12": Persona(
        story="Registered, certified, paid twice; every key is there",
        statut=SimulatedAnswer(200, {**_QUINTRAND, **registration("1", "2025-02-10T00:00:00+01:00", "VC")}),
        indemnites=payments(
            ("2026-02-03T00:00:00+01:00", 1084.37, 1084.37, 0.0, 0.0),
            ("2026-03-03T00:00:00+01:00", 1259.97, 979.43, 128.14, 152.4),
        ),
    ),
    "gauthier.pradignac33": Persona(
        story="No longer registered; registered once in a season, nothing paid yet",
        statut=SimulatedAnswer(
            200,
            {
                **_PRADIGNAC,
                **registration("3", "2024-06-03T00:00:00+02:00", "RC", until="2025-10-31T00:00:00+01:00"),
            },
        ),
        indemnites=payments(),
    ),
    "ludivine.auclavel07": Persona(
        story="Has an account, never registered",
        statut=SimulatedAnswer(206, _AUCLAVEL),
        indemnites=payments(registered=False),
    ),
    "ferreol.mirabeuf55": Persona(
        story="Registered, waits for a certification; nothing to say of payments",
        statut=SimulatedAnswer(
            200,
            {
                "nom": "MIRABEUF",
                "prenom": "FERREOL",
                "civilite": "M.",
                "sexe": "Masculin",
                "dateNaissance": "1979-10-01T00:00:00+01:00",
                "telephone": "0600000055",
                "adresse": {
                    "INSEECommune": "46042",
                    "codePostal": "46000",
                    "ligneNom": "MIRABEUF",
                    "ligneVoie": "4 QUAI DE REGOURD",
                    "localite": "46000 CAHORS",
                },
                **registration("5", "2026-01-05T00:00:00+01:00", "AC"),
            },
        ),
        indemnites=SimulatedAnswer(204),
    ),
    "azerty": Persona(
        story="The jobseeker for whom health checks ask (docs/reference/upstreams/shared.md §7)",
        statut=SimulatedAnswer(200, {**_QUINTRAND, **registration("1", "2025-02-10T00:00:00+01:00", "VC")}),
        indemnites=payments(("2026-03-03T00:00:00+01:00", 1084.37, 1084.37, 0.0, 0.0)),
    ),
    "panne.attente": Persona(story="A service behind France Travail is late", statut=LATE, indemnites=LATE),
    "panne.technique": Persona(story="A service behind France Travail is broken", statut=BROKEN, indemnites=BROKEN),
    "panne.croisee": Persona(
        story="Each API answers with a status that only the other one has",
        statut=SimulatedAnswer(204),
        indemnites=SimulatedAnswer(206, {"statutInscription": True, "listePaiement": []}),
    ),
    "panne.incomplete": Persona(
        story="The one required key is missing",
        statut=SimulatedAnswer(200, _PRADIGNAC),
        indemnites=SimulatedAnswer(200, {"listePaiement": []}),
    ),
    "panne.types": Persona(
        story="Values are not of their types",
        statut=SimulatedAnswer(200, {**_PRADIGNAC, **registration("1", "le 3 juin 2024", "VC")}),
        indemnites=payments(("2026-03-03T00:00:00+01:00", "941,72", 941.72, 0.0, 0.0)),
    ),
}
