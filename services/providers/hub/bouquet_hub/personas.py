"""The people of the simulated social-security hub, all invented, with the answers of the CAF and of the MSA about each.

The hub cannot identify anybody else. There are two kinds of people:

- `PERSONAS`, each described by a `story`. A request finds them by birth name, first names and birth date. Sex, place
  of birth and name of use are compared only if both the request and the register contain them. Case and accents are
  ignored.
- People whose birth name stands for the answers, such as `CAF-SLOW MSA-FOUND`, with any first names and birth date.
  Each word of the name is CAF or MSA, a hyphen and one of these answers:

  FOUND                                          a household with a quotient of 500 euros
  INCOMPLETE                                     a household without a quotient
  NO-FILE  UNATTACHED  UNIDENTIFIED  REJECTED    no data (docs/reference/upstreams/regime.md §3)
  OUT-OF-PERIOD                                  no data for the requested month
  TECHNICAL                                      an error of the hub itself, with status 500
  TROUBLED                                       an error of the hub itself, with status 400
  INTERNAL  RATE-LIMITED  UNAVAILABLE            faults (`bouquet_worker.simulate.Fault`)
  GATEWAY-TIMEOUT  REDIRECT  HTML  TRUNCATED
  EMPTY  SLOW  CUT

  A provider that the birth name leaves out has no file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from msgspec import Struct, structs

from bouquet_worker import to_ascii
from bouquet_worker.simulate import Fault


class Fund(Struct, frozen=True):
    provider: Literal["cnaf", "msa"]
    word: str
    """Name of the provider, `CAF` or `MSA`, in invented birth names such as `CAF-SLOW MSA-FOUND`."""
    code: str
    """Value of the header `X-APISECU-FD` in the provider's answers, such as `00810011`."""


CAF = Fund("cnaf", "CAF", "00810011")
MSA = Fund("msa", "MSA", "00171001")
RNCPS_CODE = "99430000"


class File(Struct, frozen=True):
    """Simulated answer of the social-security hub with status 200: JSON about a household. The simulator adds the month
    in which the quotient familial was computed, unless the JSON contains it."""

    body: Mapping[str, Any]


class Refusal(Struct, frozen=True):
    """Simulated error of the social-security hub: HTTP status, error code and message. `signed_by` says whose code the
    header `X-APISECU-FD` contains: the provider's (`fund`), the directory RNCPS's (`rncps`) or none (`nobody`)."""

    status: int
    code: int
    text: str
    signed_by: Literal["nobody", "fund", "rncps"] = "nobody"


SimulatedAnswer: TypeAlias = File | Refusal | Fault

NO_FILE = Refusal(404, 40401, "L’API n’existe pas.", "fund")
UNATTACHED = Refusal(404, 40406, "Le répertoire ne contient aucun rattachement pour cette personne")
UNIDENTIFIED = Refusal(404, 40409, "Il n’a pas été possible d’identifier la personne")
REJECTED = Refusal(400, 40013, "Civilité invalide")
OUT_OF_PERIOD = Refusal(400, 40029, "La période demandée n'est pas couverte")
TROUBLED = Refusal(400, 40024, "Erreur interne")

TECHNICAL = Refusal(500, 50001, "Erreur technique non spécifiée", "rncps")


TOWNS = {
    "03190": "MOULINS",
    "12202": "RODEZ",
    "15014": "AURILLAC",
    "19272": "TULLE",
    "21231": "DIJON",
    "29019": "BREST",
    "32013": "AUCH",
    "39300": "LONS-LE-SAUNIER",
    "44109": "NANTES",
    "46042": "CAHORS",
    "47157": "MARMANDE",
    "48095": "MENDE",
    "53130": "LAVAL",
    "58194": "NEVERS",
    "64445": "PAU",
    "72181": "LE MANS",
    "82094": "LAUZERTE",
    "86194": "POITIERS",
    "87085": "LIMOGES",
}


class CivilStatus(Struct, frozen=True):
    """Civil status of a person, in the social-security hub's register or in a request to the hub. Unknown fields are
    empty."""

    nom: str
    prenoms: str
    naissance: str
    genre: str
    usage: str = ""
    commune: str = ""
    pays: str = ""
    ville: str = ""
    departement: str = ""

    def matches(self, asked: CivilStatus) -> bool:
        """Returns whether a request about `asked` finds this person. Names and birth date must be equal. Other fields
        are compared only if both the request and the register contain them."""
        named = (self.nom, self.prenoms, self.naissance) == (asked.nom, asked.prenoms, asked.naissance)
        return named and all(
            own == theirs or not own or not theirs for own, theirs in zip(_rest(self), _rest(asked), strict=True)
        )

    def born_in(self, commune: str, pays: str) -> CivilStatus:
        """Returns a copy with a place of birth, which is given by the INSEE codes of the commune and the country."""
        departement = commune[: 3 if commune.startswith("97") else 2]
        return structs.replace(self, commune=commune, pays=pays, ville=TOWNS.get(commune, ""), departement=departement)


