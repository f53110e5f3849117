"""Tests that the OpenAPI document of all offers contains nothing that client generators cannot read."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from bouquet_gateway.public.openapi_components import Components
from tests.clients.documents import (
    in_production,
    operations_of,
    references_of,
    suspects,
    target_of,
    walk,
    whole_of,
)

ENGLISH = re.compile(r"\b(the|and|of|is|are|its|which|what|has|where)\b")


def answering(schema: Any) -> Any:
    media = {"application/json": {"schema": schema}}
    return {"paths": {"/x": {"get": {"responses": {"200": {"content": media}}}}}}


def test_the_document_of_all_workers_is_valid_openapi() -> None:
    OpenAPIV31SpecValidator(in_production()).validate()


def test_the_document_has_nothing_that_generators_misread() -> None:
    assert list(suspects(in_production())) == []


@pytest.mark.parametrize(
    ("schema", "found"),
    [
        (
            {"properties": {"a": {"title": "Person", "type": "object"}, "b": {"title": "Person", "type": "string"}}},
            "two objects are called Person",
        ),
        ({"properties": {"until": {"type": "null", "description": "always"}}}, "is null and nothing else"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, ""),
    ],
)
def test_schemas_that_generators_misread_are_detected(schema: Any, found: str) -> None:
    told = list(suspects(answering(schema)))
    assert len(told) == bool(found)
    assert all(found in one for one in told)


def test_every_object_of_the_document_is_a_named_component() -> None:
    whole = in_production()
    answers = [(path, operation["responses"]) for path, operation in operations_of(whole)]
    components = whole["components"]["schemas"].items()
    inline = [
        where
        for name, node in (*answers, *((name, schema.get("properties")) for name, schema in components))
        for where, schema in walk(node, name)
        if isinstance(schema.get("properties"), dict) and "/examples/" not in where
    ]
    assert inline == []


def test_every_reference_resolves_and_every_component_is_used() -> None:
    whole = in_production()
    led_to = references_of(whole)
    assert {reference for reference in led_to if target_of(whole, reference) is None} == set()
    components = whole["components"]
    assert {f"#/components/{kind}/{name}" for kind in ("schemas", "headers") for name in components[kind]} == led_to


def test_every_operation_has_a_unique_id_summary_and_description() -> None:
    whole = in_production()
    operations = [operation for _, operation in operations_of(whole)]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert all(operation["summary"] and operation["description"] for operation in operations)
    described = {tag["name"]: tag["description"] for tag in whole["tags"]}
    assert {tag for operation in operations for tag in operation["tags"]} == described.keys()
    assert all(whole["info"][name] for name in ("description", "contact", "license"))


def test_every_error_of_an_operation_has_examples_and_a_link_to_the_list() -> None:
    for path, operation in operations_of(in_production()):
        for status, answer in operation["responses"].items():
            if status != "200" and operation.get("x-scopes"):
                assert f"(/api/errors?operation_id={operation['operationId']})" in answer["description"], path
                assert answer["content"]["application/json"]["examples"], path


def test_texts_for_readers_of_the_document_are_french() -> None:
    texts = [
        node[key]
        for where, node in walk(in_production())
        for key in ("description", "summary")
        if isinstance(node.get(key), str) and "/examples/" not in where
    ]
    assert [text for text in texts if ENGLISH.search(text) or "docs/" in text] == []
    assert len(texts) > 300


def test_modalities_with_equal_answers_share_their_types() -> None:
    paths = in_production()["paths"]
    types = Counter(
        paths[f"/v3/dss/quotient_familial/{modality}"]["get"]["responses"]["200"]["content"]["application/json"][
            "schema"
        ]["$ref"]
        for modality in ("identite", "france_connect")
    )
    assert types == {"#/components/schemas/V3DssQuotientFamilialAnswer": 2}


def test_a_modality_with_another_answer_has_a_type_of_its_own() -> None:
    components = Components()
    full = {"title": "Data", "properties": {"nom": {"type": "string"}, "at": {"properties": {"x": {}}}}}
    less = {"title": "Data", "properties": {"at": {"properties": {"x": {}}}}}
    named = ((full, "Ine"), (less, "Fc"))
    references = [components.extract_objects(schema, "V3A", f"V3A{name}")["$ref"] for schema, name in named]
    assert references == ["#/components/schemas/V3A", "#/components/schemas/V3AFc"]
    assert set(components.as_json()["schemas"]) == {"V3A", "V3AAt", "V3AFc"}


def test_fields_with_similar_names_keep_their_own_types() -> None:
    """Tests that fields such as `a_b` and `a-b` keep their own schemas, although the same component name is derived
    from both."""
    components = Components()
    fields: dict[str, Any] = {name: {"properties": {f"{name}_x": {}}} for name in ("a_b", "a-b", "é")}
    reference = components.extract_objects({"properties": fields}, "V3A")
    whole = whole_of({"components": components.as_json()}, reference)
    assert whole == {"properties": fields}


def test_a_property_named_title_is_kept() -> None:
    schema = {"title": "Work", "properties": {"title": {"type": "string", "title": "Title", "default": ""}}}
    components = Components()
    components.extract_objects(schema, "V3Work")
    assert components.as_json()["schemas"] == {"V3Work": {"properties": {"title": {"type": "string"}}}}


def test_a_malformed_schema_is_left_unchanged() -> None:
    """Tests that a malformed schema is kept as it is and causes no error, since the gateway does not check the schemas
    in offers."""
    components = Components()
    reference = components.extract_objects({"properties": 5, "items": True, "anyOf": "x"}, "V3Odd")
    assert reference["$ref"].endswith("/V3Odd")
    assert components.extract_objects(True, "V3Odd") is True
