from __future__ import annotations

from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from bouquet_gateway.offers.catalogue import served_by_path
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
PLATFORM = {"/api/errors", "/api/introspect", "/api/ping", "/api/pings", "/api/{status}/ping"}
QF = quotient_familial.OPERATION.path


@pytest.fixture(scope="module")
def whole() -> Any:
    """As a client reads it."""
    return msgspec.json.decode(
        msgspec.json.encode(document(served_by_path([offer(), *FUNDS]), server_url="https://x.example"))
    )


def parameters(operation: Any) -> dict[str, Any]:
    return {parameter["name"]: parameter for parameter in operation["parameters"]}


def schema_of(whole: Any, path: str) -> Any:
    """Of a 200, with the components that it refers to."""
    schema = whole["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    return schema | {"components": whole["components"]}


def behind(whole: Any, schema: Any) -> Any:
    return whole["components"]["schemas"][schema["$ref"].rpartition("/")[2]]


def examples(operation: Any, status: int) -> dict[str, Any]:
    found: dict[str, Any] = operation["responses"][str(status)]["content"]["application/json"]["examples"]
    return found


def test_the_document_is_valid(whole: Any) -> None:
    OpenAPIV31SpecValidator(whole).validate()


def test_a_document_of_no_offer_is_valid() -> None:
    OpenAPIV31SpecValidator(document({})).validate()


def test_every_operation_stands_once(whole: Any) -> None:
    assert set(whole["paths"]) == {V3, V2, QF} | PLATFORM


def test_every_rule_can_be_shown() -> None:
    operations = [dossier(path=f"/v3/{rule}", id=rule, checks=((Check(rule),),)) for rule in RULES]
    OpenAPIV31SpecValidator(document(served_by_path([offer(*operations)]))).validate()


def test_a_rule_that_this_gateway_does_not_have_hides_its_operation_only() -> None:
    newer = dossier(path="/v3/newer", checks=((Check("rule_of_tomorrow"),),))
    assert set(document(served_by_path([offer(newer, dossier())]))["paths"]) == {V3} | PLATFORM


def test_operations_of_one_id_are_told_apart() -> None:
    """Nor does a worker take an id of the gateway's own paths."""
    offers = [offer(dossier(), dossier(path="/v3/acme/other/identite"), dossier(path="/v3/acme/third", id="errors"))]
    whole = document(served_by_path(offers))
    OpenAPIV31SpecValidator(whole).validate()
    ids = {path: item["get"]["operationId"] for path, item in whole["paths"].items()}
    assert len(set(ids.values())) == len(ids)
    assert (ids[V3], ids["/api/errors"]) == ("acme_v3_dossier", "errors")


def test_a_list_is_asked_with_brackets(whole: Any) -> None:
    prenoms = parameters(whole["paths"][V3]["get"])["prenoms[]"]
    assert (prenoms["style"], prenoms["explode"], prenoms["schema"]["type"]) == ("form", True, "array")


def test_a_field_that_one_of_its_rules_requires_is_required(whole: Any) -> None:
    found = parameters(whole["paths"][V3]["get"])
    assert found["anneeDateNaissance"]["required"]
    assert not found["nomCommuneNaissance"]["required"]


def test_every_parameter_stands_once(whole: Any) -> None:
    names = [parameter["name"] for parameter in whole["paths"][V3]["get"]["parameters"]]
    assert len(names) == len(set(names))


def test_a_parameter_has_the_operation_s_own_name(whole: Any) -> None:
    assert set(parameters(whole["paths"][V2]["get"])) == {"recipient", "nom"}


def test_the_recipient_is_required_from_v3_on_only(whole: Any) -> None:
    assert parameters(whole["paths"][V3]["get"])["recipient"]["required"]
    assert not parameters(whole["paths"][V2]["get"])["recipient"]["required"]


def test_each_version_has_its_own_security(whole: Any) -> None:
    assert whole["paths"][V3]["get"]["security"] == [{"jwt_bearer_token": []}]
    assert whole["paths"][V2]["get"]["security"] == [{"apiKey": []}]


def test_a_success_names_its_operation(whole: Any) -> None:
    assert whole["paths"][V3]["get"]["responses"]["200"]["x-operationId"] == "acme_v3_dossier"


@pytest.mark.parametrize("path", [V3, V2])
def test_a_success_example_follows_its_schema(whole: Any, path: str) -> None:
    media = whole["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
    Draft202012Validator(schema_of(whole, path)).validate(media["example"])


def test_a_v3_success_has_its_envelope_and_a_v2_one_has_none(whole: Any) -> None:
    enveloped, bare = (behind(whole, schema_of(whole, path)) for path in (V3, V2))
    assert [sorted(schema["properties"]) for schema in (enveloped, bare)] == [
        ["data", "links", "meta"],
        ["numero", "titulaire"],
    ]


def test_a_field_names_the_scopes_that_open_it(whole: Any) -> None:
    holder = behind(whole, behind(whole, schema_of(whole, V2))["properties"]["titulaire"])
    assert holder["properties"]["age"]["x-scopes"] == ["acme_age"]


def test_an_operation_with_an_announced_end_is_deprecated(whole: Any) -> None:
    assert whole["paths"][V2]["get"]["deprecated"]
    assert not whole["paths"][V3]["get"]["deprecated"]


def test_the_codes_of_its_rules_are_told_at_422(whole: Any) -> None:
    expected = {"00210", "00420", "00367", "00365", "00422", "00428", "00423", "00424", "00425"}
    assert set(examples(whole["paths"][V3]["get"], 422)) == expected


def test_a_v2_operation_tells_its_wrong_parameters_at_400(whole: Any) -> None:
    operation = whole["paths"][V2]["get"]
    assert {"00210", "00420"} <= set(examples(operation, 400))
    assert "422" not in operation["responses"]


def test_a_provider_s_own_reason_is_told_to_the_letter(whole: Any) -> None:
    [error] = examples(whole["paths"][V3]["get"], 404)["90003"]["value"]["errors"]
    assert (error["code"], error["meta"]) == ("90003", {"provider": "ACME"})


def test_both_funds_speak_in_their_common_name(whole: Any) -> None:
    operation = whole["paths"][QF]["get"]
    assert operation["tags"] == ["CNAF & MSA"]
    assert set(examples(operation, 404)) == {"35003"}


def test_two_texts_of_one_code_are_both_told(whole: Any) -> None:
    assert {"90000", "90000 (2)"} <= set(examples(whole["paths"][V3]["get"], 502))


def test_a_conflict_of_persons_is_told_where_it_can_be() -> None:
    paths = document(served_by_path([offer(dossier(reasons=("several_matches",)))]))["paths"]
    assert set(examples(paths[V3]["get"], 409)) == {"90015", "00015"}


def test_a_conflict_of_persons_is_not_told_elsewhere(whole: Any) -> None:
    assert set(examples(whole["paths"][V3]["get"], 409)) == {"00015"}


def test_every_failure_common_to_providers_is_told(whole: Any) -> None:
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
def test_every_error_example_follows_its_schema(whole: Any, path: str, schema: str) -> None:
    validator = Draft202012Validator(whole["components"]["schemas"][schema] | {"components": whole["components"]})
    for status, response in whole["paths"][path]["get"]["responses"].items():
        if status != "200":
            for example in response["content"]["application/json"]["examples"].values():
                validator.validate(example["value"])


def test_a_429_tells_when_to_return(whole: Any) -> None:
    assert "Retry-After" in whole["paths"][V3]["get"]["responses"]["429"]["headers"]


def test_no_placeholder_is_left_in_an_example(whole: Any) -> None:
    assert "{" not in "".join(
        error["detail"]
        for response in whole["paths"][V3]["get"]["responses"].values()
        for example in response["content"]["application/json"].get("examples", {}).values()
        for error in example["value"]["errors"]
    )
