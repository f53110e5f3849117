from __future__ import annotations

from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from bouquet_gateway.offers.catalogue import Catalogue
from bouquet_gateway.public.openapi import document
from bouquet_proto import quotient_familial
from bouquet_proto.failures import FAILURES, PROVIDER
from bouquet_proto.offer import Authority, Offer
from bouquet_proto.rules import RULES, Check
from tests.support.offers import dossier, offer

FUNDS = [
    Offer(
        provider=provider,
        owner=provider,
        authority=Authority(provider.upper(), prefix),
        operations=(quotient_familial.OPERATION,),
        problems=quotient_familial.PROBLEMS,
    )
    for provider, prefix in (("cnaf", "23"), ("msa", "10"))
]
V3 = "/v3/acme/dossier/identite"
V2 = "/api/v2/dossier-acme"
PLATFORM = {
    "/bouquet/v1/dossiers",
    "/api/errors",
    "/api/introspect",
    "/v3/token/introspect",
    "/editeur/api/v1/delegations",
    "/api/ping",
    "/api/pings",
    "/api/{status}/ping",
}
QF = quotient_familial.OPERATION.path


@pytest.fixture(scope="module")
def whole() -> Any:
    return msgspec.json.decode(
        msgspec.json.encode(document(Catalogue([offer(), *FUNDS]).by_path, server_url="https://x.example"))
    )


def parameters(operation: Any) -> dict[str, Any]:
    return {parameter["name"]: parameter for parameter in operation["parameters"]}


