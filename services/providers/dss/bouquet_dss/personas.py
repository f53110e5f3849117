"""The people of the simulated hub as the eight prestations know them. All invented.

- Those of `bouquet_hub.personas`, with the household that their fund has in its file; their children grow up.
- `_OWN`: families to ask the crèche rate of, each with a child whose year of birth moves with today.
- Staged ones, of any first name and date, whose birth name says who answers, a hyphen and what, as `CAF-FOUND`:

  CAF  MSA  RNCPS  HUB             the header of the answer; HUB puts none
  FOUND                            a right: increased, or with participation; a household with a young child
  NOT-ENTITLED                     no right; a household whose child is nine
  INCOMPLETE                       a right without date nor benefit; a household without address nor figures
  MALFORMED                        a keyword of no list; a household of nobody
  and those of `bouquet_hub.personas`: NO-FILE UNATTACHED … SLOW CUT

A prestation of which nothing is written here is one that the person has no right to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from msgspec import Struct, structs

from bouquet_hub.personas import CAF, MSA, PERSONAS, RNCPS_CODE, STAGES, File, Fund, Persona, Said, Who, person

Json = dict[str, Any]
SIGNATURES = {CAF.word: CAF.code, MSA.word: MSA.code, "RNCPS": RNCPS_CODE, "HUB": ""}
CENTRAL = {
    CAF.code: {"cd": 81, "libelle": "CAISSE NATIONALE D'ALLOCATIONS FAMILIALES FICTIVE"},
    MSA.code: {"cd": 17, "libelle": "CAISSE CENTRALE DE MUTUALITE SOCIALE AGRICOLE"},
}
LOCAL = {
    CAF.code: {"cd": 9902, "libelle": "CAF FICTIVE"},
    MSA.code: {"cd": 9901, "libelle": "MUTUALITE SOCIALE AGRICOLE FICTIVE"},
}
LABELS = {
    "FA3101": "RSA non majoré",
    "FA3102": "RSA majoré",
    "FA3105": "Prime Activité",
    "FA3106": "Prime Activité majoré",
    "FA1001": "Allocation adultes handicapés",
    "FA0115": "Allocation de soutien familial",
    "FA1510": "AEEH",
}
QUALITIES = {"ALLOCATAIRE": "105", "OUVRANT_DROIT": "205"}


class Right(Struct, frozen=True, kw_only=True):
    word: str = "BENEFICIAIRE"
    since: str
    benefits: tuple[tuple[str, str, int], ...] = ()
    """Code, opening and state of each, as the hub lists them."""


def paid(cd: str, since: str) -> Right:
    return Right(since=since, benefits=((cd, since, 10),))


def aeeh(word: str, since: str) -> Right:
    return Right(word=word, since=since, benefits=(("FA1510", since, 10),))


def ars(word: str, since: str) -> Right:
    """Its benefits are not looked at."""
    return Right(word=word, since=since)


def c2s(since: str, *, participation: bool) -> Right:
    return Right(word=f"BENEFICIAIRE_{'AVEC' if participation else 'SANS'}_PARTICIPATION_FINANCIERE", since=since)


class Child(Struct, frozen=True):
    """A child born a number of calendar years before the simulator's today."""

    nom: str
    prenoms: str
    born_years_ago: int
    birthday: str
    """`MM-DD`."""
    genre: str

    def as_of(self, today: date) -> dict[str, str]:
        return person(Who(self.nom, self.prenoms, f"{today.year - self.born_years_ago}-{self.birthday}", self.genre))


class Resident(Struct, frozen=True, kw_only=True):
    """Someone with a file."""

    story: str
    who: Who
    commune: str = ""
    """INSEE code of the birth place."""
    pays: str = "99100"
    fund: Fund
    household: Mapping[str, Any]
    """`allocataires`, `enfants`, `adresse` in the hub's JSON."""
    child: Child | None = None
    """The one child of the household, where its age matters."""
    rights: Mapping[str, Right] = {}
    usage: str = ""
    ressources: int = 17_400

    @property
    def registered(self) -> Who:
        return structs.replace(self.who.born(self.commune, self.pays), usage=self.usage)


class Told(Struct, frozen=True):
    said: Said
    signature: str
    """In `X-APISECU-FD`."""


_RIGHTS: dict[str, dict[str, Right]] = {
    # Of the hub's people, by birth name.
    "LE GOUADEC": {
        "c2s": c2s("2025-10-01", participation=True),
        "ppa": paid("FA3105", "2025-02-01"),
        "aeeh": aeeh("ALLOCATAIRE", "2024-09-01"),
        "ars": ars("ALLOCATAIRE", "2025-08-19"),
    },
    "CASTAGNOS": {"c2s": c2s("2025-09-01", participation=False), "rsa": paid("FA3101", "2025-06-01")},
    "SAUVEPLANE": {"aah": paid("FA1001", "2023-03-01"), "c2s": c2s("2025-08-01", participation=False)},
}

