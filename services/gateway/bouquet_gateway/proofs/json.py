"""Result of verifying a proof, as JSON for programs. A proof is an encrypted text that shows later what an answer
said."""

from __future__ import annotations

from collections.abc import Mapping

from bouquet_gateway.proofs.checks import VerifiedProof
from bouquet_gateway.proofs.journal_entry import KnownState
from bouquet_gateway.proofs.proofs import code_of

ENTRY_STATE_NAMES: Mapping[KnownState, str] = {
    "kept": "conservee",
    "pruned": "plus_conservee",
    "absent": "absente",
    "unknown": "inconnu",
}
"""Public name, in French, of each state of a record in the access journal."""


def as_json(verified: VerifiedProof, *, is_test: bool) -> Mapping[str, object]:
    """Converts a valid proof to the object `data` of a JSON answer. `is_test` says whether the proof is about invented
    data of a sandbox."""
    statement = verified.statement
    return {
        "operation": statement.operation,
        "titre": statement.title,
        "source": statement.source,
        "verification_code": code_of(verified.text),
        "siret_demandeur": statement.siret,
        "emise_le": statement.issued_on,
        "valable_jusqu_au": statement.valid_until,
        "entree_journal": statement.record or None,
        "etat_entree_journal": verified.entry and ENTRY_STATE_NAMES[verified.entry],
        "donnees_de_test": is_test,
        "sections": [
            {
                "titre": section.title,
                "entrees": [[{"libelle": row.label, "valeur": row.value} for row in rows] for rows in section.entries],
            }
            for section in statement.sections
        ],
    }