def _rest(who: CivilStatus) -> tuple[str, ...]:
    return (who.genre, who.usage, who.commune, who.pays, who.ville, who.departement)


FIELD_BY_PARAMETER = {
    "nomNaissance": "nom",
    "listePrenoms": "prenoms",
    "dateNaissance": "naissance",
    "genre": "genre",
    "nomUsage": "usage",
    "codeLieuNaissance": "commune",
    "codePaysNaissance": "pays",
    "villeNaissance": "ville",
    "depNaissance": "departement",
}
"""Maps each query parameter of the social-security hub to the field of `CivilStatus` that holds its value."""


def person_asked_for(query: Mapping[str, str]) -> CivilStatus:
    """Returns the civil status that a query to the social-security hub asks about, with all texts in upper case and
    without accents."""
    return CivilStatus(**{field: _plain(query.get(name, "")) for name, field in FIELD_BY_PARAMETER.items()})


def _plain(text: str) -> str:
    return (to_ascii(text) or text).upper()


def person(who: CivilStatus, usage: str | None = None) -> dict[str, str]:
    return {
        "nomNaissance": who.nom,
        **({"nomUsage": usage} if usage else {}),
        "listePrenoms": who.prenoms,
        "dateNaissance": who.naissance,
        "genre": who.genre,
    }


def household(
    quotient: int | None, *allocataires: dict[str, str], enfants: tuple[CivilStatus, ...] = (), **adresse: str
) -> File:
    children = {"enfants": [person(child) for child in enfants]} if enfants else {}
    return File({"allocataires": [*allocataires], **children, "adresse": adresse, "quotientFamilial": quotient})


class Persona(Struct, frozen=True, kw_only=True):
    """Invented person, with the CAF's and the MSA's answers about this person."""

    story: str
    who: CivilStatus
    commune: str = ""
    pays: str = "99100"
    usage: str = ""
    """Name of use (nom d'usage) in the social-security hub's register; empty for none."""
    # The household's file can contain another name of use.
    answers: Mapping[Fund, SimulatedAnswer]

    @property
    def registered(self) -> CivilStatus:
        """Identity of the person in the register, with place of birth and name of use."""
        return structs.replace(self.who.born_in(self.commune, self.pays), usage=self.usage)


_MAELYS = CivilStatus("LE GOUADEC", "MAELYS INES", "1989-06-14", "F")
_REMI = CivilStatus("CASTAGNOS", "REMI GASTON", "1978-09-03", "M")
_HELENE = CivilStatus("FONTVIEILLE", "HELENE", "1992-01-27", "F")
_JULIEN = CivilStatus("MARCADET", "JULIEN AIME", "1986-11-09", "M")
_CLARISSE = CivilStatus("D'ARTIGUELOUVE", "CLARISSE", "1983-04-30", "F")
_BASILE = CivilStatus("ROUVERAND", "BASILE", "1990-07-19", "M")
_SOLENE = CivilStatus("TREHOREL", "SOLENE", "1985-02-11", "F")
_THEODORE = CivilStatus("VAUZELLES", "THEODORE PAUL", "1976-12-05", "M")
_OCEANE = CivilStatus("BRIANCHON", "OCEANE", "1994-03-22", "F")
_GREGOIRE = CivilStatus("PUYLAROQUE", "GREGOIRE", "1981-08-16", "M")
_NOEMIE = CivilStatus("SAUVEPLANE", "NOEMIE", "1988-10-01", "F")
_SAMIRA = CivilStatus("BENZERTI-ROCHE", "SAMIRA", "1991-00-00", "F")

