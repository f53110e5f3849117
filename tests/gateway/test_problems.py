from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bouquet_gateway.errors.problems import PRECEDENCE, Problem, failure_of, render, retry_after
from bouquet_gateway.paths import Envelope
from bouquet_proto import quotient_familial
from bouquet_proto.failures import FAILURES, PARAMETERS, PLATFORM, PROVIDER, RENDERINGS, Kind
from bouquet_proto.messages import Failed, NotFound, Rejected
from tests.support.offers import ACME, UNKNOWN_PERSON

OWN = {"unknown_person": UNKNOWN_PERSON}


def rendered(problem: Problem, envelope: Envelope = "v3") -> tuple[int, Any]:
    status, body = render(problem, OWN, envelope)
    return status, msgspec.json.decode(body)


def test_a_platform_error_is_rendered_in_v3() -> None:
    assert rendered(Problem("token_invalid")) == (
        401,
        {
            "errors": [
                {
                    "code": "00101",
                    "title": "Interdit",
                    "detail": "Votre token n'est pas valide",
                    "source": {"parameter": "token"},
                    "meta": {},
                }
            ]
        },
    )


def test_a_source_that_is_empty_is_omitted_but_an_empty_meta_is_not() -> None:
    _, body = rendered(Problem("too_many_requests"))
    assert body == {
        "errors": [
            {"code": "00429", "title": "Trop de requêtes", "detail": "Vous avez effectué trop de requêtes", "meta": {}}
        ]
    }


def test_a_provider_error_has_the_authority_s_prefix_and_label() -> None:
    status, body = rendered(Problem("upstream_timeout", authority=ACME))
    assert status == 504
    assert (body["errors"][0]["code"], body["errors"][0]["meta"]) == ("90002", {"provider": "ACME"})


def test_a_row_s_own_provider_has_precedence_over_the_authority_s_label() -> None:
    row = msgspec.structs.replace(UNKNOWN_PERSON, provider="FUND", code="23003")
    _, body = render(Problem("absent", authority=ACME), {"absent": row}, "v3")
    [error] = msgspec.json.decode(body)["errors"]
    assert (error["code"], error["meta"]) == ("23003", {"provider": "FUND"})


def test_a_v3_error_lists_every_wrong_parameter() -> None:
    status, body = rendered(Problem("00420", "00421"))
    assert status == 422
    assert [error["code"] for error in body["errors"]] == ["00420", "00421"]


def test_a_v2_error_has_only_the_first_wrong_parameter() -> None:
    detail = "Le nom de naissance est manquant"
    assert rendered(Problem("00420", "00421"), "v2") == (
        400,
        {"error": "bad_request", "reason": detail, "message": detail},
    )


def test_a_wrong_parameter_decides_the_status_of_several_errors() -> None:
    assert rendered(Problem("upstream_timeout", "00420", authority=ACME))[0] == 422


def test_placeholders_of_a_detail_are_filled() -> None:
    _, body = rendered(Problem("unknown_version", values={"version": 7}))
    assert body["errors"][0]["detail"] == "La version v7 n'est pas supportée pour cet endpoint"


def test_the_provider_s_label_fills_its_placeholder() -> None:
    _, body = rendered(Problem("upstream_refused_us", authority=ACME))
    assert body["errors"][0]["detail"] == "L'authentification auprès du fournisseur de données 'ACME' a échoué"


def test_a_worker_s_text_is_not_a_format_string() -> None:
    row = msgspec.structs.replace(UNKNOWN_PERSON, detail="{0} {provider.__class__} {")
    _, body = render(Problem("odd", authority=ACME), {"odd": row}, "v3")
    assert msgspec.json.decode(body)["errors"][0]["detail"] == "{0} {provider.__class__} {"


def test_a_provider_s_own_row_is_rendered() -> None:
    status, body = rendered(Problem.of(NotFound("unknown_person"), ACME))
    assert (status, body["errors"][0]["code"]) == (404, "90003")


