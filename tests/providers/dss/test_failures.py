"""Tests of the hub's errors, as the DSS worker and the gateway report them (docs/reference/upstreams/hub.md §3)."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from bouquet_dss.contract import PROBLEMS
from bouquet_dss.personas import scripted_answer
from bouquet_dss.worker import PRESTATIONS, worker
from bouquet_gateway.errors.problems import Problem, render
from bouquet_hub.personas import RNCPS_CODE, SCRIPTED_ANSWERS, person_asked_for
from bouquet_proto.messages import Failed, Meta, NotFound, Rejected, Reply
from bouquet_proto.rules.civil_status import NAME
from bouquet_worker.simulate import Fault
from bouquet_worker.testing.captured_telemetry import log_text_of
from tests.providers.dss.replies import CNAF, MSA, OPERATIONS, refusal, reply_to
from tests.providers.worker_client import PATIENCE_S, SILENCE_S, TODAY, WorkerClient, identite
from tests.support.spans import recorded_spans, span_text

ABSENT: dict[tuple[int, str], tuple[Reply, int, str, str, str, dict[str, str]]] = {
    # By error code and signature: the reply, then the HTTP status, code, title, detail and meta that a client sees.
    **{
        (40409, signature): (
            Rejected("unidentified"),
            422,
            "36560",
            "Identité non reconnue par le fournisseur de données",
            "Les paramètres d'identité fournis ne correspondent à aucune personne connue du fournisseur de données.",
            {"provider": "Sécurité sociale"},
        )
        for signature in ("", CNAF)
    },
    **{
        (code, signature): (
            NotFound("unattached"),
            404,
            "35003",
            "Allocataire non référencé",
            "L'allocataire n'est pas référencé auprès des caisses éligibles",
            {"provider": "CNAF & MSA"},
        )
        for code in (40406, 40412)
        for signature in ("", MSA)
    },
    **{
        (code, signature): (
            NotFound(f"no_file_{fund.lower()}"),
            404,
            public_code,
            f"Dossier allocataire absent {fund}",
            f"Le dossier allocataire n'a pas été trouvé auprès {of_fund}.",
            {"provider": fund},
        )
        for code in (40401, 40407)
        for signature, fund, public_code, of_fund in (
            (CNAF, "CNAF", "23003", "de la CNAF"),
            (MSA, "MSA", "10003", "de la MSA"),
            (RNCPS_CODE, "RNCPS", "40003", "du RNCPS"),
        )
    },
    **{
        (code, signature): (
            Failed("upstream_unknown"),
            502,
            "36999",
            "Erreur inconnue du fournisseur de données",
            "La réponse retournée par le fournisseur de données est invalide et inconnue de notre service. "
            "L'équipe technique a été notifiée de cette erreur pour investigation.",
            {"provider": "Sécurité sociale"},
        )
        for code in (40401, 40407)
        for signature in ("", "00000000")
    },
}


def error_of(reply: Reply) -> tuple[int, Any]:
    """Returns the HTTP status and the error of the version 3 answer that the gateway makes from a worker's reply."""
    status, body = render(Problem.of(reply, worker.offer().authority), PROBLEMS, "v3")
    [error] = json.loads(body)["errors"]
    return status, error


@pytest.mark.parametrize(("code", "signature"), ABSENT)
@pytest.mark.parametrize("name", PRESTATIONS)
async def test_an_absence_names_the_authority_that_reported_it(
    dss: WorkerClient, name: str, code: int, signature: str
) -> None:
    reply = await reply_to(dss, name, refusal(code), signature=signature)
    expected, status, public_code, title, detail, meta = ABSENT[code, signature]
    assert reply == expected
    assert error_of(reply) == (status, {"code": public_code, "title": title, "detail": detail, "meta": meta})


async def test_a_household_without_a_young_child_is_an_error_of_the_cnav(dss: WorkerClient) -> None:
    reply = await dss(OPERATIONS["eaje"], identite("CAF-NOT-ENTITLED"))
    assert error_of(reply) == (
        404,
        {
            "code": "37003",
            "title": "Allocataire non éligible",
            "detail": "Le dossier allocataire a été trouvé mais n'est pas éligible à la participation familiale EAJE",
            "meta": {"provider": "CNAV"},
        },
    )


@pytest.mark.parametrize(
    ("status", "reason", "code"),
    [
        (429, "upstream_rate_limited", "36008"),
        (500, "upstream_internal", "36000"),
        (401, "upstream_unknown", "36999"),
        (403, "upstream_unknown", "36999"),
        (405, "upstream_unknown", "36999"),
        (501, "upstream_unknown", "36999"),
        (502, "upstream_unavailable", "36001"),
        (503, "upstream_unavailable", "36001"),
        (504, "upstream_timeout", "36002"),
    ],
)
@pytest.mark.parametrize("name", PRESTATIONS)
async def test_other_statuses_are_failures(dss: WorkerClient, name: str, status: int, reason: str, code: str) -> None:
    reply = await reply_to(dss, name, refusal(50001, status))
    assert reply == Failed(reason)
    assert error_of(reply)[1]["code"] == code
    assert error_of(reply)[1]["meta"] == {"provider": "Sécurité sociale"}


