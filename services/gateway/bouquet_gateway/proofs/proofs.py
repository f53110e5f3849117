"""Making and verification of proofs, encrypted texts that show later what an answer said. Callers get proofs, and
anybody who holds one can have it verified."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from datetime import date, datetime
from hashlib import sha256

import msgspec
from msgspec import Raw

from bouquet_gateway.call import Call
from bouquet_gateway.errors.problems import Problem
from bouquet_gateway.offers.catalogue import Served
from bouquet_gateway.paths import PROOFS
from bouquet_gateway.proofs.keys import KeyRing, NotSealed
from bouquet_gateway.proofs.statement import Statement, last_day, sections_of

PROOF_ONLY = "proof-only"
"""Value of the header `X-Generate-Proof` that requests a proof."""
PARAMETER = "preuve"
"""Name of the query parameter that holds the text of the proof to verify."""
MAX_LENGTH = 4000
"""Largest number of characters in the text of a proof, so that every browser and proxy accepts a link with this
text."""
MAX_CONTENT_BYTES = 64_000
RAW_DEFLATE = -zlib.MAX_WBITS
PURPOSE, TEST_PURPOSE = "proof verification", "proof verification of test data"
"""Purposes of the sealed texts of real data, and of those of a sandbox. A gateway verifies only texts with its own
purpose."""

_decoder = msgspec.json.Decoder(Statement)


class Proofs:
    """Service that makes and verifies proofs, encrypted texts that show later what an answer said. It stores nothing: a
    proof contains everything that its verification shows."""

    def __init__(
        self, keys: KeyRing, clock: Callable[[], datetime], public_url: str, *, is_sandbox: bool = False
    ) -> None:
        """Takes `public_url`, the URL, without a final slash, at which people reach the gateways. `is_sandbox` says
        whether the gateway answers with recorded cases."""
        self._keys = keys
        self._clock = clock
        self._public_url = public_url
        self._purpose = TEST_PURPOSE if is_sandbox else PURPOSE

    def meta_of(self, served: Served, data: Raw, call: Call) -> dict[str, str]:
        """Makes a proof of an answer. Returns the members that the answer's `meta` gets: the proof's URL and its code.
        Raises `Problem` if the data makes the proof too long for a URL."""
        operation, today = served.operation, self._clock().date()
        assert operation.proof is not None
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
        content = zlib.compress(msgspec.json.encode(statement), 9, wbits=RAW_DEFLATE)
        text = self._keys.seal(content, self._purpose)
        if len(text) > MAX_LENGTH:
            raise Problem("malformed_reply", authority=served.authority, outcome="failed")
        return {
            "verification_url": f"{self._public_url}{PROOFS}?{PARAMETER}={text}",
            "verification_code": code_of(text),
        }

    def verify(self, text: str) -> Statement:
        """Returns the content of a proof. Raises `Problem` if `text` is no proof of these gateways, or if the proof has
        expired."""
        if len(text) > MAX_LENGTH:
            raise Problem("proof_unknown")
        try:
            statement = _decoder.decode(_inflated(self._keys.open(text, self._purpose)))
        except (NotSealed, zlib.error, msgspec.DecodeError):
            raise Problem("proof_unknown") from None
        if self._clock().date() > date.fromisoformat(statement.valid_until):
            raise Problem("proof_expired")
        return statement


def wants_proof(served: Served, header: str) -> bool:
    """Returns whether a call requests a proof, from the value of its header `X-Generate-Proof`. False if the header is
    empty, or if the operation has no proof; otherwise raises `Problem` for an unknown value."""
    if not header or served.operation.proof is None:
        return False
    if header != PROOF_ONLY:
        raise Problem("bad_request")
    return True


def code_of(text: str) -> str:
    """Returns the code of a proof, `XXXX-XXXX-XX`. People compare the code on a paper with the one that the
    verification shows."""
    digits = sha256(text.encode()).hexdigest()[:10].upper()
    return f"{digits[:4]}-{digits[4:8]}-{digits[8:]}"


def _inflated(content: bytes) -> bytes:
    return zlib.decompressobj(wbits=RAW_DEFLATE).decompress(content, MAX_CONTENT_BYTES)