PERSONAS: tuple[Persona, ...] = (
    Persona(
        story="Only the CAF knows her: couple, two children, one born on an unknown day",
        who=_MAELYS,
        commune="29019",
        answers={
            CAF: household(
                612,
                person(_MAELYS, "KERVENNIC"),
                person(CivilStatus("KERVENNIC", "YANN", "1987-01-05", "M")),
                enfants=(
                    CivilStatus("KERVENNIC", "LOUISE", "2019-08-11", "F"),
                    CivilStatus("KERVENNIC", "EWEN", "2022-05-00", "M"),
                ),
                identite="MADAME KERVENNIC MAELYS",
                complementInformation="APPARTEMENT 14",
                complementInformationGeo="BATIMENT LES AJONCS",
                numeroLibelleVoie="3 RUE DU FOUR A PAIN",
                codePostalVille="29200 BREST",
                pays="FRANCE",
            ),
            MSA: NO_FILE,
        },
    ),
    Persona(
        story="Only the MSA knows him: alone, without children",
        who=_REMI,
        commune="32013",
        answers={
            CAF: NO_FILE,
            MSA: household(
                431,
                person(_REMI),
                identite="MONSIEUR CASTAGNOS REMI",
                lieuDit="LA BORDE HAUTE",
                codePostalVille="32110 NOGARO",
                pays="FRANCE",
            ),
        },
    ),
    Persona(
        story="Neither fund has a file",
        who=_HELENE,
        commune="44109",
        answers={CAF: NO_FILE, MSA: NO_FILE},
    ),
    Persona(
        story="Has just moved to the MSA, the CAF has not struck the file off: MSA today, CAF for past months",
        who=_JULIEN,
        commune="12202",
        answers={
            CAF: household(
                954,
                person(_JULIEN),
                identite="MONSIEUR MARCADET JULIEN",
                numeroLibelleVoie="27 RUE DU TOUAT",
                codePostalVille="12000 RODEZ",
                pays="FRANCE",
            ),
            MSA: household(
                387,
                person(_JULIEN),
                identite="MONSIEUR MARCADET JULIEN",
                lieuDit="LE MAS ROUGIER",
                codePostalVille="12480 BROQUIES",
                pays="FRANCE",
            ),
        },
    ),
    Persona(
        story="Both answer with a file, but the MSA's is a homonym's: the CAF's is hers",
        who=_CLARISSE,
        commune="64445",
        answers={
            CAF: household(
                1108,
                person(_CLARISSE),
                enfants=(CivilStatus("D'ARTIGUELOUVE", "ELIOTT", "2020-12-02", "M"),),
                identite="MADAME D'ARTIGUELOUVE CLARISSE",
                numeroLibelleVoie="5 ALLEE DE MORLAAS",
                codePostalVille="64000 PAU",
                pays="FRANCE",
            ),
            MSA: household(
                276,
                person(CivilStatus("D'ARTIGUELOUVE", "CLARISSE", "1938-04-30", "F")),
                identite="MADAME D'ARTIGUELOUVE CLARISSE",
                lieuDit="CAMPAGNE DARRE",
                codePostalVille="64370 ARTHEZ DE BEARN",
                pays="FRANCE",
            ),
        },
    ),
    Persona(
        story="The CAF is down, the MSA has the file",
        who=_BASILE,
        commune="15014",
        answers={
            CAF: Fault.UNAVAILABLE,
            MSA: household(
                519,
                person(_BASILE),
                enfants=(CivilStatus("ROUVERAND", "ALBANE", "2021-03-08", "F"),),
                identite="MONSIEUR ROUVERAND BASILE",
                lieuDit="LE PUECH",
                codePostalVille="15130 YTRAC",
                pays="FRANCE",
            ),
        },
    ),
    Persona(
        story="The CAF is silent, the MSA has the file",
        who=_SOLENE,
        commune="53130",
        answers={
            CAF: Fault.SLOW,
            MSA: household(
                745,
                person(_SOLENE),
                identite="MADAME TREHOREL SOLENE",
                lieuDit="LA HAIE BERGERE",
                codePostalVille="53200 FROMENTIERES",
                pays="FRANCE",
            ),
        },
    ),
    Persona(
        story="The CAF is silent, the MSA has no file: nobody knows, and it is not a 404",
        who=_THEODORE,
        commune="03190",
        answers={CAF: Fault.SLOW, MSA: NO_FILE},
    ),
    Persona(
        story="The CAF has no file, the MSA is silent",
        who=_OCEANE,
        commune="72181",
        answers={CAF: NO_FILE, MSA: Fault.SLOW},
    ),
    Persona(
        story="The CAF has no file, the MSA is down",
        who=_GREGOIRE,
        commune="46042",
        answers={CAF: NO_FILE, MSA: Fault.UNAVAILABLE},
    ),
    Persona(
        story="Both funds are down",
        who=CivilStatus("ESCANDE", "VIVIEN", "1979-05-25", "M"),
        commune="87085",
        answers={CAF: Fault.UNAVAILABLE, MSA: Fault.UNAVAILABLE},
    ),
    Persona(
        story="The CAF has a file, the MSA is down; the register has her name of use",
        who=_NOEMIE,
        usage="L'HERMINIER",
        commune="48095",
        answers={
            CAF: household(
                833,
                person(_NOEMIE, "L'HERMINIER"),
                identite="MADAME L'HERMINIER NOEMIE",
                numeroLibelleVoie="12 RUE BASSE",
                codePostalVille="48000 MENDE",
                pays="FRANCE",
            ),
            MSA: Fault.UNAVAILABLE,
        },
    ),
    Persona(
        story="Born abroad, day and month unknown; resources unknown, so a quotient of zero",
        who=_SAMIRA,
        pays="99351",
        answers={
            CAF: household(
                0,
                person(_SAMIRA),
                enfants=(CivilStatus("BENZERTI-ROCHE", "NAEL", "2023-09-17", "M"),),
                identite="MADAME BENZERTI-ROCHE SAMIRA",
                numeroLibelleVoie="41 RUE DE L'ABBE GREGOIRE",
                codePostalVille="38000 GRENOBLE",
                pays="FRANCE",
            ),
            MSA: NO_FILE,
        },
    ),
    Persona(
        story="Nobody has this civil status",
        who=CivilStatus("QUIDAM", "ALEX", "1984-06-06", "M"),
        commune="86194",
        answers={CAF: UNIDENTIFIED, MSA: UNIDENTIFIED},
    ),
    Persona(
        story="Exists, and is attached to no fund",
        who=CivilStatus("SOLITAIRE", "AGATHE", "1997-02-18", "F"),
        commune="58194",
        answers={CAF: UNATTACHED, MSA: UNATTACHED},
    ),
    Persona(
        story="The CAF has a file without a quotient, the MSA has no file",
        who=CivilStatus("PERTHUIS", "MAXENCE", "1995-09-29", "M"),
        commune="19272",
        answers={
            CAF: household(
                None,
                person(CivilStatus("PERTHUIS", "MAXENCE", "1995-09-29", "M")),
                identite="MONSIEUR PERTHUIS MAXENCE",
                numeroLibelleVoie="8 QUAI DE RIGNY",
                codePostalVille="19000 TULLE",
                pays="FRANCE",
            ),
            MSA: NO_FILE,
        },
    ),
    Persona(
        story="The hub refuses the civil status before any fund sees it",
        who=CivilStatus("BALIVERNE", "OSCAR", "1982-01-13", "M"),
        commune="21231",
        answers={CAF: REJECTED, MSA: REJECTED},
    ),
)

