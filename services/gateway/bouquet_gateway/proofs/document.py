"""Content of the document (PDF) of a proof, which travels in its link as the proof itself does."""

from __future__ import annotations

from msgspec import Struct

from bouquet_gateway.proofs.statement import Section


class Document(Struct, frozen=True, array_like=True):
    """Everything that a document shows: the answer as the caller's scopes opened it, and its proof."""

    title: str
    source: str
    """Label of the authority that has answered."""
    siret: str
    """SIRET of the administration that the answer was for."""
    issued_on: str
    """Day of the answer in Paris, `YYYY-MM-DD`."""
    habilitation: str
    """Id of the habilitation whose rights the call used; empty if there was none."""
    expires_at: int
    """Time until which the document can be downloaded, in seconds since the epoch."""
    proof: str
    """Sealed text of the proof."""
    sections: tuple[Section, ...]