async def test_a_refusal_carries_the_hub_s_code_and_message(dss: WorkerClient) -> None:
    meta: Meta = {"provider_error_code": 40013, "provider_error_message": "Civilité invalide"}
    reply = await dss(OPERATIONS["asf"], identite("HUB-REJECTED"))
    assert reply == Rejected("civil_status_refused", meta)
    status, error = error_of(reply)
    assert (status, error["code"]) == (422, "36561")
    assert error["meta"] == meta | {"provider": "Sécurité sociale"}


STAGED: dict[str, Reply] = {
    "CAF-NO-FILE": NotFound("no_file_cnaf"),
    "MSA-NO-FILE": NotFound("no_file_msa"),
    "RNCPS-NO-FILE": NotFound("no_file_rncps"),
    "HUB-NO-FILE": Failed("upstream_unknown"),
    "HUB-UNATTACHED": NotFound("unattached"),
    "HUB-UNIDENTIFIED": Rejected("unidentified"),
    "RNCPS-TECHNICAL": Failed("upstream_internal"),
    "HUB-TROUBLED": Failed("upstream_internal"),
    "HUB-OUT-OF-PERIOD": Failed("upstream_unknown"),  # no month is asked
    "CAF-MALFORMED": Failed("upstream_malformed"),
    "CAF-INTERNAL": Failed("upstream_internal"),
    "CAF-RATE-LIMITED": Failed("upstream_rate_limited"),
    "CAF-UNAVAILABLE": Failed("upstream_unavailable"),
    "CAF-GATEWAY-TIMEOUT": Failed("upstream_timeout"),
    "CAF-HTML": Failed("upstream_malformed"),
    "CAF-TRUNCATED": Failed("upstream_malformed"),
    "CAF-EMPTY": Failed("upstream_malformed"),
    "CAF-REDIRECT": Failed("upstream_redirected"),
    "CAF-SLOW": Failed("upstream_timeout"),
    "CAF-CUT": Failed("upstream_timeout"),
}


@pytest.mark.parametrize("nom", STAGED)
@pytest.mark.parametrize("name", PRESTATIONS)
async def test_each_outcome_can_be_staged(dss: WorkerClient, name: str, nom: str) -> None:
    within_s = SILENCE_S if STAGED[nom] == Failed("upstream_timeout") else PATIENCE_S
    assert await dss(OPERATIONS[name], identite(nom), within_s=within_s) == STAGED[nom]


def test_every_fault_can_be_staged() -> None:
    words = {nom.partition("-")[2] for nom in STAGED}
    assert words >= {fault.name.replace("_", "-") for fault in Fault}
    assert words | {"REJECTED"} >= SCRIPTED_ANSWERS.keys()
    assert all(NAME.fullmatch(nom) for nom in STAGED)


async def test_a_household_without_address_is_no_answer(dss: WorkerClient) -> None:
    assert await dss(OPERATIONS["eaje"], identite("CAF-INCOMPLETE")) == Failed("upstream_malformed")


@pytest.mark.parametrize("nom", ["PESTEL", "CAF", "MSA FOUND", "SCAF-SLOW", "CAF-UNHEARD-OF"])
def test_an_ordinary_name_scripts_no_answer(nom: str) -> None:
    assert scripted_answer(person_asked_for({"nomNaissance": nom}), "rsa", TODAY) is None


@pytest.mark.parametrize("nom", ["CAF-FOUND", "CAF-HTML", "HUB-REJECTED", "CAF-MALFORMED", "CAF-NOT-ENTITLED"])
@pytest.mark.parametrize("name", ["ppa", "eaje"])
async def test_no_trace_nor_log_names_the_person(
    dss: WorkerClient, name: str, nom: str, caplog: pytest.LogCaptureFixture
) -> None:
    who = identite(f"{nom} MSA-FOUND", "Ignace", born="1971-10-28")
    with caplog.at_level(logging.DEBUG), recorded_spans() as spans:
        await dss(OPERATIONS[name], who)
        logged = "".join(map(log_text_of, caplog.records)) + "".join(map(span_text, spans.get_finished_spans()))
    words = (nom, "MSA-FOUND", "Ignace", "IGNACE", "1971-10-28", "19711028", "CADET")
    assert not [value for value in words if value in logged]
