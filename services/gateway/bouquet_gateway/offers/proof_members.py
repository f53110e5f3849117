"""Names of the members of `meta` that the gateway writes for a proof, an encrypted text that shows later what an answer
said. The gateway refuses an operation whose own `meta` has such a name."""

from __future__ import annotations

URL = "verification_url"
CODE = "verification_code"
DOCUMENT_EXPIRES_AT = "attestation_pdf_url_expires_at"

ALL = frozenset({URL, CODE, DOCUMENT_EXPIRES_AT})
