"""Tests of the table in docs/reference/upstreams/regime.md §4: a row is an outcome of the simulated CAF, a column an
outcome of the simulated MSA."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tests.support.clock import skip_time
from tests.support.mesh import mesh, short_upstream_timeouts
from tests.support.people import staged_query
from tests.support.waiting import until

FOUND, NO_FILE, INCOMPLETE, SLOW = "FOUND", "NO-FILE", "INCOMPLETE", "SLOW"

# Rows are what the CNAF says, columns the MSA. Those of docs/reference/upstreams/regime.md §3 in the order of
# docs/reference/upstreams/regime.md §4, then a file without quotient.
TABLE = """
               FOUND  NO-FILE  UNATTACHED  UNIDENTIFIED  REJECTED  OUT-OF-PERIOD  UNAVAILABLE  SLOW   INCOMPLETE
FOUND          both   CNAF     CNAF        CNAF          CNAF      CNAF           CNAF         CNAF   CNAF
NO-FILE        MSA    35003    35003       35003         35561     35565          10001        10002  10502
UNATTACHED     MSA    35003    35003       35003         35561     35565          10001        10002  10502
UNIDENTIFIED   MSA    35003    35003       35560         35561     35565          10001        10002  10502
REJECTED       MSA    35561    35561       35561         35561     35561          10001        10002  10502
OUT-OF-PERIOD  MSA    35565    35565       35565         35565     35565          10001        10002  10502
UNAVAILABLE    MSA    23001    23001       23001         23001     23001          35001        35001  23001
SLOW           MSA    23002    23002       23002         23002     23002          35001        35002  23002
INCOMPLETE     MSA    23502    23502       23502         23502     23502          10001        10002  35502
"""

TOLD = {
    "CNAF": "200 CNAF",
    "MSA": "200 MSA",
    "35560": "422 35560 CNAF & MSA",
    "35561": "422 35561 CNAF & MSA",
    "35565": "422 35565 CNAF & MSA",
    "35003": "404 35003 CNAF & MSA",
    **{f"{prefix}{kind}": f"{status} {prefix}{kind} {label}"
       for prefix, label in (("23", "CNAF"), ("10", "MSA"), ("35", "CNAF & MSA"))
       for kind, status in (("001", 502), ("002", 504), ("502", 502))},
}  # fmt: skip

BOTH_FOUND = {"alone": "CNAF", "beside the other": "MSA"}
"""Provider whose data the caller gets if CAF and MSA both know the person. The key tells the order of the questions:
for `alone`, the CAF is asked first; for `beside the other`, both are asked at once."""


def patience(cnaf: str, msa: str, first: str = "alone") -> dict[str, Any]:
    """Returns mesh settings for one cell of the table: the CAF has the outcome `cnaf`, the MSA the outcome `msa`. The
    worker of a silent provider stops waiting after 0.3 seconds. For `first`, see the keys of `BOTH_FOUND`."""
    silent = [provider for provider, says in (("cnaf", cnaf), ("msa", msa)) if says == SLOW]
    hedged = {"hedge_after_s": 0.0} if first == "beside the other" else {"hedge_after_s": 0.03} if cnaf == SLOW else {}
    return {"environ": short_upstream_timeouts(*silent), **hedged}


def cells() -> Iterator[tuple[str, str, str]]:
    header, *rows = TABLE.strip().splitlines()
    for row in rows:
        cnaf, *told = row.split()
        yield from ((cnaf, msa, cell) for msa, cell in zip(header.split(), told, strict=True))


@pytest.mark.parametrize("first", BOTH_FOUND)
@pytest.mark.parametrize(("cnaf", "msa", "cell"), list(cells()))
async def test_every_pair_of_provider_outcomes_is_answered_as_in_the_table(
    cnaf: str, msa: str, cell: str, first: str
) -> None:
    async with mesh(**patience(cnaf, msa, first)) as client:
        answer = await client.get(params=staged_query(f"CAF-{cnaf} MSA-{msa}"))
    assert answer.summary == TOLD[BOTH_FOUND[first] if cell == "both" else cell]


def test_the_regime_table_has_every_pair_of_outcomes() -> None:
    header, *rows = TABLE.strip().splitlines()
    outcomes = header.split()
    assert [(cnaf, msa) for cnaf, msa, _ in cells()] == list(itertools.product(outcomes, repeat=2))
    assert len(rows) == 9


# The failures of one fund beside an absence at the other: its own code, in its own name
# (docs/reference/upstreams/regime.md §4, first note).
FAULTS = {
    "TECHNICAL": "502 000",
    "TROUBLED": "502 000",
    "INTERNAL": "502 000",
    "REDIRECT": "502 000",
    "UNAVAILABLE": "502 001",
    "GATEWAY-TIMEOUT": "504 002",
    "CUT": "504 002",
    "RATE-LIMITED": "502 008",
    "HTML": "502 999",
    "TRUNCATED": "502 999",
    "EMPTY": "502 999",
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_one_failing_provider_is_named_and_two_get_the_common_name(fault: str) -> None:
    status, kind = FAULTS[fault].split()
    async with mesh() as client:
        told = [
            (await client.get(params=staged_query(people))).summary
            for people in (f"CAF-{fault} MSA-NO-FILE", f"CAF-NO-FILE MSA-{fault}", f"CAF-{fault} MSA-{fault}")
        ]
    assert told == [f"{status} 23{kind} CNAF", f"{status} 10{kind} MSA", f"{status} 35{kind} CNAF & MSA"]


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_file_at_one_provider_is_the_answer_whatever_the_other_does(fault: str) -> None:
    async with mesh() as client:
        answers = [await client.get(params=staged_query(f"CAF-{fault} MSA-FOUND"))]
        answers += [await client.get(params=staged_query(f"CAF-FOUND MSA-{fault}"))]
    assert [answer.summary for answer in answers] == ["200 MSA", "200 CNAF"]


async def test_an_absence_at_caf_and_msa_names_neither() -> None:
    async with mesh() as client:
        answer = await client.get(params=staged_query("CAF-NO-FILE MSA-NO-FILE"))
    assert answer.json == {
        "errors": [
            {
                "code": "35003",
                "title": "Allocataire non référencé",
                "detail": "L'allocataire n'est pas référencé auprès des caisses éligibles",
                "meta": {"provider": "CNAF & MSA"},
            }
        ]
    }


async def test_a_refused_civil_status_has_the_hub_s_own_text() -> None:
    async with mesh() as client:
        answer = await client.get(params=staged_query("CAF-REJECTED MSA-NO-FILE"))
    assert answer.json == {
        "errors": [
            {
                "code": "35561",
                "title": "Paramètres de civilité refusés par le fournisseur de données",
                "detail": "Un ou plusieurs paramètres de civilité ont été refusés par le fournisseur de données.",
                "meta": {
                    "provider_error_code": 40013,
                    "provider_error_message": "Civilité invalide",
                    "provider": "CNAF & MSA",
                },
            }
        ]
    }


async def test_an_unidentifiable_person_is_refused_with_the_hub_s_code() -> None:
    async with mesh() as client:
        answer = await client.get(params=staged_query("CAF-UNIDENTIFIED MSA-UNIDENTIFIED"))
    assert answer.json == {
        "errors": [
            {
                "code": "35560",
                "title": "Identité non reconnue par le fournisseur de données",
                "detail": "Les paramètres d'identité fournis ne correspondent à aucune personne connue "
                "du fournisseur de données.",
                "meta": {"provider": "CNAF & MSA"},
            }
        ]
    }


SILENT_TO_THE_DEADLINE = {
    "CAF-NO-FILE MSA-SLOW": "504 10002 MSA",
    "CAF-SLOW MSA-NO-FILE": "504 23002 CNAF",
    "CAF-SLOW MSA-SLOW": "504 35002 CNAF & MSA",
    "CAF-SLOW MSA-FOUND": "200 MSA",
}


@pytest.mark.parametrize("hedge_after_s", [0.1, 0.0])
async def test_a_provider_silent_until_the_deadline_never_becomes_a_404(
    hedge_after_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tests that a call gets a 504 or the other provider's data, never a 404, if a provider stays silent until the
    gateway's deadline. The workers would wait longer than that deadline."""
    deadline_s = 30.0
    environ = short_upstream_timeouts("cnaf", "msa", after_s=2 * deadline_s)
    async with mesh(deadline_s=deadline_s, hedge_after_s=hedge_after_s, environ=environ) as client:
        before = replies_that_are_no_failures()
        calls = [asyncio.create_task(client.get(params=staged_query(people))) for people in SILENT_TO_THE_DEADLINE]
        each = dict.fromkeys(client.simulators, len(calls))
        await until(lambda: client.call_counts == each and replies_that_are_no_failures() == before + 3)
        skip_time(monkeypatch, deadline_s)
        answers = await asyncio.gather(*calls)
    assert [answer.summary for answer in answers] == list(SILENT_TO_THE_DEADLINE.values())


