"""Names of the members of `meta` that the gateway writes for a proof, an encrypted text that shows later what an answer
said. An operation whose own `meta` has one of these names is refused."""

from __future__ import annotations

URL = "verification_url"
CODE = "verification_code"
DOCUMENT_EXPIRES_AT = "attestation_pdf_url_expires_at"

ALL = frozenset({URL, CODE, DOCUMENT_EXPIRES_AT})
