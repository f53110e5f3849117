"""Lookup that the benchmark repeats: a person's quotient familial, found by identity. Contains its HTTP query, its
messages on the bus and the body of the provider's answer."""
# It is the most frequent lookup, and passes every step of a gateway, including the choice between its two providers
# (regime plan).

from __future__ import annotations

import string
from datetime import date

import msgspec

from bouquet_hub.answers import FUND_HEADER
from bouquet_hub.personas import CAF
from bouquet_hub.quotient import Month, read
from bouquet_proto.identity import Identite
from bouquet_proto.messages import Caller, Found, Lookup, encode
from bouquet_proto.quotient_familial import OPERATION
from bouquet_worker import Answer

PATH = OPERATION.path
SCOPES = ("cnaf_quotient_familial", "cnaf_allocataires", "cnaf_adresse")
"""Scopes of the benchmark's token. The scope for data about children is not among them, so that the gateway has to
remove a field from each answer."""
RECIPIENT = "13002526500013"
REQUEST_ID = "6f1c0b52-7f0e-4c7e-9a50-0a5d1f6a0b11"

_QUERY = (
    f"recipient={RECIPIENT}&nomNaissance=LE+GOUADEC+{{}}&prenoms[]=Ma%C3%ABlys&prenoms[]=In%C3%A8s"
    "&anneeDateNaissance=1989&moisDateNaissance=6&jourDateNaissance=14&sexeEtatCivil=F"
    "&codeCogInseePaysNaissance=99100&codeCogInseeCommuneNaissance=29019"
)


def query_of(person: int) -> str:
    """Returns the query string that identifies person number `person`. Each number stands for a different name."""
    return _QUERY.format(_letters(person))


DOSSIER_PARTS = 5
"""Number of parts of the benchmark's dossier."""


def dossier_of(person: int) -> bytes:
    """Returns the body of a dossier that asks for the quotient familial of person number `person` in each of the last
    `DOSSIER_PARTS` months."""
    today = date.today()
    months = [divmod(today.year * 12 + today.month - 1 - ago, 12) for ago in range(DOSSIER_PARTS)]
    return msgspec.json.encode(
        {
            "recipient": RECIPIENT,
            "identite": {
                "nomNaissance": f"{WHO.nom_naissance} {_letters(person)}",
                "prenoms": WHO.prenoms,
                "anneeDateNaissance": WHO.annee_date_naissance,
                "moisDateNaissance": WHO.mois_date_naissance,
                "jourDateNaissance": WHO.jour_date_naissance,
                "sexeEtatCivil": WHO.sexe_etat_civil,
                "codeCogInseePaysNaissance": WHO.code_cog_insee_pays_naissance,
                "codeCogInseeCommuneNaissance": WHO.code_cog_insee_commune_naissance,
            },
            "resources": {
                f"ago_{ago}": {
                    "operation": "dss/quotient_familial",
                    "version": 3,
                    "parameters": {"annee": year, "mois": month + 1},
                }
                for ago, (year, month) in enumerate(months)
            },
        }
    )


def _letters(number: int) -> str:
    letters = string.ascii_uppercase
    text = letters[number % 26]
    while number := number // 26:
        text += letters[number % 26]
    return text


EXPECTED_TEXT = "MADAME KERVENNIC MAELYS"

UPSTREAM_HEADERS = {FUND_HEADER: CAF.code, "Content-Type": "application/json"}
UPSTREAM_BODY = msgspec.json.encode(
    {
        "allocataires": [
            {
                "nomNaissance": "LE GOUADEC",
                "nomUsage": "KERVENNIC",
                "listePrenoms": "MAELYS INES",
                "dateNaissance": "1989-06-14",
                "genre": "F",
            },
            {
                "nomNaissance": "KERVENNIC",
                "nomUsage": None,
                "listePrenoms": "YANN",
                "dateNaissance": "1987-01-05",
                "genre": "M",
            },
        ],
        "enfants": [
            {
                "nomNaissance": "KERVENNIC",
                "nomUsage": None,
                "listePrenoms": name,
                "dateNaissance": born,
                "genre": "F",
            }
            for name, born in (("LOUISE", "2019-08-11"), ("ENORA", "2021-02-27"), ("AZILIZ", "2022-05-30"))
        ],
        "adresse": {
            "identite": EXPECTED_TEXT,
            "complementInformation": "APPARTEMENT 14",
            "complementInformationGeo": "BATIMENT LES AJONCS",
            "numeroLibelleVoie": "3 RUE DU FOUR A PAIN",
            "lieuDit": None,
            "codePostalVille": "29200 BREST",
            "pays": "FRANCE",
        },
        "quotientFamilial": 612,
        "annee": 2026,
        "mois": 3,
    }
)

WHO = Identite(
    nom_naissance="LE GOUADEC",
    prenoms=("Maëlys", "Inès"),
    annee_date_naissance=1989,
    mois_date_naissance=6,
    jour_date_naissance=14,
    sexe_etat_civil="F",
    code_cog_insee_pays_naissance="99100",
    code_cog_insee_commune_naissance="29019",
)


def wire_request(deadline: float = 0.0) -> bytes:
    """Returns the message that the gateway publishes on RabbitMQ for the benchmark's lookup. `deadline` is in seconds
    since the epoch."""
    return encode(
        Lookup(
            id=REQUEST_ID,
            deadline=deadline,
            operation=OPERATION.id,
            identity=WHO,
            caller=Caller(recipient=RECIPIENT, token_id=REQUEST_ID),
            traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
        )
    )


def wire_reply() -> bytes:
    answer = Answer(200, UPSTREAM_HEADERS, UPSTREAM_BODY)
    return encode(Found(msgspec.Raw(msgspec.json.encode(read(answer, Month(2026, 4), date(2026, 4, 15))))))