def replies_that_are_no_failures() -> float:
    """Returns how many replies other than failures the gateways of this process have got from CAF and MSA."""
    samples = [sample for metric in REGISTRY.collect() for sample in metric.samples]
    lookups = [
        sample
        for sample in samples
        if sample.name == "bouquet_bus_calls_total"
        and sample.labels["request"] == "lookup"
        and sample.labels["provider"] in ("cnaf", "msa")
        and sample.labels["outcome"] != "failed"
    ]
    return sum(sample.value for sample in lookups)


@pytest.mark.broker
@pytest.mark.parametrize(
    ("people", "told"),
    [
        ("CAF-FOUND MSA-FOUND", "200 CNAF"),
        ("CAF-NO-FILE MSA-FOUND", "200 MSA"),
        ("CAF-SLOW MSA-FOUND", "200 MSA"),
        ("CAF-NO-FILE MSA-NO-FILE", "404 35003 CNAF & MSA"),
        ("CAF-UNIDENTIFIED MSA-UNIDENTIFIED", "422 35560 CNAF & MSA"),
        ("CAF-REJECTED MSA-NO-FILE", "422 35561 CNAF & MSA"),
        ("CAF-OUT-OF-PERIOD MSA-NO-FILE", "422 35565 CNAF & MSA"),
        ("CAF-NO-FILE MSA-SLOW", "504 10002 MSA"),
        ("CAF-UNAVAILABLE MSA-NO-FILE", "502 23001 CNAF"),
        ("CAF-UNAVAILABLE MSA-SLOW", "502 35001 CNAF & MSA"),
    ],
)
async def test_the_regime_table_holds_on_rabbitmq(broker_url: str, people: str, told: str) -> None:
    cnaf, msa = (word.partition("-")[2] for word in people.split())
    async with mesh(broker_url, **patience(cnaf, msa)) as client:
        assert (await client.get(params=staged_query(people))).summary == told
