"""Invented vehicles of the simulated SIV (the State's register of vehicles), by number plate. A search for a plate such
as `HTML0000000` makes the simulator fail (bouquet_worker.simulated_faults)."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

Texts: TypeAlias = dict[str, str]
"""Child elements of an XML element: their names, without namespace, and their texts."""


class Holder(Struct, frozen=True, kw_only=True):
    """Person or organisation that the simulated register attaches to a vehicle. An organisation's `identity` has the
    key `raison_sociale`."""

    link: str
    identity: Texts
    address: Texts = {}


class Vehicle(Struct, frozen=True, kw_only=True):
    story: str
    registration: Texts
    characteristics: Texts
    holders: tuple[Holder, ...]


RENTER = Holder(link="titulaire", identity={"flag_pers_physique": "non", "raison_sociale": "LOUEUR SIMULE SAS"})

CAR = {
    "marque_vehicule": "RENAULT",
    "tvv": "5RAB0HSIMULEE",
    "denomination_com": "CLIO",
    "ptac": "1640",
    "categorie_ce": "M1",
    "genre_national": "VP",
    "cylindree": "1149",
    "energie": "ES",
    "puissance_cv": "5",
    "co2": "139",
    "classe_environnement_ce": "70/220*2003/76EURO4",
}
VAN = {
    "marque_vehicule": "CITROEN",
    "tvv": "GJKFWCSIMULEE",
    "denomination_com": "BERLINGO",
    "ptac": "1960",
    "genre_national": "CTTE",
    "cylindree": "1868",
    "energie": "GO",
    "co2": "0",
}
PLUG_IN = {
    "marque_vehicule": "PEUGEOT",
    "tvv": "M4DGZTSIMULEE",
    "denomination_com": "3008",
    "ptac": "2380.0",
    "categorie_ce": "M1",
    "genre_national": "VP",
    "cylindree": "1598",
    "energie": "EE",
    "co2": "30",
    "classe_environnement_ce": "715/2007*2018/1832APEURO6",
}

VEHICLES: dict[str, Vehicle] = {
    "BZ-290-MA": Vehicle(
        story="Held by a citizen, with every line of the address",
        registration={
            "num_immat": "BZ-290-MA",
            "date_prem_immat": "2011-03-11",
            "code_type_immat": "N",
            "libelle_type_immat": "Normale",
        },
        characteristics=CAR,
        holders=(
            Holder(
                link="titulaire",
                identity={
                    "flag_pers_physique": "oui",
                    "nom_naiss": "LE GOUADEC",
                    "nom_usage": "KERVENNIC",
                    "prenom": "MAELYS",
                    "sexe": "F",
                    "date_naissance": "1989-06-14",
                    "code_dep_naissance": "29",
                },
                address={
                    "compl_adresse": "BATIMENT LES AJONCS",
                    "num_voie": "3",
                    "extension": "BIS",
                    "type_voie": "RUE",
                    "libelle_voie": "DU FOUR A PAIN",
                    "lieudit_ou_bp": "LE PILIER ROUGE",
                    "point_remise": "APPARTEMENT 14",
                    "code_postal": "29200",
                    "libelle_commune": "BREST",
                    "pays": "FRANCE",
                },
            ),
        ),
    ),
    "5127 QK 32": Vehicle(
        story="Of the former register, rented by a citizen for a long term",
        registration={
            "num_immat": "5127 QK 32",
            "date_prem_immat": "2007-10-30",
            "code_type_immat": "N",
            "libelle_type_immat": "Normale",
            "code_type_loc": "LLD",
            "libelle_type_loc": "location longue durée",
        },
        characteristics=VAN,
        holders=(
            RENTER,
            Holder(
                link="locataire",
                identity={
                    "flag_pers_physique": "oui",
                    "nom_naiss": "CASTAGNOS REMI GASTON",
                    "sexe": "M",
                    "date_naissance": "1978-09-03",
                    "code_dep_naissance": "32",
                },
                address={"libelle_voie": "CHEMIN DU MOULIN", "code_postal": "32000", "libelle_commune": "AUCH"},
            ),
        ),
    ),
    "GF-706-RZ": Vehicle(
        story="Held by a citizen's mother, and by the citizen, of whom the register knows little",
        registration={"num_immat": "GF-706-RZ", "date_prem_immat": "2022-05-04"},
        characteristics=PLUG_IN,
        holders=(
            Holder(
                link="cotitulaire",
                identity={"flag_pers_physique": "oui", "nom_naiss": "LE GOFF", "prenom": "MAIWENN", "sexe": "F"},
            ),
            Holder(
                link="titulaire",
                identity={
                    "flag_pers_physique": "oui",
                    "nom_naiss": "PRIGENT",
                    "prenom": "ROZENN",
                    "sexe": "F",
                    "date_naissance": "1976-11-20",
                    "code_dep_naissance": "29",
                },
                address={"num_voie": "8", "libelle_voie": "VENELLE DU LAVOIR", "code_postal": "29000"},
            ),
        ),
    ),
    "CR-118-SA": Vehicle(
        story="Held by a company alone",
        registration={"num_immat": "CR-118-SA", "date_prem_immat": "2012-02-27"},
        characteristics=VAN,
        holders=(RENTER,),
    ),
    "AAA-000-AAA": Vehicle(
        story="The plate for which health checks ask (docs/reference/upstreams/ants.md §7)",
        registration={"num_immat": "AAA-000-AAA"},
        characteristics={},
        holders=(),
    ),
}