_SINCE = "2025-09-01"
_FOUND = {
    "c2s": c2s(_SINCE, participation=True),
    "rsa": paid("FA3102", _SINCE),
    "ppa": paid("FA3106", _SINCE),
    "aah": paid("FA1001", _SINCE),
    "asf": paid("FA0115", _SINCE),
    "aeeh": aeeh("ALLOCATAIRE", _SINCE),
    "ars": ars("ALLOCATAIRE", _SINCE),
}


def _sent_to(persona: Persona) -> tuple[Fund, Said]:
    """The fund that has their file, the CAF if both have one or none has, and what it says there."""
    files = [(fund, said) for fund, said in persona.says.items() if isinstance(said, File)]
    return files[0] if files else (CAF, persona.says[CAF])


def _of_the_hub() -> list[Resident]:
    return [
        Resident(
            story=persona.story,
            who=persona.who,
            commune=persona.commune,
            pays=persona.pays,
            usage=persona.usage,
            fund=fund,
            household=said.body,
            rights=_RIGHTS.get(persona.who.nom, {}),
        )
        for persona in PERSONAS
        for fund, said in [_sent_to(persona)]
        if isinstance(said, File)
    ]


_CORALINE = Who("PESTEL-VIGNAU", "CORALINE", "1995-05-08", "F")
_FULGENCE = Who("LAUZERTE", "FULGENCE", "1984-10-17", "M")
_VIOLAINE = Who("ESTEVENIN", "VIOLAINE", "1992-07-30", "F")
_EDGAR = Who("CORNILLAC", "EDGAR", "1990-00-00", "M")
_LOUISE = Who("KERVENNIC", "LOUISE", "2019-08-11", "F")


_OWN = (
    Resident(
        story="Alone with a child of two or three, at the MSA: RSA increased since before it was not, and ASF",
        who=_CORALINE,
        commune="47157",
        fund=MSA,
        child=Child("PESTEL", "TIMEO", 3, "10-02", "M"),
        household={
            "allocataires": [person(_CORALINE)],
            "adresse": {
                "identite": "MADAME PESTEL-VIGNAU CORALINE",
                "lieuDit": "LES TROIS NOYERS",
                "codePostalVille": "47260 CASTELMORON SUR LOT",
                "pays": "FRANCE",
            },
        },
        rights={
            "rsa": Right(
                since="2024-11-01",
                benefits=(("FA3101", "2023-01-01", 20), ("FA3101", "2025-03-01", 10), ("FA3102", "2024-11-01", 10)),
            ),
            "asf": paid("FA0115", "2024-12-01"),
            "c2s": c2s("2025-11-01", participation=False),
        },
        ressources=6_150,
    ),
    Resident(
        story="Alone with a child of eight or nine, too old for a crèche, at the CAF: prime d'activité increased",
        who=_FULGENCE,
        commune="82094",
        fund=CAF,
        child=Child("LAUZERTE", "ROSALIE", 9, "02-21", "F"),
        household={
            "allocataires": [person(_FULGENCE)],
            "adresse": {
                "identite": "MONSIEUR LAUZERTE FULGENCE",
                "numeroLibelleVoie": "14 RUE DES COUTELIERS",
                "codePostalVille": "82000 MONTAUBAN",
                "pays": "FRANCE",
            },
        },
        rights={"ppa": paid("FA3106", "2025-01-01")},
    ),
    Resident(
        story="Entitled to RSA and prime d'activité, of which no benefit is open; a child of last year",
        who=_VIOLAINE,
        commune="39300",
        fund=CAF,
        child=Child("CORNILLAC", "APOLLINE", 1, "00-00", "F"),
        household={
            "allocataires": [person(_VIOLAINE), person(_EDGAR)],
            "adresse": {
                "identite": "MADAME ESTEVENIN VIOLAINE",
                "complementInformation": "PORTE 6",
                "numeroLibelleVoie": "2 RUE DES SALINES",
                "codePostalVille": "39000 LONS LE SAUNIER",
                "pays": "FRANCE",
            },
        },
        rights={
            "rsa": Right(since="2025-04-01", benefits=(("FA3101", "2025-04-01", 20),)),
            "ppa": Right(since="2025-05-01"),
        },
    ),
    Resident(
        story="The child that LE GOUADEC's AEEH and ARS are for",
        who=_LOUISE,
        commune="29019",
        fund=CAF,
        household=next(parent.household for parent in _of_the_hub() if parent.who.nom == "LE GOUADEC"),
        rights={"aeeh": aeeh("OUVRANT_DROIT", "2024-09-01"), "ars": ars("OUVRANT_DROIT", "2025-08-19")},
    ),
)


