"""Replies of CAF and MSA about a quotient familial, and the person whom they are about."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from bouquet_gateway.lookup.regime import ChoiceCriteria
from bouquet_proto.identity import Identite
from bouquet_proto.messages import Found
from bouquet_proto.quotient_familial import (
    Adresse,
    Personne,
    QuotientFamilial,
    Valeur,
    birth_parts,
)

WHO = Identite(
    nom_naissance="Quéméneur",
    annee_date_naissance=1986,
    mois_date_naissance=2,
    jour_date_naissance=19,
    sexe_etat_civil="F",
)
"""Person about whom CAF and MSA are asked."""
NOW = ChoiceCriteria(WHO, past_month=False)
"""Choice between the replies to a lookup about the present month."""
UNKNOWN_ADDRESS = Adresse(
    destinataire=None,
    complement_information=None,
    complement_information_geographique=None,
    numero_libelle_voie=None,
    lieu_dit=None,
    code_postal_ville=None,
    pays=None,
)
"""Address of which the provider knows no line."""


def file_of(fournisseur: str, *names: str, born: str = "1986-02-19") -> Found:
    """Returns the reply of `fournisseur`, `CNAF` or `MSA`, with a family's file. The allocataires have the family names
    `names`, or the name of `WHO`, and are born on `born`."""
    people = tuple(
        Personne(
            nom_naissance=name, nom_usage=None, prenoms="ANAEL", date_naissance=born, sexe="F", **birth_parts(born)
        )
        for name in names or ("QUEMENEUR",)
    )
    value = Valeur(fournisseur=fournisseur, valeur=698, annee=2026, mois=4, annee_calcul=2026, mois_calcul=2)  # type: ignore[arg-type]
    data = QuotientFamilial(quotient_familial=value, allocataires=people, enfants=(), adresse=UNKNOWN_ADDRESS)
    return Found(Raw(msgspec.json.encode(data)))
