"""Making and verification of proofs, encrypted texts that show later what an answer said. Callers get proofs, and
anybody who holds a proof can have it verified."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from hashlib import sha256

import msgspec
from msgspec import Raw, Struct

from bouquet_gateway.call import Call
from bouquet_gateway.errors.problems import Problem
from bouquet_gateway.offers import proof_members
from bouquet_gateway.offers.catalogue import ServedOperation
from bouquet_gateway.paths import PROOF_DOCUMENT, PROOFS
from bouquet_gateway.proofs.document import Document
from bouquet_gateway.proofs.keys import KeyRing, NotSealed
from bouquet_gateway.proofs.sealing import S, TooLarge, seal, unseal
from bouquet_gateway.proofs.statement import Statement, document_sections_of, last_day, sections_of

PROOF_ONLY, PDF = "proof-only", "pdf"
"""Values of the header `X-Generate-Proof`: the first requests a proof, the second a proof and a PDF file."""
PROOF_PARAMETER = "preuve"
"""Name of the query parameter that holds the text of the proof to verify."""
DOCUMENT_PARAMETER = "document"
"""Name of the query parameter that holds the encrypted content of the PDF file to download."""
DOCUMENT_VALID_S = 300
"""Seconds after an answer for which the PDF file of its proof can be downloaded."""
MAX_DOCUMENT_LENGTH = 7500
"""Largest number of characters in the encrypted content of a PDF file. The download link contains it, and HTTP servers
accept URLs of about 8,000 characters."""
MAX_PROOF_LENGTH = 4000
"""Largest number of characters in the text of a proof. The link for its verification contains the text, and browsers
and proxies refuse very long links."""
PURPOSE, TEST_PURPOSE = "proof verification", "proof verification of test data"
"""Purposes for which proofs are encrypted: the first in a gateway with real data, the second in a sandbox. Neither kind
of gateway can verify the other's proofs."""

DOCUMENT_PURPOSE, TEST_DOCUMENT_PURPOSE = "proof document", "proof document of test data"

_decoder = msgspec.json.Decoder(Statement)
_document_decoder = msgspec.json.Decoder(Document)


class ProofMembers(Struct, frozen=True):
    """Members that the gateway adds to an answer's `meta` and `links` for a proof (a text that shows later what the
    answer said). Both are empty if no proof was made."""

    meta: Mapping[str, str | int] = {}
    links: Mapping[str, str] = {}


class Proofs:
    """Service that makes and verifies proofs, encrypted texts that show later what an answer said. Nothing is stored: a
    proof contains everything that its verification shows."""

    def __init__(
        self, keys: KeyRing, clock: Callable[[], datetime], public_url: str, *, is_sandbox: bool = False
    ) -> None:
        """Takes `public_url`, the URL, without a final slash, at which people reach the gateways. `is_sandbox` says
        whether the proofs are about invented data of a sandbox."""
        self._keys = keys
        self._clock = clock
        self._public_url = public_url
        self._purpose = TEST_PURPOSE if is_sandbox else PURPOSE
        self._document_purpose = TEST_DOCUMENT_PURPOSE if is_sandbox else DOCUMENT_PURPOSE

    def make(self, served: ServedOperation, kind: str, data: Raw, call: Call) -> ProofMembers:
        """Makes a proof of an answer and, if `kind` is `pdf`, the link to a PDF file. Raises `Problem` if the data is
        too large for a URL."""
        try:
            return self._made(served, kind, data, call)
        except TooLarge:
            raise Problem("malformed_reply", authority=served.authority, outcome="failed") from None

    def _made(self, served: ServedOperation, kind: str, data: Raw, call: Call) -> ProofMembers:
        operation, now = served.operation, self._clock()
        assert operation.proof is not None
        today = now.date()
        statement = Statement(
            operation=operation.id,
            title=operation.proof.title,
            source=call.authority or served.authority.label,
            siret=call.recipient,
            issued_on=today.isoformat(),
            valid_until=last_day(today).isoformat(),
            record=call.record_id,
            sections=sections_of(operation.proof, data),
        )
        text = seal(self._keys, statement, self._purpose, MAX_PROOF_LENGTH)
        meta = {proof_members.URL: self.url_of(text), proof_members.CODE: code_of(text)}
        if kind != PDF:
            return ProofMembers(meta)
        document = Document(
            title=statement.title,
            source=statement.source,
            siret=statement.siret,
            issued_on=statement.issued_on,
            habilitation=call.habilitation,
            expires_at=int(now.timestamp()) + DOCUMENT_VALID_S,
            proof=text,
            sections=document_sections_of(operation.proof, data),
        )
        sealed = seal(self._keys, document, self._document_purpose, MAX_DOCUMENT_LENGTH)
        url = f"{self._public_url}{PROOF_DOCUMENT}?{DOCUMENT_PARAMETER}={sealed}"
        return ProofMembers(meta | {proof_members.DOCUMENT_EXPIRES_AT: document.expires_at}, {"attestation_pdf": url})

    def url_of(self, text: str) -> str:
        """Returns the URL at which people verify the proof `text`."""
        return f"{self._public_url}{PROOFS}?{PROOF_PARAMETER}={text}"

    def document(self, text: str) -> Document:
        """Returns the content of a PDF file, decrypted from `text`. Raises `Problem` if the text is not from these
        gateways, or is more than five minutes old."""
        document = self._opened(text, MAX_DOCUMENT_LENGTH, self._document_purpose, _document_decoder)
        if self._clock().timestamp() >= document.expires_at:
            raise Problem("proof_document_expired")
        return document

    def verify(self, text: str) -> Statement:
        """Returns the content of the proof `text`. Raises `Problem` if these gateways have not made the proof, or if it
        has expired."""
        statement = self._opened(text, MAX_PROOF_LENGTH, self._purpose, _decoder)
        if self._clock().date() > date.fromisoformat(statement.valid_until):
            raise Problem("proof_expired")
        return statement

    def _opened(self, text: str, max_length: int, purpose: str, decoder: msgspec.json.Decoder[S]) -> S:
        if len(text) > max_length:
            raise Problem("proof_unknown")
        try:
            return unseal(self._keys, text, purpose, decoder)
        except NotSealed:
            raise Problem("proof_unknown") from None


def wanted_kind(served: ServedOperation, header: str) -> str:
    """Returns the kind of proof that the header `X-Generate-Proof` requests: `proof-only`, `pdf`, or "" if the header
    is empty or the operation has no proof. Raises `Problem` for any other value."""
    if not header or served.operation.proof is None:
        return ""
    if header not in (PROOF_ONLY, PDF):
        raise Problem("bad_request")
    return header


def code_of(text: str) -> str:
    """Returns the short code of the proof `text`, `XXXX-XXXX-XX`. People compare the code on paper with the code in the
    verification."""
    digits = sha256(text.encode()).hexdigest()[:10].upper()
    return f"{digits[:4]}-{digits[4:8]}-{digits[8:]}"