def schema_of(whole: Any, path: str) -> Any:
    schema = whole["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    return schema | {"components": whole["components"]}


def behind(whole: Any, schema: Any) -> Any:
    return whole["components"]["schemas"][schema["$ref"].rpartition("/")[2]]


def examples(operation: Any, status: int) -> dict[str, Any]:
    found: dict[str, Any] = operation["responses"][str(status)]["content"]["application/json"]["examples"]
    return found


def test_the_openapi_document_is_valid(whole: Any) -> None:
    OpenAPIV31SpecValidator(whole).validate()


def test_an_openapi_document_without_offers_is_valid() -> None:
    OpenAPIV31SpecValidator(document({})).validate()


def test_every_operation_is_in_openapi_once(whole: Any) -> None:
    assert set(whole["paths"]) == {V3, V2, QF} | PLATFORM


def test_every_rule_has_openapi_parameters() -> None:
    operations = [dossier(path=f"/v3/{rule}", id=rule, checks=((Check(rule),),)) for rule in RULES]
    OpenAPIV31SpecValidator(document(Catalogue([offer(*operations)]).by_path)).validate()


def test_an_unknown_rule_hides_only_its_operation_from_openapi() -> None:
    newer = dossier(path="/v3/newer", checks=((Check("rule_of_tomorrow"),),))
    assert set(document(Catalogue([offer(newer, dossier())]).by_path)["paths"]) == {V3} | PLATFORM


def test_operations_with_one_id_get_different_openapi_ids() -> None:
    """Tests that operations with equal ids get different ids in the OpenAPI document. Two operations have the same id,
    and a third has the id `errors` of one of the gateway's own endpoints."""
    offers = [offer(dossier(), dossier(path="/v3/acme/other/identite"), dossier(path="/v3/acme/third", id="errors"))]
    whole = document(Catalogue(offers).by_path)
    OpenAPIV31SpecValidator(whole).validate()
    ids = {path: one["operationId"] for path, item in whole["paths"].items() for one in item.values()}
    assert len(set(ids.values())) == len(ids)
    assert (ids[V3], ids["/api/errors"]) == ("acme_v3_dossier", "errors")


def test_a_path_with_two_operations_has_the_id_of_the_first_in_openapi() -> None:
    path = "/api/v2/dossier-acme"
    first = dossier(path=path, id="acme_v2_first")
    second = dossier(path=path, id="acme_v2_second", modality="ine", checks=((Check("ine"),),))
    described = document(Catalogue([offer(first, second)]).by_path)["paths"][path]["get"]
    assert (described["operationId"], described["responses"]["200"]["x-operationId"]) == (first.folder, first.folder)
    assert "ine" in parameters(described)


def test_a_list_parameter_has_brackets_in_openapi(whole: Any) -> None:
    prenoms = parameters(whole["paths"][V3]["get"])["prenoms[]"]
    assert (prenoms["style"], prenoms["explode"], prenoms["schema"]["type"]) == ("form", True, "array")


def test_a_parameter_that_one_rule_requires_is_required_in_openapi(whole: Any) -> None:
    found = parameters(whole["paths"][V3]["get"])
    assert found["anneeDateNaissance"]["required"]
    assert not found["nomCommuneNaissance"]["required"]


def test_every_parameter_is_in_openapi_once(whole: Any) -> None:
    names = [parameter["name"] for parameter in whole["paths"][V3]["get"]["parameters"]]
    assert len(names) == len(set(names))


def test_an_openapi_parameter_has_the_operation_s_own_name(whole: Any) -> None:
    assert set(parameters(whole["paths"][V2]["get"])) == {"recipient", "nom"}


def test_openapi_requires_the_recipient_from_v3_on_only(whole: Any) -> None:
    assert parameters(whole["paths"][V3]["get"])["recipient"]["required"]
    assert not parameters(whole["paths"][V2]["get"])["recipient"]["required"]


def test_each_version_has_its_own_openapi_security(whole: Any) -> None:
    assert whole["paths"][V3]["get"]["security"] == [{"jwt_bearer_token": []}]
    assert whole["paths"][V2]["get"]["security"] == [{"apiKey": []}]


def test_an_openapi_success_names_its_operation(whole: Any) -> None:
    assert whole["paths"][V3]["get"]["responses"]["200"]["x-operationId"] == "acme_v3_dossier"


@pytest.mark.parametrize("path", [V3, V2])
def test_an_openapi_success_example_follows_its_schema(whole: Any, path: str) -> None:
    media = whole["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
    Draft202012Validator(schema_of(whole, path)).validate(media["example"])


def test_an_openapi_success_has_an_envelope_in_v3_and_none_in_v2(whole: Any) -> None:
    enveloped, bare = (behind(whole, schema_of(whole, path)) for path in (V3, V2))
    assert [sorted(schema["properties"]) for schema in (enveloped, bare)] == [
        ["data", "links", "meta"],
        ["numero", "titulaire"],
    ]


def test_an_openapi_field_lists_the_scopes_that_open_it(whole: Any) -> None:
    holder = behind(whole, behind(whole, schema_of(whole, V2))["properties"]["titulaire"])
    assert holder["properties"]["age"]["x-scopes"] == ["acme_age"]


def test_an_operation_with_an_announced_end_is_deprecated_in_openapi(whole: Any) -> None:
    assert whole["paths"][V2]["get"]["deprecated"]
    assert not whole["paths"][V3]["get"]["deprecated"]


def test_openapi_names_the_dates_of_an_announced_end(whole: Any) -> None:
    older, newer = (whole["paths"][path]["get"] for path in (V2, V3))
    assert (older["x-deprecation"], older["x-sunset"]) == ("2026-01-01", "2027-01-01")
    assert {"x-deprecation", "x-sunset", "x-successor"}.isdisjoint(newer)


def test_openapi_lists_the_codes_of_rules_at_422(whole: Any) -> None:
    expected = {"00210", "00212", "00420", "00367", "00365", "00422", "00428", "00423", "00424", "00425"}
    assert set(examples(whole["paths"][V3]["get"], 422)) == expected


def test_a_delegation_may_be_named_from_version_3_on(whole: Any) -> None:
    [parameter] = [one for one in whole["paths"][V3]["get"]["parameters"] if one["name"] == "delegation_id"]
    assert (parameter["required"], parameter["schema"]["format"]) == (False, "uuid")
    assert "delegation_id" not in {one["name"] for one in whole["paths"][V2]["get"]["parameters"]}


def test_openapi_has_the_errors_of_editors_from_version_3_on_and_without_a_session(whole: Any) -> None:
    by_session = dossier(path="/v3/acme/dossier/france_connect", id="by_session", modality="france_connect")
    sessions = document(Catalogue([offer(by_session)]).by_path)["paths"][by_session.path]["get"]
    assert "00213" in examples(whole["paths"][V3]["get"], 403)
    assert "00213" not in examples(sessions, 403)
    assert "00213" not in examples(whole["paths"][V2]["get"], 401)


def test_openapi_lists_wrong_parameters_of_v2_at_400(whole: Any) -> None:
    operation = whole["paths"][V2]["get"]
    assert {"00210", "00420"} <= set(examples(operation, 400))
    assert "422" not in operation["responses"]


def test_openapi_has_a_provider_s_own_error_unchanged(whole: Any) -> None:
    [error] = examples(whole["paths"][V3]["get"], 404)["90003"]["value"]["errors"]
    assert (error["code"], error["meta"]) == ("90003", {"provider": "ACME"})


def test_openapi_errors_of_caf_and_msa_have_their_common_name(whole: Any) -> None:
    operation = whole["paths"][QF]["get"]
    assert operation["tags"] == ["CNAF & MSA"]
    assert set(examples(operation, 404)) == {"35003"}


def test_openapi_lists_both_texts_of_one_code(whole: Any) -> None:
    assert {"90000", "90000 (2)"} <= set(examples(whole["paths"][V3]["get"], 502))


def test_openapi_lists_a_conflict_of_persons_where_it_can_occur() -> None:
    paths = document(Catalogue([offer(dossier(reasons=("several_matches",)))]).by_path)["paths"]
    assert set(examples(paths[V3]["get"], 409)) == {"90015", "00015"}


def test_openapi_lists_no_conflict_of_persons_elsewhere(whole: Any) -> None:
    assert set(examples(whole["paths"][V3]["get"], 409)) == {"00015"}


def test_openapi_lists_every_common_failure_of_providers(whole: Any) -> None:
    told = {
        error["detail"]
        for response in whole["paths"][V3]["get"]["responses"].values()
        for example in response["content"]["application/json"].get("examples", {}).values()
        for error in example["value"]["errors"]
    }
    common = [PROVIDER[reason].detail for reason in PROVIDER if reason not in ("several_matches", "maintenance")]
    assert {detail.replace("{provider}", "ACME") for detail in common} <= told
    assert FAILURES["token_expired"].detail in told


@pytest.mark.parametrize(("path", "schema"), [(V3, "ErrorsV3"), (V2, "ErrorsV2")])
def test_every_openapi_error_example_follows_its_schema(whole: Any, path: str, schema: str) -> None:
    validator = Draft202012Validator(whole["components"]["schemas"][schema] | {"components": whole["components"]})
    for status, response in whole["paths"][path]["get"]["responses"].items():
        if status != "200":
            for example in response["content"]["application/json"]["examples"].values():
                validator.validate(example["value"])


def test_an_openapi_429_has_retry_after(whole: Any) -> None:
    assert "Retry-After" in whole["paths"][V3]["get"]["responses"]["429"]["headers"]


def test_no_placeholder_is_left_in_an_openapi_example(whole: Any) -> None:
    assert "{" not in "".join(
        error["detail"]
        for response in whole["paths"][V3]["get"]["responses"].values()
        for example in response["content"]["application/json"].get("examples", {}).values()
        for error in example["value"]["errors"]
    )
