"""Figures of a household for the crèche rate (EAJE), read from the social-security hub's answer
(docs/reference/upstreams/dss.md §4)."""

from __future__ import annotations

import logging
from datetime import date

from bouquet_dss import contract
from bouquet_dss.contract import NO_YOUNG_CHILD
from bouquet_dss.upstream import Household, Member
from bouquet_hub.quotient import SEXES, Address
from bouquet_worker import Answer, NotFound

log = logging.getLogger(__name__)

CRECHE_AGE = 7
"""Age, in years, below which a child may go to a crèche."""


def participation(answer: Answer, today: date) -> contract.ParticipationFamiliale | NotFound:
    """Returns a household's data for the crèche rate; `NotFound` if no child is under `CRECHE_AGE` on the day `today`.
    Raises `UpstreamError` if the answer does not describe a household."""
    # The absence is logged, since a question about such a household may be a misuse.
    file = answer.decode(Household)
    enfants = file.enfants or ()
    if not any(is_younger_than(CRECHE_AGE, child, today) for child in enfants):
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


def is_younger_than(age: int, child: Member, today: date) -> bool:
    """Returns whether a child is under `age` years old on the day `today` (docs/reference/upstreams/dss.md §4). Returns
    `False` if the year of birth is unknown."""
    # An unknown month counts as January, and an unknown day as the first. A child whose year of birth is unknown counts
    # as older.
    year, month, day = (int(part) for part in (child.date_naissance or "0000-00-00").split("-"))
    return (year + age, month or 1, day or 1) > (today.year, today.month, today.day)


def personne(person: Member) -> contract.Personne:
    """Converts a member of a household in the social-security hub's JSON into a person as published
    (docs/reference/upstreams/dss.md §4)."""
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
