"""Conversion of jobseekers and payments from France Travail's JSON into the published status and payments
(docs/reference/upstreams/france_travail.md §2-3)."""

from __future__ import annotations

from bouquet_france_travail import contract
from bouquet_france_travail.upstream import Address, Jobseeker, Payment
from bouquet_worker import day_of, day_or_none, none_if_blank


def to_statut(identifiant: str, seeker: Jobseeker) -> contract.Statut:
    """Converts a jobseeker in France Travail's JSON into the published status. A blank text becomes `None`, and a time
    is cut to its date, `YYYY-MM-DD`."""
    return contract.Statut(
        identifiant=identifiant,
        identite=contract.Identite(
            civilite=none_if_blank(seeker.civilite),
            nom_naissance=none_if_blank(seeker.nom),
            nom_usage=none_if_blank(seeker.nom_usage),
            prenom=none_if_blank(seeker.prenom),
            sexe=none_if_blank(seeker.sexe),
            date_naissance=day_or_none(seeker.date_naissance),
        ),
        contact=contract.Contact(
            telephone=none_if_blank(seeker.telephone),
            telephone2=none_if_blank(seeker.telephone2),
            email=none_if_blank(seeker.email),
        ),
        adresse=adresse(seeker.adresse or Address()),
        inscription=contract.Inscription(
            date_debut=day_or_none(seeker.date_inscription),
            date_fin=day_or_none(seeker.date_cessation_inscription),
            categorie=contract.Categorie(
                code=int(seeker.categorie_inscription), libelle=none_if_blank(seeker.libelle_categorie)
            ),
            code_certification_cnav=none_if_blank(seeker.certification),
        ),
    )


def adresse(address: Address) -> contract.Adresse:
    return contract.Adresse(
        code_postal=none_if_blank(address.code_postal),
        code_cog_insee_commune=none_if_blank(address.insee_commune),
        localite=none_if_blank(address.localite),
        ligne_voie=none_if_blank(address.ligne_voie),
        ligne_complement_destinataire=none_if_blank(address.ligne_complement_destinataire),
        ligne_complement_adresse=none_if_blank(address.ligne_complement_adresse),
        ligne_complement_distribution=none_if_blank(address.ligne_complement_distribution),
        ligne_nom=none_if_blank(address.ligne_nom),
    )


def paiement(payment: Payment) -> contract.Paiement:
    return contract.Paiement(
        date_versement=day_of(payment.date_paiement),
        montant_total=payment.montant_paiement,
        montant_allocations=payment.allocations,
        montant_aides=payment.aides,
        montant_autres=payment.autres_paiements,
    )
