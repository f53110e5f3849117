"""Tests of the catalogue: search, filters, and the page (fiche) of each API, which combines content files with data and
examples from the gateway."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from bouquet_portal import search
from bouquet_portal.catalogue.entries import Entry, Filters, entries, filtered
from bouquet_portal.catalogue.example import lines
from bouquet_portal.content.loader import load
from bouquet_portal.content.model import Content
from bouquet_portal.documents.gateway import Gateway
from bouquet_portal.documents.model import Operation
from bouquet_portal.documents.refreshed_value import Reading
from bouquet_portal.environment import PortalSettings
from bouquet_portal.site import variables
from tests.portal.servers import GatewayServer, Page, PortalServer

QUOTIENT = "/catalogue/cnav/quotient_familial"


@pytest.fixture(scope="module")
def content() -> Content:
    return load(variables(PortalSettings()))


@pytest.fixture(scope="module")
def operations(gateway: GatewayServer) -> Iterator[tuple[Operation, ...]]:
    published = Gateway.of(PortalSettings(gateway_url=gateway.url))
    yield published.operations.read()
    published.stop()


def joined(content: Content, operations: tuple[Operation, ...]) -> tuple[Entry, ...]:
    return entries(content, Reading(operations, datetime.now(UTC), is_current=True))


def titles(page: Page) -> list[str]:
    return re.findall(r'<h3><a href="/catalogue/[^"]*">(.*?)</a>', page.text)


@pytest.mark.parametrize("query", ["etudiants", "%C3%89TUDIANT", "statut+etudiant", "%C3%A9tudiant"])
def test_the_search_regards_neither_accents_nor_case_nor_plural(portal: PortalServer, query: str) -> None:
    assert titles(portal.get(f"/catalogue?q={query}"))[:2] == ["Statut étudiant", "Statut étudiant boursier"]


def test_the_search_finds_keywords_and_fields(portal: PortalServer) -> None:
    assert "Quotient familial CAF et MSA" in titles(portal.get("/catalogue?q=cantine"))
    assert "Statut élève scolarisé et boursier" in titles(portal.get("/catalogue?q=regime_pensionnat"))


def test_a_search_without_result_says_what_to_do(portal: PortalServer) -> None:
    page = portal.get("/catalogue?q=zygomatique")
    assert titles(page) == []
    assert "Aucune donnée ne correspond" in page.words


def test_filters_narrow_the_catalogue(portal: PortalServer) -> None:
    assert titles(portal.get("/catalogue?fournisseur=Cnous")) == ["Statut étudiant boursier"]
    assert "Statut étudiant" in titles(portal.get("/catalogue?modalite=INE"))
    assert "Quotient familial CAF et MSA" in titles(portal.get("/catalogue?cas_usage=ccas"))
    assert len(titles(portal.get("/catalogue?modalite=FranceConnect&fournisseur=Cnous"))) == 1


def test_each_provider_is_one_choice_of_the_filter(portal: PortalServer) -> None:
    text = portal.get("/catalogue").text
    [select] = re.findall(r'<select[^>]*name="fournisseur".*?</select>', text, re.DOTALL)
    names = re.findall(r"<option[^>]*>(.*?)</option>", select)
    assert {"CNAF", "MSA", "Direction du service national et de la jeunesse"} <= set(names)
    assert [name for name in names if not name[0].isupper()] == []


def test_what_a_visitor_writes_is_shown_as_text(portal: PortalServer) -> None:
    assert "<b>" not in portal.get("/catalogue?q=%3Cb%3E%22%27").text


def test_a_fiche_shows_flags_fields_scopes_and_errors_of_the_gateway(portal: PortalServer) -> None:
    page = portal.get(QUOTIENT)
    assert re.search(r"<code>nomNaissance</code></th><td[^>]*><strong>oui</strong>", page.text)
    assert re.search(r"<code>prenoms\[\]</code></th><td[^>]*>non</td>", page.text)
    assert '<span class="badge scope">cnaf_adresse</span>' in page.text
    assert "code_postal_ville" in page.text
    assert "<code>35003</code>" in page.text
    assert "/api/v2/composition-familiale-v2" in page.text
    assert "Disponible" in page.words


def test_a_former_address_of_a_fiche_leads_to_the_new_one(portal: PortalServer) -> None:
    moved = portal.get("/catalogue/cnav/v2/prime_activite")
    assert (moved.status, moved.headers["location"]) == (301, "/catalogue/cnav/prime_activite")


def test_a_fiche_to_come_cannot_be_called(portal: PortalServer) -> None:
    page = portal.get("/catalogue/cnav/foyer_rsa")
    assert "ne peut pas encore être appelée" in page.words
    assert "curl" not in page.text
    assert portal.get("/catalogue/cnav/foyer_rsa/exemple").status == 404


def test_an_example_shows_what_is_absent_without_a_scope(portal: PortalServer) -> None:
    whole = portal.get(f"{QUOTIENT}/exemple")
    assert "absent" not in whole.text.split("<ol")[1].split("</ol>")[0]
    less = portal.get(f"{QUOTIENT}/exemple?choix=1&avec=cnaf_quotient_familial")
    absent = re.findall(r'<li class="absent"><code> *(?:&quot;|")?(\w*)', less.text)
    assert {"allocataires", "enfants", "adresse"} <= set(absent)
    assert "quotient_familial" not in absent


def test_every_operation_has_a_fiche(content: Content, operations: tuple[Operation, ...]) -> None:
    covered = [one for entry in joined(content, operations) for one in entry.operations]
    assert sorted(one.path for one in covered) == sorted(one.path for one in operations)


def test_every_fiche_that_can_be_called_is_served(content: Content, operations: tuple[Operation, ...]) -> None:
    unserved = [entry.uid for entry in joined(content, operations) if not entry.is_served and not entry.is_incoming]
    assert unserved == []


def test_every_state_of_a_fiche_is_one_of_the_gateway(content: Content, gateway: GatewayServer) -> None:
    published = Gateway.of(PortalSettings(gateway_url=gateway.url))
    names = {name for api in content.apis if not api.is_incoming for name in api.state_names}
    assert names - published.states.read().keys() == set()
    published.stop()


def test_an_outside_provider_s_operation_has_a_plain_fiche(content: Content, operations: tuple[Operation, ...]) -> None:
    changes = {"resource": "acme/chose", "path": "/v3/acme/chose/identite", "title": "Chose", "provider": "Acme"}
    entry = joined(content, (*operations, replace(operations[-1], version="v3", is_deprecated=False, **changes)))[-1]
    assert (entry.uid, entry.title, entry.provider) == ("acme/chose", "Chose", "Acme")
    assert [one.uid for one in filtered([entry], Filters(query="chose"), [])] == ["acme/chose"]


def test_an_example_is_json_once_its_lines_are_joined(operations: tuple[Operation, ...]) -> None:
    for operation in operations:
        text = "\n".join(line.text for line in lines(operation.fields, operation.scopes))
        assert json.loads(text)["data"].keys()


def test_words_of_a_search_are_bounded() -> None:
    assert len(search.words("mot " * 500)) == 12


def test_an_example_is_the_answer_of_the_sandbox_about_an_invented_person(portal: PortalServer) -> None:
    page = portal.get(f"{QUOTIENT}/exemple")
    assert "LE GOUADEC" in page.text
    assert "/developpeurs/bac-a-sable/cas/api_particulier_v3_cnav_quotient_familial" in page.text


def test_a_fiche_leads_to_the_console(portal: PortalServer) -> None:
    page = portal.get(QUOTIENT).text
    assert "/developpeurs/bac-a-sable/essayer/api_particulier_v3_cnav_quotient_familial_with_civility" in page
