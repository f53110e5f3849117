"""The worker of eight social-security benefits. Owner: team-dss. Upstream: the social-security hub (bouquet_hub),
with a URL, a client and a scope for each benefit (docs/reference/upstreams/hub.md, dss.md)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import date
from functools import partial
from typing import Any, TypeAlias

from msgspec import Struct

from bouquet_dss import contract
from bouquet_dss.contract import NO_FILE_CNAF, NO_FILE_MSA, NO_FILE_RNCPS, NO_YOUNG_CHILD, Droit
from bouquet_dss.settings import Settings, hub_settings_of
from bouquet_dss.upstream import (
    OPEN,
    PPA_MAJORATIONS,
    RSA_MAJORATIONS,
    Allowance,
    Benefit,
    ChildAllowance,
    HealthCover,
    Household,
    Income,
    Member,
    Right,
)
from bouquet_hub.answers import Fund, refusal_of
from bouquet_hub.quotient import SEXES, Address
from bouquet_hub.request import headers_of, query_of
from bouquet_hub.upstream import hub_upstream
from bouquet_worker import (
    Answer,
    Authority,
    Identite,
    NotFound,
    PublishedOperation,
    Question,
    Rejected,
    Upstream,
    UpstreamClient,
    Worker,
    day_or_none,
)

log = logging.getLogger(__name__)

ABSENCES: Mapping[Fund, str] = {"CNAF": NO_FILE_CNAF, "MSA": NO_FILE_MSA, "RNCPS": NO_FILE_RNCPS}
CRECHE_AGE = 7
"""Age, in years, below which a child may go to a crèche."""
UNKNOWN_DAY = "9999-99-99"
"""Text for an unknown opening date. It sorts after every real date."""
Resource: TypeAlias = Droit | contract.ParticipationFamiliale


def right(model: type[Right], answer: Answer, _: date) -> Droit:
    """Returns the entitlement in an answer of the hub. Raises `UpstreamError` for an answer that is not of the type
    `model`."""
    return to_droit(answer.decode(model))


def income(majorations: Mapping[str, bool], answer: Answer, _: date) -> Droit:
    """Converts an answer about RSA or prime d'activité to an entitlement. `majorations` says for each benefit code,
    such as `FA3102`, whether it stands for an increased benefit."""
    file = answer.decode(Income)
    return to_droit(file, majoration(file.liste_prestation or (), majorations))


def to_droit(file: Right, avec_majoration: bool | None = None) -> Droit:
    """Converts the hub's answer about an entitlement to the handler's result (docs/reference/upstreams/dss.md §2).
    `avec_majoration` tells whether the benefit is increased; `None` if that is unknown or does not exist."""
    # For a person who is not entitled, the result has no date.
    droit = Droit(
        status=file.indicateur.lower(),
        date_debut_droit=day_or_none(file.date_indicateur),
        avec_majoration=avec_majoration,
    )
    return droit if droit.est_beneficiaire else Droit(status=droit.status, date_debut_droit=None)


def majoration(benefits: tuple[Benefit, ...], majorations: Mapping[str, bool]) -> bool | None:
    """Returns whether the benefit that was opened first is increased, or `None` if no benefit is open
    (docs/reference/upstreams/dss.md §2). `majorations` says for each benefit code whether it stands for an increased
    benefit."""
    opened = [
        (day_or_none(benefit.dt_ouverture_droit) or UNKNOWN_DAY, majorations[benefit.cd])
        for benefit in benefits
        if benefit.etat and benefit.etat.cd == OPEN and benefit.cd in majorations
    ]
    return min(opened, key=lambda one: one[0])[1] if opened else None


def participation(answer: Answer, today: date) -> contract.ParticipationFamiliale | NotFound:
    """Returns a household's data for the crèche rate. Returns an absence if the household has no child under
    `CRECHE_AGE`."""
    # The absence is logged, since a question about such a household may be a misuse.
    file = answer.decode(Household)
    enfants = file.enfants or ()
    if not any(under(CRECHE_AGE, child, today) for child in enfants):
        log.info("crèche rate asked for a household without a child of the age")
        return NotFound(NO_YOUNG_CHILD)
    return contract.ParticipationFamiliale(
        allocataires=tuple(map(personne, file.allocataires)),
        enfants=tuple(map(personne, enfants)),
        adresse=adresse(file.adresse),
        parametres_calcul_participation_familiale=contract.ParametresCalcul(
            nombre_enfants_a_charge=file.nombre_enfant_a_charge,
            nombre_enfants_beneficiaire_aeeh=file.nombre_beneficiaire_aeh,
            base_ressources_annuelles=contract.BaseRessources(
                valeur=round(file.montant_ressources),  # whole euros, says the contract
                annee_calcul=int(file.annee),
            ),
        ),
    )


def under(age: int, child: Member, today: date) -> bool:
    """Returns whether a child is under `age` years old (docs/reference/upstreams/dss.md §4)."""
    # An unknown month counts as January, and an unknown day as the first. A child whose year of birth is unknown counts
    # as older.
    year, month, day = (int(part) for part in (child.date_naissance or "0000-00-00").split("-"))
    return (year + age, month or 1, day or 1) > (today.year, today.month, today.day)


def personne(person: Member) -> contract.Personne:
    """Returns a member of a household as the contract publishes it (docs/reference/upstreams/dss.md §4)."""
    return contract.Personne(
        nom_naissance=person.nom_naissance,
        nom_usage=person.nom_usage,
        prenoms=person.liste_prenoms,
        date_naissance=person.date_naissance,
        sexe=SEXES.get(person.genre),
        code_cog_insee_commune_naissance=person.cog_naissance,
    )


def adresse(address: Address) -> contract.Adresse:
    return contract.Adresse(
        destinataire=address.identite,
        complement_information=address.complement_information,
        complement_information_geographique=address.complement_information_geo,
        numero_libelle_voie=address.numero_libelle_voie,
        lieu_dit=address.lieu_dit,
        code_postal_ville=address.code_postal_ville,
        pays=address.pays,
    )


class Prestation(Struct, frozen=True):
    """Operations of one benefit, and the function that reads the hub's answers about this benefit."""

    published: tuple[PublishedOperation[Any], ...]
    read: Callable[[Answer, date], Resource | NotFound]