def _own(today: date) -> list[Resident]:
    return [_with_child(one, one.child, today) if one.child else one for one in _OWN]


def _with_child(resident: Resident, child: Child, today: date) -> Resident:
    return structs.replace(resident, household={**resident.household, "enfants": [child.as_of(today)]})


def residents(today: date) -> list[Resident]:
    return _of_the_hub() + _own(today)


def told_of(who: Who, prestation: str, today: date) -> Told | None:
    """`None` of whom nobody knows. The directory itself tells of the C2S."""
    for resident in residents(today):
        if resident.registered.is_meant_by(who):
            return Told(File(_body(resident, prestation, today)), _signature(resident.fund, prestation))
    for persona in PERSONAS:
        if persona.registered.is_meant_by(who):
            fund, said = _sent_to(persona)
            return Told(said, _signature(fund, prestation))
    return None


def _signature(fund: Fund, prestation: str) -> str:
    return RNCPS_CODE if prestation == "c2s" else fund.code


def staged(who: Who, prestation: str, today: date) -> Told | None:
    """What a birth name makes the hub say; `None` when it is a name like another."""
    if not (staging := re.match(rf"({'|'.join(SIGNATURES)})-(\S+)", who.nom)):
        return None
    signature, word = SIGNATURES[staging[1]], staging[2]
    said = STAGES.get(word) or _staged_file(who, prestation, word, today)
    return Told(said, signature) if said else None


def _staged_file(who: Who, prestation: str, word: str, today: date) -> File | None:
    """Of a prestation, `FOUND` is its richest answer."""
    age = {"FOUND": 3, "NOT-ENTITLED": 9, "INCOMPLETE": 0}.get(word)
    if age is None:
        return File({"indicateur": "EN_COURS"}) if word == "MALFORMED" else None
    child = Who(who.nom, "CADET", f"{today.year - age}-03-15", "M")
    household = {
        "allocataires": [person(who)],
        "enfants": [person(child)],
        "adresse": {"identite": who.nom, "codePostalVille": "75001 PARIS", "pays": "FRANCE"},
    }
    rights = {} if word == "NOT-ENTITLED" else _FOUND
    body = _body(Resident(story="", who=who, fund=CAF, household=household, rights=rights), prestation, today)
    kept = {"indicateur", "allocataires", "enfants"} if word == "INCOMPLETE" else body.keys()
    return File({key: body[key] for key in body if key in kept})


def _body(resident: Resident, prestation: str, today: date) -> Json:
    if prestation == "eaje":
        return _household(resident, today)
    right = resident.rights.get(prestation)
    listed = {} if prestation == "c2s" else {"listePrestation": _benefits(resident.fund, right)}
    if right is None:
        return {"indicateur": "NON_BENEFICIAIRE_CSS" if prestation == "c2s" else "NON_BENEFICIAIRE", **listed}
    return {"indicateur": right.word, "dateIndicateur": right.since, **listed}


def _benefits(fund: Fund, right: Right | None) -> list[Json]:
    return [_benefit(fund, right.word, *benefit) for benefit in right.benefits] if right else []


def _benefit(fund: Fund, word: str, cd: str, since: str, state: int) -> Json:
    quality = {"qualiteBeneficiaire": QUALITIES[word]} if word in QUALITIES else {}
    return {
        "cd": cd,
        "libelle": LABELS[cd],
        **quality,
        "dtOuvertureDroit": since,
        "etat": {"cd": state, "libelle": "Actif" if state == 10 else "Fermé", "dtEffet": since},
        "organismeRattachement": CENTRAL[fund.code],
        "organismeGestionnaire": LOCAL[fund.code],
    }


def _household(resident: Resident, today: date) -> Json:
    """The birth place is told of who is asked for, and of nobody else. Resources are those of two years ago."""
    known = {key: resident.household.get(key, []) for key in ("allocataires", "enfants")}
    people = {key: [_placed(resident, person) for person in members] for key, members in known.items()}
    return {
        **people,
        "adresse": resident.household["adresse"],
        "nombreBeneficiaireAEH": 1 if "aeeh" in resident.rights else 0,
        "nombreEnfantACharge": len(people["enfants"]),
        "montantRessources": resident.ressources,
        "annee": today.year - 2,
    }


def _placed(resident: Resident, person: Mapping[str, str]) -> Json:
    asked_for = (person["nomNaissance"], person["listePrenoms"]) == (resident.who.nom, resident.who.prenoms)
    return {**person, "cogNaissance": resident.commune or None if asked_for else None}
