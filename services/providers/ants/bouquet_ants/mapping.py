"""Conversion of a vehicle's record in the SIV, the State's register of vehicles, into the published extract
(docs/reference/upstreams/ants.md §5)."""

from __future__ import annotations

import re

from bouquet_ants import contract
from bouquet_ants.contract import ExtraitImmatriculation
from bouquet_ants.labels import CATEGORIES, FUELS, KINDS
from bouquet_ants.matching import Match
from bouquet_ants.upstream import Address, Registration, Vehicle, VehicleRecord
from bouquet_worker import day_or_none

SEXES: dict[str | None, contract.Sexe] = {"M": "M", "F": "F"}
LINKS: dict[str, contract.Statut] = {
    "titulaire": "titulaire",
    "cotitulaire": "cotitulaire",
    "locataire": "locataire",
}
EURO = re.compile(r"EURO\s?(VI|[1-6])")


def to_contract(record: VehicleRecord, match: Match) -> ExtraitImmatriculation:
    return ExtraitImmatriculation(
        identite_particulier=identite(match),
        adresse_particulier=adresse(match.attached.address),
        statut_rattachement=LINKS.get(match.attached.link),
        donnees_immatriculation_vehicule=immatriculation(record.registration),
        caracteristiques_techniques_vehicule=caracteristiques(record.vehicle),
        identity_matching=contract.IdentityMatching(
            family_name=1.0, given_name=1.0, birth_date=float(match.same_birth_date), overall_match=True
        ),
    )


def identite(match: Match) -> contract.Identite:
    person = match.attached.person
    year, month, day = (int(part) or None for part in (day_or_none(person.date_naissance) or "0-0-0").split("-"))
    return contract.Identite(
        nom=match.name.nom,
        prenom=match.name.prenoms[0],
        sexe_etat_civil=SEXES.get(person.sexe),
        annee_date_naissance=year,
        mois_date_naissance=month,
        jour_date_naissance=day,
        code_departement_naissance=person.code_dep_naissance,
    )


def adresse(address: Address) -> contract.Adresse:
    return contract.Adresse(
        complement_information=address.compl_adresse,
        num_voie=address.num_voie,
        type_voie=address.type_voie,
        libelle_voie=address.libelle_voie,
        code_postal_ville=address.code_postal,
        libelle_commune=address.libelle_commune,
        lieu_dit=address.lieudit_ou_bp,
        etage_escalier_appartement=address.point_remise,
        extension=address.extension,
        pays=address.pays,
    )


def immatriculation(registration: Registration) -> contract.Immatriculation:
    # `code_type_immat`, which the State's service shows here, says nothing about a rental (docs/contract.md).
    return contract.Immatriculation(
        numero_immatriculation=registration.num_immat,
        date_premiere_immatriculation=day_or_none(registration.date_prem_immat),
        statut_location=contract.Code(code=registration.code_type_loc, label=registration.libelle_type_loc),
    )


def caracteristiques(vehicle: Vehicle) -> contract.Caracteristiques:
    return contract.Caracteristiques(
        marque=vehicle.marque_vehicule,
        type_variante_version=vehicle.tvv,
        denomination_commerciale=vehicle.denomination_com,
        masse_charge_maximale=_whole(vehicle.ptac),
        categorie_vehicule=_labelled(vehicle.categorie_ce, CATEGORIES),
        genre_national=_labelled(vehicle.genre_national, KINDS),
        cylindree=_whole(vehicle.cylindree),
        type_carburant=_labelled(vehicle.energie, FUELS),
        taux_co2=_whole(vehicle.co2),
        classe_environnementale=emission_class(vehicle.classe_environnement_ce),
    )


def emission_class(text: str | None) -> contract.Code:
    """Returns the Euro class that a text of the SIV names, with a label: `Euro 4` for `70/220*2003/76EURO4`. If the
    text names none, the code is the text itself, without a label."""
    found = EURO.search(text or "")
    if found is None:
        return contract.Code(code=text, label=None)
    code = f"Euro {found[1]}"
    return contract.Code(code=code, label=f"Norme européenne d'émission {code}")


def _labelled(code: str | None, labels: dict[str, str]) -> contract.Code:
    return contract.Code(code=code, label=labels.get(code or ""))


def _whole(number: float | None) -> int | None:
    return None if number is None else round(number)
