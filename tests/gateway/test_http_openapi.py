"""Tests of the OpenAPI document that a running gateway serves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.support.gateway_client import QUOTIENT_FAMILIAL_PATH, SCOPES, Answer
from tests.support.mesh import Mesh, mesh
from tests.support.people import CAF_ALLOCATAIRE, MSA_ALLOCATAIRE, staged_query

V2 = "/api/v2/composition-familiale"
PLATFORM = {
    "/v3/token/introspect",
    "/api/errors",
    "/api/introspect",
    "/editeur/api/v1/delegations",
    "/api/ping",
    "/api/pings",
    "/api/{status}/ping",
}
"""Paths that the gateway serves without a worker. The OpenAPI document of every version contains them."""
MAELYS = {"numeroAllocataire": "4471820", "codePostal": "29200"}


@pytest.fixture
async def client() -> AsyncIterator[Mesh]:
    async with mesh() as opened:
        yield opened


@pytest.fixture
async def document(client: Mesh) -> Any:
    return (await client.get("/api/openapi.json", token="")).json


def check(document: Any, path: str, answer: Answer) -> None:
    """Asserts that the OpenAPI document describes `answer`: the schema for this path and status accepts its body and,
    if the answer is an error, one of the document's examples has the same message."""
    told = document["paths"][path]["get"]["responses"][str(answer.status)]
    schema = told["content"]["application/json"]["schema"]
    Draft202012Validator(schema | {"components": document["components"]}).validate(answer.json)
    if answer.status != 200:
        shapes = [example["value"] for example in told["content"]["application/json"]["examples"].values()]
        assert message_of(answer.json) in [message_of(shape) for shape in shapes]


def message_of(error: Any) -> Any:
    """Returns the parts of an error to compare: the last three digits of its code, its title and its detail. An error
    in any other format is returned whole."""
    if "errors" in error and isinstance(error["errors"][0], dict):
        return [(one["code"][-3:], one["title"], one["detail"]) for one in error["errors"]]
    return error


def test_the_openapi_document_is_valid(document: Any) -> None:
    OpenAPIV31SpecValidator(document).validate()
    assert document["openapi"].startswith("3.1")


def test_openapi_has_the_operations_with_their_deprecation(document: Any) -> None:
    newer, older = (document["paths"][path]["get"] for path in (QUOTIENT_FAMILIAL_PATH, V2))
    assert (newer["operationId"], newer["deprecated"]) == (
        "api_particulier_v3_cnav_quotient_familial_with_civility",
        False,
    )
    assert (older["operationId"], older["deprecated"]) == ("api_particulier_v2_cnaf_quotient_familial", True)


def test_openapi_has_the_quotient_once_in_the_common_name(document: Any) -> None:
    assert document["paths"][QUOTIENT_FAMILIAL_PATH]["get"]["tags"] == ["CNAF & MSA"]


def test_openapi_lists_the_scopes_of_operations(document: Any) -> None:
    assert document["paths"][QUOTIENT_FAMILIAL_PATH]["get"]["x-scopes"] == list(SCOPES)


def test_openapi_lists_the_codes_of_errors_about_a_parameter(document: Any) -> None:
    parameters = {one["name"]: one for one in document["paths"][QUOTIENT_FAMILIAL_PATH]["get"]["parameters"]}
    assert parameters["recipient"]["x-error-codes"] == ["00210"]
    assert parameters["nomNaissance"]["x-error-codes"] == ["00420"]
    assert "00356" in parameters["annee"]["x-error-codes"]
    assert "x-error-codes" not in parameters["Cache-Control"]


