"""Tests of the API reference: its index, a page for each operation, and the OpenAPI files."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest

from tests.portal.servers import GatewayServer, PortalServer

QUOTIENT = "api_particulier_v3_cnav_quotient_familial_with_civility"
FORMER_QUOTIENT = "api_particulier_v2_cnaf_quotient_familial"


@pytest.fixture(scope="module")
def published(gateway: GatewayServer) -> dict[str, Any]:
    """Returns the operations in the gateway's OpenAPI document that give data about people, by operation id."""
    with urllib.request.urlopen(f"{gateway.url}/api/openapi.json") as answer:
        paths = json.load(answer)["paths"]
    methods = (method for path in paths.values() for method in path.values())
    return {method["operationId"]: method for method in methods if "x-scopes" in method}


def test_every_operation_has_a_page_that_the_index_links_to(portal: PortalServer, published: dict[str, Any]) -> None:
    index = portal.get("/developpeurs/openapi")
    for id, method in published.items():
        page = portal.get(f"/developpeurs/openapi/{id}")
        assert (page.status, f'href="/developpeurs/openapi/{id}"' in index.text) == (200, True), id
        assert all(f"<code>{parameter['name']}</code>" in page.text for parameter in method["parameters"]), id


def test_a_page_names_the_scope_of_each_field(portal: PortalServer) -> None:
    page = portal.get(f"/developpeurs/openapi/{QUOTIENT}")
    [row] = [row for row in page.text.split("<tr>") if "<code>code_postal_ville</code>" in row]
    assert "cnaf_adresse" in row


def test_a_page_links_to_the_errors_of_its_operation_alone(portal: PortalServer) -> None:
    page = portal.get(f"/developpeurs/openapi/{QUOTIENT}")
    assert 'href="/developpeurs/erreurs/35003"' in page.text
    assert 'href="/developpeurs/erreurs/30404"' not in page.text


def test_a_deprecated_operation_names_its_end_and_its_successor(portal: PortalServer) -> None:
    page = portal.get(f"/developpeurs/openapi/{FORMER_QUOTIENT}")
    assert "31 octobre 2025" in page.words
    assert "1er janvier 2027" in page.words
    assert 'href="/developpeurs/openapi/api_particulier_v2_cnav_quotient_familial_v2"' in page.text


def test_an_unknown_operation_is_not_found(portal: PortalServer) -> None:
    assert portal.get("/developpeurs/openapi/nothing").status == 404


@pytest.mark.parametrize(
    ("name", "has_version_2", "has_version_3"),
    [
        ("open-api.yml", True, True),
        ("open-api-v2.yml", True, False),
        ("open-api-v3.yml", False, True),
        ("open-api-without-deprecated-paths.yml", False, True),
    ],
)
def test_each_openapi_file_holds_its_versions(
    portal: PortalServer, name: str, has_version_2: bool, has_version_3: bool
) -> None:
    paths = json.loads(portal.get(f"/{name}").text)["paths"]
    assert ("/api/v2/composition-familiale" in paths) is has_version_2
    assert ("/v3/dss/quotient_familial/identite" in paths) is has_version_3
