"""Tests of the list of error codes and of the page of each code."""

from __future__ import annotations

import http.client
import json
import re
import time
from html import unescape
from typing import Any
from urllib.parse import urlencode, urlsplit

from bouquet_gateway.access.tokens import issue
from bouquet_mesh.secret import Secret
from tests.portal.servers import KEY, GatewayServer, PortalServer
from tests.support.nomenclature import all_codes
from tests.support.waiting import TEST_TIMEOUT_S

LISTED = re.compile(r'href="/developpeurs/erreurs/(\w+)"')


def asked(gateway: GatewayServer, path: str, **headers: str) -> Any:
    connection = http.client.HTTPConnection(urlsplit(gateway.url).netloc, timeout=TEST_TIMEOUT_S)
    try:
        connection.request("GET", path, headers=headers)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def test_every_code_of_the_gateway_has_a_page_that_says_what_to_do(
    portal: PortalServer, gateway: GatewayServer
) -> None:
    codes = {error.code for error in all_codes(asked(gateway, "/api/errors"))}
    assert len(codes) > 100
    pages = {code: portal.get(f"/developpeurs/erreurs/{code}") for code in codes}
    assert {code for code, page in pages.items() if page.status != 200 or "Que faire" not in page.words} == set()
    assert set(LISTED.findall(portal.get("/developpeurs/erreurs").text)) == codes


def test_a_code_that_does_not_exist_has_no_page(portal: PortalServer) -> None:
    assert portal.get("/developpeurs/erreurs/00999").status == 404


def test_the_list_is_searched_and_filtered(portal: PortalServer) -> None:
    def listed(**query: str) -> set[str]:
        return set(LISTED.findall(portal.get(f"/developpeurs/erreurs?{urlencode(query)}").text))

    assert listed(q="annee de naissance") == {"00422"}
    assert listed(fournisseur="26", a_qui="caller") == {"26003", "26561", "26562"}
    assert listed(q="rien de tel") == set()


def test_the_status_of_version_2_stands_beside_that_of_the_later_ones(portal: PortalServer) -> None:
    assert "HTTP 422 (400 en version 2)" in portal.get("/developpeurs/erreurs/00422").words
    assert "HTTP 404" in portal.get("/developpeurs/erreurs/00493").words


def test_the_invented_person_of_a_page_gets_its_code(portal: PortalServer, gateway: GatewayServer) -> None:
    shown = unescape(portal.get("/developpeurs/erreurs/35002").text)
    [name] = re.findall(r"<code>(ERREUR [\w-]+)</code>", shown)
    query = urlencode({"recipient": "13002526500013", "nomNaissance": name, "codeCogInseePaysNaissance": "99100"})
    token = issue(Secret(KEY), ("cnaf_quotient_familial",), expires_at=int(time.time()) + 3600)
    answer = asked(gateway, f"/v3/dss/quotient_familial/identite?{query}", Authorization=f"Bearer {token}")
    assert [error["code"] for error in answer["errors"]] == ["35002"]


def test_a_code_about_a_parameter_names_no_invented_person(portal: PortalServer) -> None:
    assert "bac à sable répond" not in portal.get("/developpeurs/erreurs/00422").words


def test_the_pages_say_that_the_gateway_is_away(lonely_portal: PortalServer) -> None:
    page = lonely_portal.get("/developpeurs/erreurs")
    assert (page.status, "momentanément indisponible" in page.words) == (200, True)
    assert lonely_portal.get("/developpeurs/erreurs/00101").status == 503
