"""Content of the PDF file that shows an answer and its proof. The content is in the link to the file, encrypted, so
that gateways store nothing."""

from __future__ import annotations

from msgspec import Struct

from bouquet_gateway.proofs.statement import Section


class Document(Struct, frozen=True, array_like=True):
    """Content of a PDF file about an answer: the data that the caller was allowed to receive, and the proof (an
    encrypted text that shows later what the answer said)."""

    title: str
    source: str
    """Label, such as `CNAF`, of the authority that has answered."""
    siret: str
    """SIRET of the administration that the answer was for."""
    issued_on: str
    """Day of the answer in Paris, `YYYY-MM-DD`."""
    habilitation: str
    """Id of the habilitation whose rights the call used; empty if there was none."""
    expires_at: int
    """Time from which the PDF file can no longer be downloaded, in seconds since the epoch."""
    proof: str
    """The proof itself: the encrypted text that shows later what the answer said."""
    sections: tuple[Section, ...]
