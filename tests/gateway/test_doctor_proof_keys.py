"""Tests of what the doctor reports about the keys of proofs."""

from __future__ import annotations

import pytest

from bouquet_gateway.doctor.proof_keys import examine
from bouquet_gateway.settings import GatewaySettings
from bouquet_mesh.secret import Secret
from tests.support.gateway_client import TOKEN_KEY

FIRST, SECOND = "0123456789abcdef" * 2, "fedcba9876543210" * 2


@pytest.mark.parametrize(
    ("keys", "status", "says"),
    [
        ("", "well", "none: without BOUQUET_GATEWAY_PROOF_KEYS no proofs are made or verified"),
        (f"2026:{FIRST}", "well", "2026 seals, and no former one verifies"),
        (f"2027:{SECOND},2026:{FIRST}", "well", "2027 seals, 2026 verify too"),
        (f"2027:{'k' * 32},2026:{FIRST}", "wrong", "not random: 2027"),
        (f"2027:{FIRST},2026:{FIRST}", "wrong", "two names have one secret, so that nothing was rotated"),
        (f"2027:{TOKEN_KEY.reveal()}", "wrong", "also a key of tokens or of the cache: 2027"),
    ],
)
def test_the_doctor_reports_missing_weak_and_rotated_keys_of_proofs(keys: str, status: str, says: str) -> None:
    finding = examine(GatewaySettings(token_key=TOKEN_KEY, proof_keys=Secret(keys), journal=True))
    assert (finding.state, finding.says) == (status, says)
    assert FIRST not in f"{finding.says} {finding.remedy}"


def test_the_doctor_reports_that_proofs_without_a_journal_cannot_be_revoked() -> None:
    finding = examine(GatewaySettings(token_key=TOKEN_KEY, proof_keys=Secret(f"2026:{FIRST}"), journal=False))
    assert finding.says.endswith("; without a journal no proof can be revoked")