def test_a_v2_reason_may_differ_from_the_detail() -> None:
    _, body = rendered(Problem.of(NotFound("unknown_person"), ACME), "v2")
    assert body == {"error": "not_found", "reason": "Person not found", "message": UNKNOWN_PERSON.detail}


def test_a_v2_error_word_may_differ_from_that_of_its_kind() -> None:
    status, body = render(Problem.of(Rejected("unidentified"), ACME), quotient_familial.PROBLEMS, "v2")
    assert (status, msgspec.json.decode(body)["error"]) == (400, "not_found")


def test_some_v2_failures_are_a_list_of_texts() -> None:
    assert rendered(Problem("too_many_requests"), "v2") == (429, {"errors": ["Vous avez effectué trop de requêtes"]})


def test_an_unhandled_exception_has_the_contract_s_v2_body() -> None:
    assert rendered(Problem("internal"), "v2") == (
        500,
        {
            "error": "error",
            "reason": "Internal server error",
            "message": "Une erreur interne s'est produite, l'équipe a été prévenue.",
        },
    )


def test_an_unknown_reason_is_an_unknown_error_of_the_provider() -> None:
    status, body = rendered(Problem.of(Failed("whatever"), ACME))
    assert (status, body["errors"][0]["code"]) == (502, "90999")


@pytest.mark.parametrize("reason", ["token_invalid", "too_many_requests", "insufficient_scopes"])
def test_a_worker_cannot_blame_the_caller_s_token(reason: str) -> None:
    status, body = rendered(Problem.of(Failed(reason), ACME))
    assert (status, body["errors"][0]["code"]) == (502, "90999")


def test_a_provider_cannot_change_what_a_common_reason_means() -> None:
    assert failure_of("upstream_timeout", {"upstream_timeout": UNKNOWN_PERSON}) == PROVIDER["upstream_timeout"]


def test_a_worker_s_meta_reaches_the_client() -> None:
    _, body = rendered(Problem.of(Rejected("civil_status_refused", {"provider_error_code": "40001"}), ACME))
    assert body["errors"][0]["meta"] == {"provider_error_code": "40001", "provider": "ACME"}


def test_a_worker_s_retry_time_is_in_meta_and_header() -> None:
    problem = Problem.of(Failed("upstream_rate_limited", retry_in_s=30), ACME)
    assert rendered(problem)[1]["errors"][0]["meta"] == {"retry_in": 30, "provider": "ACME"}
    assert retry_after(problem) == 30


def test_a_row_s_own_retry_time_is_in_meta_and_header() -> None:
    assert rendered(Problem("bus_unavailable"))[1]["errors"][0]["meta"] == {"retry_in": 10}
    assert retry_after(Problem("bus_unavailable")) == 10


def test_most_problems_have_no_retry_time() -> None:
    assert retry_after(Problem("token_invalid")) is None


def test_every_kind_of_failure_has_a_precedence() -> None:
    assert set(PRECEDENCE) == set(Kind)
    assert len(PRECEDENCE) == len(Kind)


@pytest.mark.parametrize("reason", FAILURES)
def test_every_row_of_the_failure_table_renders_in_both_envelopes(reason: str) -> None:
    row = FAILURES[reason]
    status, body = rendered(Problem(reason, authority=ACME))
    assert status == RENDERINGS[row.kind].v3_status
    [error] = body["errors"]
    assert len(error["code"]) == 5
    assert error["code"] == (f"90{row.code}" if len(row.code) == 3 else row.code)
    assert rendered(Problem(reason, authority=ACME), "v2")[0] == RENDERINGS[row.kind].v2_status


def test_parameters_and_platform_rows_need_no_authority() -> None:
    others = {row.code_of(ACME.prefix) for row in (PARAMETERS | PLATFORM).values()} - {"39400"}
    assert {code[:2] for code in others} == {"00"}
