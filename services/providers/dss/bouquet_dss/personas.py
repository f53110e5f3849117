"""The people of the simulated social-security hub, all invented, and the hub's answers about them for eight benefits.

There are three kinds of people:

- The people of `bouquet_hub.personas`, each with the household of their file at the CAF or the MSA.
- The families of `_OWN`, for the crèche rate. A child's year of birth depends on today's date.
- People whose birth name stands for an answer, such as `CAF-FOUND`, with any first name and birth date. The part before
  the hyphen is the provider that the answer's header names: CAF, MSA or RNCPS, or HUB for no header. The part after it
  is what the hub answers:

                    about an entitlement                         about a household
  FOUND             entitled, with an increase or contribution   one with a child of three
  NOT-ENTITLED      not entitled                                 one with a child of nine
  INCOMPLETE        entitled, without date and benefits          one without address and figures
  MALFORMED         an unknown keyword                           an empty one

  Further answers, such as NO-FILE and SLOW, are described in `bouquet_hub.personas`.

A person is entitled only to the benefits that this module lists for them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from msgspec import Struct, structs

from bouquet_hub.personas import (
    CAF,
    MSA,
    PERSONAS,
    RNCPS_CODE,
    SCRIPTED_ANSWERS,
    CivilStatus,
    File,
    Fund,
    Persona,
    SimulatedAnswer,
    person,
)

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
    """Entitlement of a person to a benefit, as the social-security hub describes it. `word` says whether the person is
    entitled, from the date `since`."""

    word: str = "BENEFICIAIRE"
    since: str
    benefits: tuple[tuple[str, str, int], ...] = ()
    """Benefits of the person, each with its code, its opening date and its state. The state 10 means open."""


def paid(cd: str, since: str) -> Right:
    """Returns an entitlement with a single benefit, open from the day `since` (`YYYY-MM-DD`). `cd` is the
    social-security hub's code of the benefit, such as `FA3101`."""
    return Right(since=since, benefits=((cd, since, 10),))


def aeeh(word: str, since: str) -> Right:
    """Returns an entitlement to the AEEH (allowance for a disabled child) from the day `since` (`YYYY-MM-DD`). `word`
    says whether the person is the parent (`ALLOCATAIRE`) or the child (`OUVRANT_DROIT`)."""
    return Right(word=word, since=since, benefits=(("FA1510", since, 10),))


def ars(word: str, since: str) -> Right:
    """Returns an entitlement to the ARS (allowance for the new school year) from the day `since` (`YYYY-MM-DD`). `word`
    says whether the person is the parent (`ALLOCATAIRE`) or the child (`OUVRANT_DROIT`)."""
    # No benefit is listed, since the worker does not read the list for the ARS.
    return Right(word=word, since=since)


def c2s(since: str, *, participation: bool) -> Right:
    """Returns an entitlement to the C2S (complementary health cover) from the day `since` (`YYYY-MM-DD`).
    `participation` says whether the person pays a contribution."""
    return Right(word=f"BENEFICIAIRE_{'AVEC' if participation else 'SANS'}_PARTICIPATION_FINANCIERE", since=since)


class Child(Struct, frozen=True):
    """Simulated child, born `born_years_ago` years before the simulator's current year."""

    nom: str
    prenoms: str
    born_years_ago: int
    birthday: str
    """Month and day of birth, `MM-DD`; `00-00` if unknown."""
    genre: str

    def as_of(self, today: date) -> dict[str, str]:
        """Returns the child in the social-security hub's JSON. The year of birth depends on `today`."""
        return person(
            CivilStatus(self.nom, self.prenoms, f"{today.year - self.born_years_ago}-{self.birthday}", self.genre)
        )


class Resident(Struct, frozen=True, kw_only=True):
    """Simulated person with a file at the CAF or the MSA."""

    story: str
    who: CivilStatus
    commune: str = ""
    pays: str = "99100"
    fund: Fund
    household: Mapping[str, Any]
    """Household in the social-security hub's JSON, with the keys `allocataires`, `enfants` and `adresse`. The key
    `enfants` is missing if the field `child` is set."""
    child: Child | None = None
    """Only child of the household, with an age that stays the same from year to year. `None` if `household` contains
    the children."""
    rights: Mapping[str, Right] = {}
    usage: str = ""
    ressources: int = 17_400

    @property
    def registered(self) -> CivilStatus:
        """Civil status of the person in the social-security hub's register, which includes birth place and name of
        use."""
        return structs.replace(self.who.born_in(self.commune, self.pays), usage=self.usage)


