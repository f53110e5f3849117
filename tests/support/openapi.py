"""Comparison of answers with the official OpenAPI documents of API Particulier. Tests are skipped where these
documents are missing."""

from __future__ import annotations

from functools import cache
from typing import Any

import yaml
from jsonschema import Draft202012Validator, FormatChecker

from tests.support.contract_changes import ADDED_OPERATIONS
from tests.support.reference import REFERENCE, present

DOCUMENT = REFERENCE / "openapi" / "particulier-v3.yaml"
DOCUMENT_V2 = REFERENCE / "openapi" / "particulier-v2.yaml"
ABSENT = {
    "api_particulier_v2_cnaf_quotient_familial",
    "api_particulier_v2_mesri_student_status",
    "api_particulier_v2_cnous_student_scholarship",
    "api_particulier_v2_pole_emploi_statut",
}
"""Ids of version 2 operations that are missing from the edition of the official document used here."""


def assert_official(operation_id: str, data: object) -> None:
    """Asserts that `data`, from the answer to a call with every scope, has exactly the fields and types that the
    official document gives this operation. Accepts any data for operations missing from the document."""
    if operation_id in ABSENT - _validators().keys():
        return
    april_s = operation_id
    if younger := ADDED_OPERATIONS.get(operation_id):
        assert isinstance(data, dict)
        assert younger.added <= data.keys(), f"{operation_id}: without {younger.added}"
        data = {name: value for name, value in data.items() if name not in younger.added}
        april_s = younger.like
    errors = _validators()[april_s].iter_errors(data)
    told = [f"{error.json_path}: {error.message}" for error in errors]
    assert not told, f"{operation_id}: {told}"


def upstream_sample(path: str) -> bytes:
    """Returns a recorded answer of an administration's API from the file `path`, such as
    `mesri/statut_etudiant/valid.json`. Skips the test if the file is missing."""
    return present(REFERENCE / "upstream" / path).read_bytes()


@cache
def _validators() -> dict[str, Draft202012Validator]:
    validators: dict[str, Draft202012Validator] = {}
    for path in (DOCUMENT, DOCUMENT_V2):
        document = _json_schema(yaml.load(present(path).read_bytes(), Loader=yaml.CSafeLoader))
        answers = [item["get"]["responses"]["200"] for item in document["paths"].values()]
        validators |= {answer["x-operationId"]: _validator(answer, document["components"]) for answer in answers}
    return validators


def _validator(answer: dict[str, Any], components: dict[str, Any]) -> Draft202012Validator:
    """Returns a JSON schema validator for the `data` of an answer. An answer of version 2 has no `data` and is
    validated whole."""
    whole = answer["content"]["application/json"]["schema"]
    schema = whole["properties"].get("data", whole) | {"components": components}
    return Draft202012Validator(schema, format_checker=FormatChecker())


def _json_schema(node: Any) -> Any:
    """Converts a schema of OpenAPI 3.0 to a JSON schema: `nullable` becomes the type `null`."""
    match node:
        case {"nullable": True, **rest}:
            return {"anyOf": [_json_schema(rest), {"type": "null"}]}
        case dict():
            return {key: _json_schema(value) for key, value in node.items()}
        case list():
            return [_json_schema(item) for item in node]
        case _:
            return node
