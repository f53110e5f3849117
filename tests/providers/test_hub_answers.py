"""Tests of the hub's error table (docs/reference/upstreams/hub.md §3), row by row."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from msgspec.structs import replace
from multidict import CIMultiDict

from bouquet_hub.answers import BAD_REQUESTS, FUNDS, refusal_of
from bouquet_hub.quotient import BAD_REQUESTS_OF_A_MONTH
from bouquet_proto.failures import FAILURES
from bouquet_proto.messages import NotFound, Rejected
from bouquet_worker.answer import Answer
from bouquet_worker.errors import UpstreamError
from tests.providers.worker_client import identite
from tests.support.openapi import upstream_sample

WHO = replace(identite("Le Gouädec", "Maëlys", born="1989-06-14"), nom_usage="KERVENNIC")
CNAF, MSA, RNCPS = "00810011", "00171001", "99430000"


def answer(status: int, code: object = None, text: object = "", *, fund: str | None = None) -> Answer:
    body = {"errorCode": code, "error": text}
    return raw(status, json.dumps(body, ensure_ascii=False).encode(), fund=fund)


def raw(status: int, body: bytes, *, fund: str | None = None) -> Answer:
    return Answer(status, CIMultiDict({"x-apisecu-fd": fund} if fund else {}), body)


def reason_of(answer: Answer) -> str:
    with pytest.raises(UpstreamError) as raised:
        refusal_of(answer, WHO)
    return raised.value.reason


def meta_of(answer: Answer) -> dict[str, str | int]:
    refusal = refusal_of(answer, WHO)
    assert isinstance(refusal, Rejected)
    assert refusal.reason == "civil_status_refused"
    return refusal.meta


def test_a_person_that_nobody_can_identify_is_a_wrong_parameter() -> None:
    assert refusal_of(answer(404, 40409), WHO) == Rejected("unidentified")


@pytest.mark.parametrize("code", [40406, 40412])
def test_a_person_attached_to_no_fund_is_unattached(code: int) -> None:
    assert refusal_of(answer(404, code), WHO) == NotFound("unattached")


@pytest.mark.parametrize("fund", FUNDS)
def test_a_404_signed_by_a_provider_is_the_absence_of_a_file(fund: str) -> None:
    assert refusal_of(answer(404, 40401, fund=fund), WHO) == NotFound("no_file")


def test_a_former_directory_code_is_read_by_its_signature() -> None:
    assert refusal_of(answer(404, 40407, fund=CNAF), WHO) == NotFound("no_file")


@pytest.mark.parametrize(("code", "refusal"), [(40409, Rejected("unidentified")), (40406, NotFound("unattached"))])
def test_directory_codes_come_before_the_signature(code: int, refusal: object) -> None:
    assert refusal_of(answer(404, code, fund=CNAF), WHO) == refusal


@pytest.mark.parametrize("fund", [None, "00000000", "CNAF"])
def test_a_404_without_a_known_signature_is_a_failure(fund: str | None) -> None:
    assert reason_of(answer(404, 40401, fund=fund)) == "upstream_unknown"


@pytest.mark.parametrize("body", [b"", b"<html>404</html>", b"[]", b'{"errorCode": ', b"\xff"])
def test_a_404_without_the_hub_s_json_is_a_failure(body: bytes) -> None:
    assert reason_of(raw(404, body, fund=CNAF)) == "upstream_unknown"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (429, "upstream_rate_limited"),
        (500, "upstream_internal"),
        (401, "upstream_unknown"),
        (403, "upstream_unknown"),
        (204, "upstream_unknown"),
        (206, "upstream_unknown"),
        (405, "upstream_unknown"),
        (501, "upstream_unknown"),
    ],
)
def test_other_statuses_are_failures(status: int, reason: str) -> None:
    assert reason_of(answer(status, 50001, fund=RNCPS)) == reason


def test_the_cause_of_a_failure_names_the_provider_behind_the_hub() -> None:
    with pytest.raises(UpstreamError) as raised:
        refusal_of(answer(500, 50001, fund=MSA), WHO)
    assert raised.value.cause == "HTTP 500 by MSA"


def test_a_200_is_no_refusal() -> None:
    assert refusal_of(raw(200, b"{}", fund=CNAF), WHO) is None


def test_a_refusal_carries_the_hub_s_code_and_message() -> None:
    meta = {"provider_error_code": 40013, "provider_error_message": "Civilité invalide"}
    assert meta_of(answer(400, 40013, "Civilité invalide")) == meta


# By the error code of a 400: what the quotient answers, any other prestation, and whose fault it is.
BAD_REQUEST = """
40000    upstream_internal     upstream_internal     provider
40001    civil_status_refused  civil_status_refused  caller
40002    civil_status_refused  civil_status_refused  caller
40003    civil_status_refused  civil_status_refused  caller
40005    civil_status_refused  civil_status_refused  caller
40013    civil_status_refused  civil_status_refused  caller
40024    upstream_internal     upstream_internal     provider
40029    period_refused        upstream_unknown      caller
40030    upstream_unknown      upstream_unknown      provider
40409    upstream_unknown      upstream_unknown      provider
"""


@pytest.mark.parametrize(
    ("code", "of_a_month", "of_a_person", "fault"), [row.split() for row in BAD_REQUEST.strip().splitlines()]
)
def test_a_400_is_understood_by_its_code(code: str, of_a_month: str, of_a_person: str, fault: str) -> None:
    refused = answer(400, int(code), "Refus")
    assert (reason_of_either(refused, BAD_REQUESTS_OF_A_MONTH), reason_of_either(refused, BAD_REQUESTS)) == (
        of_a_month,
        of_a_person,
    )
    assert FAILURES[of_a_month].fault == fault


def test_every_error_code_of_the_hub_is_tested() -> None:
    tried = {int(row.split()[0]) for row in BAD_REQUEST.strip().splitlines()}
    assert tried > BAD_REQUESTS_OF_A_MONTH.keys() > BAD_REQUESTS.keys()


def reason_of_either(answer: Answer, bad_requests: Mapping[int | None, str]) -> str:
    """Returns the failure reason that the worker derives from an error answer of the hub, whether it refuses the
    request (`Rejected`) or raises an `UpstreamError`."""
    try:
        refusal = refusal_of(answer, WHO, bad_requests=bad_requests)
    except UpstreamError as error:
        return error.reason
    assert isinstance(refusal, Rejected)
    return refusal.reason


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Bad request</html>",
        b'{"errorCode": 40013, "error": 3}',
        b'{"errorCode": "40013"}',
        b'{"errorCode": 289062901912345}',
        b'{"error": "Refus"}',
        b"{}",
        b"null",
    ],
)
def test_a_400_that_is_not_the_hub_s_own_is_a_failure(body: bytes) -> None:
    assert reason_of(raw(400, body)) == "upstream_unknown"


def test_the_cause_of_a_failure_has_an_unknown_error_code() -> None:
    with pytest.raises(UpstreamError) as raised:
        refusal_of(answer(400, 40030, "LE GOUADEC"), WHO)
    assert raised.value.cause == "HTTP 400, error code 40030"


@pytest.mark.parametrize(("code", "told"), [(40013, []), (40003, ["hub refused the form of a question"])])
def test_a_400_about_the_form_of_a_question_is_logged(
    code: int, told: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    meta_of(answer(400, code, "LE GOUADEC"))
    assert caplog.messages == told


def test_the_hub_s_message_is_cut_at_200_characters() -> None:
    assert meta_of(answer(400, 40001, "x" * 300))["provider_error_message"] == "x" * 200


@pytest.mark.parametrize(
    "text",
    [
        "Le nom LE GOUADEC est inconnu",
        "le nom Le Gouädec est inconnu",
        "gouadec: format erroné",
        "prénom maelys refusé",
        "nomUsage=Kervennic",
        "date 1989-06-14 refusée",
        "date 14/06/1989 refusée",
        "commune 29019",
        "x" * 300 + "GOUADEC",
        "NIR 289062901900412 invalide",
        "NIR 2 89 06 29 019 004 12 invalide",
        "dossier n° 0342391 clos",
    ],
)
def test_a_message_that_names_the_person_is_left_out(text: str) -> None:
    assert meta_of(answer(400, 40003, text)) == {"provider_error_code": 40003}


@pytest.mark.parametrize(
    ("name", "status", "refusal"),
    [
        ("404-identity-not-found.json", 404, Rejected("unidentified")),
        ("404-regime-not-found.json", 404, NotFound("unattached")),
        ("quotient_familial_v2/404.json", 404, NotFound("no_file")),
    ],
)
def test_recorded_404s_of_the_hub_are_understood(name: str, status: int, refusal: object) -> None:
    assert refusal_of(raw(status, upstream_sample(f"cnav/{name}"), fund=CNAF), WHO) == refusal


def test_a_recorded_400_of_the_hub_is_understood() -> None:
    text = "Nom de naissance ou nom d'usage absent"
    meta = {"provider_error_code": 40002, "provider_error_message": text}
    assert meta_of(raw(400, upstream_sample("cnav/quotient_familial_v2/400.json"))) == meta
