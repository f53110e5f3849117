"""Tests of refusals (HTTP 400) by the hub, the API that CAF and MSA share: the answer to the caller, and the metric for
alerts."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY

from bouquet_hub.personas import Refusal
from bouquet_hub.simulator import SIMULATED_ANSWERS
from tests.support.mesh import mesh
from tests.support.people import CAF_ALLOCATAIRE, persona

# By the hub's error code: what is told, and the reason and fault by which `bouquet_bus_calls_total` counts it.
REFUSALS = """
40000  502 35000 CNAF & MSA  failed    upstream_internal     provider
40003  422 35561 CNAF & MSA  rejected  civil_status_refused  caller
40013  422 35561 CNAF & MSA  rejected  civil_status_refused  caller
40024  502 35000 CNAF & MSA  failed    upstream_internal     provider
40029  422 35565 CNAF & MSA  rejected  period_refused        caller
40099  502 35999 CNAF & MSA  failed    upstream_unknown      provider
"""


def counted(outcome: str, reason: str, fault: str) -> float:
    labels = {"provider": "cnaf", "request": "lookup", "outcome": outcome, "reason": reason, "fault": fault}
    return REGISTRY.get_sample_value("bouquet_bus_calls_total", labels) or 0.0


@pytest.mark.parametrize(
    ("code", "told", "labels"),
    [(int(row[:5]), row[7:29].strip(), row[29:].split()) for row in REFUSALS.strip().splitlines()],
)
async def test_a_hub_refusal_has_its_code_and_is_counted_by_fault(
    code: int, told: str, labels: tuple[str, str, str]
) -> None:
    """Tests that the caller gets the expected error if the hub refuses a call, and that the metric counts the refusal
    for the party at fault. The alert `ProviderDown` counts only the provider's faults."""
    before = counted(*labels)
    async with mesh() as client:
        for app in client.simulators.values():
            app[SIMULATED_ANSWERS][persona("LE GOUADEC").who] = Refusal(400, code, "Refus")
        answer = await client.get(params=CAF_ALLOCATAIRE)
    assert answer.summary == told
    assert counted(*labels) > before
