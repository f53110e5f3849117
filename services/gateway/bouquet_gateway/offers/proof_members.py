"""Names of the members that a proof adds to `meta` of an answer, which no offer may use. A proof is an encrypted text
that shows later what an answer said."""

from __future__ import annotations

URL = "verification_url"
CODE = "verification_code"
DOCUMENT_EXPIRES_AT = "attestation_pdf_url_expires_at"

ALL = frozenset({URL, CODE, DOCUMENT_EXPIRES_AT})
