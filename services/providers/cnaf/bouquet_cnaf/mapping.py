"""Conversion of the CAF's document about a family into the published composition
(docs/reference/upstreams/cnaf.md §4)."""

from __future__ import annotations

from bouquet_cnaf import contract
from bouquet_cnaf.upstream import Document, Person
from bouquet_hub.quotient import SEXES
from bouquet_proto.quotient_familial import QUOTIENT_MISSING
from bouquet_worker import Failed

ADDRESS_FIELDS = (
    # LIBLIG1ADR to LIBLIG7ADR, in their order (docs/reference/upstreams/cnaf.md §4).
    "identite",
    "complement_identite",
    "complement_identite_geo",
    "numero_rue",
    "lieu_dit",
    "code_postal_ville",
    "pays",
)


def to_contract(document: Document) -> contract.CompositionFamiliale | Failed:
    """Converts the CAF's document about a family into the published family composition. Returns a failure if the
    document has no quotient familial (docs/reference/upstreams/cnaf.md §4, §6)."""
    if document.quotient is None:
        return Failed(QUOTIENT_MISSING)
    return contract.CompositionFamiliale(
        quotient_familial=document.quotient.value,
        mois=document.quotient.month,
        annee=document.quotient.year,
        allocataires=tuple(map(personne, document.persons)),
        enfants=tuple(map(personne, document.children)),
        adresse=contract.Adresse(
            **{name: line for name, line in zip(ADDRESS_FIELDS, document.lines, strict=True) if line}
        ),
    )


def personne(person: Person) -> contract.Personne:
    """Converts an adult or a child in the CAF's document into a person as published. The sex is `None` if its code is
    unknown."""
    return contract.Personne(nom_prenom=person.name, date_de_naissance=person.born, sexe=SEXES.get(person.sex))