@pytest.mark.parametrize(
    ("path", "params"),
    [
        (QUOTIENT_FAMILIAL_PATH, CAF_ALLOCATAIRE),
        (QUOTIENT_FAMILIAL_PATH, MSA_ALLOCATAIRE),
        (QUOTIENT_FAMILIAL_PATH, staged_query("CAF-NO-FILE")),
        (QUOTIENT_FAMILIAL_PATH, staged_query("CAF-UNIDENTIFIED MSA-UNIDENTIFIED")),
        (QUOTIENT_FAMILIAL_PATH, staged_query("CAF-REJECTED MSA-REJECTED")),
        (QUOTIENT_FAMILIAL_PATH, staged_query("CAF-INCOMPLETE")),
        (QUOTIENT_FAMILIAL_PATH, staged_query("CAF-HTML")),
        (QUOTIENT_FAMILIAL_PATH, staged_query("CAF-GATEWAY-TIMEOUT")),
        (QUOTIENT_FAMILIAL_PATH, CAF_ALLOCATAIRE | {"sexeEtatCivil": "X"}),
        (QUOTIENT_FAMILIAL_PATH, {}),
        (V2, MAELYS),
        (V2, {}),
        (V2, MAELYS | {"codePostal": "35000"}),
        (V2, {"numeroAllocataire": "00221", "codePostal": "00000"}),
    ],
)
async def test_an_answer_follows_its_openapi_schema(
    client: Mesh, document: Any, path: str, params: dict[str, Any]
) -> None:
    check(document, path, await client.get(path, params))


@pytest.mark.parametrize("path", [QUOTIENT_FAMILIAL_PATH, V2])
async def test_an_error_follows_its_openapi_schema(client: Mesh, document: Any, path: str) -> None:
    check(document, path, await client.get(path, token=""))
    check(document, path, await client.get(path, scopes=["cnous_email"]))


@pytest.mark.parametrize(
    ("path", "beginning"),
    [
        ("/api/open-api-v3.yml", "/v3/"),
        ("/api/open-api-v2.yml", "/api/v2/"),
        ("/api/open-api.yml", "/api/v2/"),
        ("/api/france-connect/open-api.yml", "/api/v2/"),
    ],
)
async def test_each_openapi_document_is_at_the_reference_s_path(
    client: Mesh, document: Any, path: str, beginning: str
) -> None:
    edition = yaml.safe_load((await client.get(path, token="")).body)
    of_operations = {path for path in document["paths"] if path.startswith(beginning)}
    dossiers = {"/bouquet/v1/dossiers"} if beginning == "/v3/" else set()
    assert of_operations
    assert set(edition["paths"]) == of_operations | PLATFORM | dossiers
    assert edition["paths"].items() <= document["paths"].items()


@pytest.mark.parametrize("token", [None, "", "x.y.z"])
async def test_an_introspection_follows_its_openapi_schema(client: Mesh, document: Any, token: str | None) -> None:
    path = "/api/introspect"
    answer = await (client.get(path) if token is None else client.get(path, token=token))
    assert answer.status == (200 if token is None else 401)
    check(document, path, answer)


async def test_the_list_of_errors_follows_its_openapi_schema(client: Mesh, document: Any) -> None:
    whole = await client.get("/api/errors", token="")
    check(document, "/api/errors", whole)
    of_one = await client.get(
        "/api/errors", {"operation_id": document["paths"][QUOTIENT_FAMILIAL_PATH]["get"]["operationId"]}, token=""
    )
    check(document, "/api/errors", of_one)
    check(document, "/api/errors", await client.get("/api/errors", {"operation_id": "inconnue"}, token=""))


async def test_openapi_has_the_public_url_and_the_contact() -> None:
    async with mesh(public_url="https://particulier.example.fr/", contact="aide@example.fr") as client:
        document = (await client.get("/api/openapi.json", token="")).json
    assert document["servers"] == [{"url": "https://particulier.example.fr"}]
    assert document["info"]["contact"]["email"] == "aide@example.fr"


async def test_openapi_grows_with_the_offers() -> None:
    async with mesh(workers=("msa",)) as client:
        document = (await client.get("/api/openapi.json")).json
    assert QUOTIENT_FAMILIAL_PATH in document["paths"]
    assert V2 not in document["paths"]