PRESTATIONS = {
    "c2s": Prestation(contract.C2S, partial(right, HealthCover)),
    "rsa": Prestation(contract.RSA, partial(income, RSA_MAJORATIONS)),
    "ppa": Prestation(contract.PPA, partial(income, PPA_MAJORATIONS)),
    "aah": Prestation(contract.AAH, partial(right, Allowance)),
    "asf": Prestation(contract.ASF, partial(right, Allowance)),
    "aeeh": Prestation(contract.AEEH, partial(right, ChildAllowance)),
    "ars": Prestation(contract.ARS, partial(right, ChildAllowance)),
    "eaje": Prestation(contract.EAJE, participation),
}
"""Benefits by short name, such as `rsa`. The short name is also the beginning of the names of the benefit's settings,
such as `rsa_url`."""


worker = Worker(
    "dss", Settings, owner="team-dss", authority=Authority("Sécurité sociale", "36"), problems=contract.PROBLEMS
)


def hub(name: str, settings: Settings) -> Upstream:
    """Declares the hub as an upstream for the benefit `name`, and returns it. Each benefit has its own token and
    circuit breaker."""
    return hub_upstream("dss", name, hub_settings_of(name, settings))


async def answer(
    prestation: Prestation, question: Question[Identite], hub: UpstreamClient
) -> Resource | NotFound | Rejected:
    """Asks the hub about a person and a benefit, and returns the hub's answer."""
    response = await hub.get(params=query_of(question.identity), headers=headers_of(question))
    return refusal_of(response, question.identity, ABSENCES) or prestation.read(response, question.today)


for _name, _prestation in PRESTATIONS.items():
    worker.upstream(partial(hub, _name), name=_name)
    worker.answers(*_prestation.published, asking=[_name])(partial(answer, _prestation))