class SignedAnswer(Struct, frozen=True):
    """Simulated answer of the social-security hub, with the code of the provider behind it (CAF, MSA or RNCPS)."""

    answer: SimulatedAnswer
    signature: str
    """Value of the header `X-APISECU-FD`, the code of a provider; empty to send no such header."""


_RIGHTS: dict[str, dict[str, Right]] = {
    # Entitlements of the people of `bouquet_hub.personas`, by birth name.
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


def _provider_with_file(persona: Persona) -> tuple[Fund, SimulatedAnswer]:
    """Returns the provider (CAF or MSA) that has a person's file, and the provider's answer about this person."""
    # If both or neither have a file, it is the CAF.
    files = [(fund, answer) for fund, answer in persona.answers.items() if isinstance(answer, File)]
    return files[0] if files else (CAF, persona.answers[CAF])


def _of_the_hub() -> list[Resident]:
    return [
        Resident(
            story=persona.story,
            who=persona.who,
            commune=persona.commune,
            pays=persona.pays,
            usage=persona.usage,
            fund=fund,
            household=answer.body,
            rights=_RIGHTS.get(persona.who.nom, {}),
        )
        for persona in PERSONAS
        for fund, answer in [_provider_with_file(persona)]
        if isinstance(answer, File)
    ]


_CORALINE = CivilStatus("PESTEL-VIGNAU", "CORALINE", "1995-05-08", "F")
_FULGENCE = CivilStatus("LAUZERTE", "FULGENCE", "1984-10-17", "M")
_VIOLAINE = CivilStatus("ESTEVENIN", "VIOLAINE", "1992-07-30", "F")
_EDGAR = CivilStatus("CORNILLAC", "EDGAR", "1990-00-00", "M")
_LOUISE = CivilStatus("KERVENNIC", "LOUISE", "2019-08-11", "F")


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
    """Returns all simulated people with a file at the CAF or the MSA. The children's birth dates depend on `today`."""
    return _of_the_hub() + _own(today)


def answer_about(who: CivilStatus, prestation: str, today: date) -> SignedAnswer | None:
    """Returns the social-security hub's answer about a person and the benefit `prestation`, such as `rsa`; `None` for
    an unknown person."""
    # RNCPS gives the answer for the C2S; the CAF or the MSA gives the others.
    for resident in residents(today):
        if resident.registered.matches(who):
            return SignedAnswer(File(_body(resident, prestation, today)), _signature(resident.fund, prestation))
    for persona in PERSONAS:
        if persona.registered.matches(who):
            fund, answer = _provider_with_file(persona)
            return SignedAnswer(answer, _signature(fund, prestation))
    return None


def _signature(fund: Fund, prestation: str) -> str:
    return RNCPS_CODE if prestation == "c2s" else fund.code


def scripted_answer(who: CivilStatus, prestation: str, today: date) -> SignedAnswer | None:
    """Returns the social-security hub's answer about a person whose birth name chooses it, such as `CAF-FOUND`; `None`
    for any other name. `prestation` is the benefit asked about."""
    if not (staging := re.match(rf"({'|'.join(SIGNATURES)})-(\S+)", who.nom)):
        return None
    signature, word = SIGNATURES[staging[1]], staging[2]
    answer = SCRIPTED_ANSWERS.get(word) or _scripted_file(who, prestation, word, today)
    return SignedAnswer(answer, signature) if answer else None


def _scripted_file(who: CivilStatus, prestation: str, word: str, today: date) -> File | None:
    """Returns the answer with status 200 that `word` stands for; `None` for an unknown word. `word` is the part of a
    birth name after its first hyphen, such as `FOUND` in `CAF-FOUND`. `prestation` is the benefit asked about."""
    age = {"FOUND": 3, "NOT-ENTITLED": 9, "INCOMPLETE": 0}.get(word)
    if age is None:
        return File({"indicateur": "EN_COURS"}) if word == "MALFORMED" else None
    child = CivilStatus(who.nom, "CADET", f"{today.year - age}-03-15", "M")
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
    """Returns the social-security hub's JSON about a resident's household, with the income of the year before last."""
    # Only the resident has a birth place there, not the other members.
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