SCRIPTED_ANSWERS: dict[str, SimulatedAnswer] = {
    # By the word that follows `CAF-` or `MSA-` in a birth name.
    "NO-FILE": NO_FILE,
    "UNATTACHED": UNATTACHED,
    "UNIDENTIFIED": UNIDENTIFIED,
    "REJECTED": REJECTED,
    "OUT-OF-PERIOD": OUT_OF_PERIOD,
    "TECHNICAL": TECHNICAL,
    "TROUBLED": TROUBLED,
    **{fault.name.replace("_", "-"): fault for fault in Fault},
}
_QUOTIENTS = {"FOUND": 500, "INCOMPLETE": None}


def answers_of_personas(fund: Fund) -> dict[CivilStatus, SimulatedAnswer]:
    """Maps the civil status of each invented person (`PERSONAS`) to the answer of the provider `fund` about this
    person."""
    return {persona.registered: persona.answers[fund] for persona in PERSONAS}


def scripted_answer(who: CivilStatus, fund: Fund) -> SimulatedAnswer | None:
    """Returns the answer that a special birth name, such as `CAF-SLOW MSA-FOUND`, gives for the provider `fund`.
    Returns `None` for any other name."""
    words = dict(word.split("-", 1) for word in who.nom.split() if word.startswith(("CAF-", "MSA-")))
    if not words:
        return None
    word = words.get(fund.word, "NO-FILE")
    if word in _QUOTIENTS:
        quotient = _QUOTIENTS[word]
        return household(quotient, person(who), identite=who.nom, codePostalVille="75001 PARIS", pays="FRANCE")
    return SCRIPTED_ANSWERS.get(word)
