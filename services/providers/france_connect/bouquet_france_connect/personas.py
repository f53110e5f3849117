"""Invented citizens of the simulated FranceConnect, by access token. The providers' simulators know the same people."""
# Every forged answer (`simulator.FORGED_ANSWERS`) is about `MAELYS`.

from __future__ import annotations

from typing import Any, TypeAlias

from msgspec import Struct, structs

Json: TypeAlias = dict[str, Any]

SCOPES = " ".join(
    (
        "openid identite_pivot",
        "cnaf_quotient_familial cnaf_allocataires cnaf_enfants cnaf_adresse",
        "complementaire_sante_solidaire revenu_solidarite_active revenu_solidarite_active_majoration",
        "prime_activite prime_activite_majoration allocation_adulte_handicape allocation_soutien_familial",
        "cnav_allocation_enfant_handicape cnav_allocation_rentree_scolaire",
        "cnav_participation_familiale_eaje_allocataires cnav_participation_familiale_eaje_enfants",
        "cnav_participation_familiale_eaje_adresse cnav_participation_familiale_eaje_parametres_calcul",
        "mesri_identifiant mesri_identite mesri_inscription_etudiant mesri_inscription_autre mesri_admission",
        "mesri_etablissements mesri_admissions mesri_admission_inscrit mesri_admission_regime_formation",
        "mesri_admission_commune_etudes mesri_admission_etablissement_etudes",
        "cnous_statut_boursier cnous_echelon_bourse cnous_email cnous_periode_versement cnous_statut_bourse",
        "cnous_ville_etudes cnous_identite cnous_ine",
        "gip_mds_service_civique_statut_actuel gip_mds_service_civique_statut_passe",
        "gip_mds_service_civique_organisme_accueil gip_mds_service_civique_dates dsnj_statut_service_national",
        "ants_extrait_immatriculation_vehicule_identite_particulier",
        "ants_extrait_immatriculation_vehicule_adresse_particulier",
        "ants_extrait_immatriculation_vehicule_statut_rattachement",
        "ants_extrait_immatriculation_vehicule_donnees_immatriculation_vehicule",
        "ants_extrait_immatriculation_vehicule_caracteristiques_techniques_vehicule",
    )
)
"""Scopes, separated by spaces, of the session of a citizen who granted every scope."""
# They include `identite_pivot`, an identity scope of FranceConnect that no operation needs.


class Citizen(Struct, frozen=True, kw_only=True):
    story: str
    gender: str
    family_name: str
    given_names: tuple[str, ...]
    birthdate: str
    """Date of birth as `YYYY-MM-DD`, with zeros for an unknown part, as in `1991-00-00`."""
    birthplace: str = ""
    birthcountry: str = "99100"
    scopes: str = SCOPES
    changed_claims: Json = {}
    """Claims, by name, that replace the claims made from the other fields. A claim whose value is `None` is left
    out."""

    def pivot(self) -> Json:
        """Returns the citizen's identity as FranceConnect's claims, such as `given_name`."""
        claims = {
            "gender": self.gender,
            "given_name": " ".join(self.given_names),
            "given_name_array": list(self.given_names),
            "family_name": self.family_name,
            "birthdate": self.birthdate,
            "birthplace": self.birthplace,
            "birthcountry": self.birthcountry,
        }
        return {name: value for name, value in (claims | self.changed_claims).items() if value is not None}


MAELYS = Citizen(
    story="The CAF knows her: quotient familial and household",
    gender="female",
    family_name="LE GOUADEC",
    given_names=("Maëlys", "Inès"),
    birthdate="1989-06-14",
    birthplace="29019",
)


def _maelys(story: str, **changes: Any) -> Citizen:
    return structs.replace(MAELYS, story=story, **changes)


CITIZENS = {
    "jeton-maelys": MAELYS,
    "jeton-remi": Citizen(
        story="The MSA knows him, the CAF does not",
        gender="male",
        family_name="CASTAGNOS",
        given_names=("Rémi", "Gaston"),
        birthdate="1978-09-03",
        birthplace="32013",
    ),
    "jeton-helene": Citizen(
        story="Neither fund has a file",
        gender="female",
        family_name="FONTVIEILLE",
        given_names=("Hélène",),
        birthdate="1992-01-27",
        birthplace="44109",
    ),
    "jeton-samira": Citizen(
        story="Born abroad on an unknown day of an unknown month; the CAF has a file all the same",
        gender="female",
        family_name="BENZERTI-ROCHE",
        given_names=("Samira",),
        birthdate="1991-00-00",
        birthcountry="99351",
    ),
    "jeton-maiwenn": Citizen(
        story="A student and scholarship holder",
        gender="female",
        family_name="LE GOFF",
        given_names=("Maïwenn", "Rozenn"),
        birthdate="2005-06-17",
        birthplace="29039",
    ),
    "jeton-aissata": Citizen(
        story="A student born abroad",
        gender="female",
        family_name="OUEDRAOGO-BLIN",
        given_names=("Aïssata",),
        birthdate="1984-12-30",
        birthcountry="99331",
    ),
    "jeton-marie-claire": Citizen(
        story="A compound first name without a hyphen; nobody has a file",
        gender="female",
        family_name="VALADIER",
        given_names=("Marie Claire", "Josette"),
        birthdate="1961-02-28",
        birthplace="63113",
    ),
    "jeton-jour-inconnu": _maelys("Only the day is unknown", birthdate="1989-06-00"),
    "jeton-peu-de-droits": _maelys("Grants the quotient alone", scopes="openid cnaf_quotient_familial"),
    "jeton-sans-droits": _maelys("Grants no scope of the contract", scopes="openid profile"),
    "jeton-sans-liste": _maelys("First names in one text alone", changed_claims={"given_name_array": None}),
    "jeton-sans-nom": _maelys("No birth name", changed_claims={"family_name": None}),
    "jeton-nom-illisible": _maelys("A birth name that is none", family_name="L3 G0UADEC"),
    "jeton-sans-prenom": _maelys("No first name", given_names=()),
    "jeton-sans-naissance": _maelys("No birth date", changed_claims={"birthdate": None}),
    "jeton-sans-annee": _maelys("A birth date of an unknown year", birthdate="0000-06-14"),
    "jeton-mois-impossible": _maelys("Born in a thirteenth month", birthdate="1989-13-14"),
    "jeton-jour-impossible": _maelys("Born on a 32 June", birthdate="1989-06-32"),
    "jeton-date-impossible": _maelys("Born on a 30 February", birthdate="1989-02-30"),
    "jeton-sans-rien": _maelys(
        "Nothing of the identity",
        changed_claims=dict.fromkeys(("family_name", "given_name", "given_name_array", "birthdate")),
    ),
}
