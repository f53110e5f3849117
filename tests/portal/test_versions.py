"""Tests of the table of versions and of the pages that compare them."""

from __future__ import annotations

import re

from bouquet_portal.content.loader import load
from bouquet_portal.documents.client import Client
from bouquet_portal.documents.document import Document
from bouquet_portal.documents.model import Field, Operation
from bouquet_portal.documents.openapi import operations
from bouquet_portal.environment import PortalSettings
from bouquet_portal.site import variables
from bouquet_portal.versions.comparison import Row, compare
from tests.portal.servers import GatewayServer, PortalServer


def operation(*fields: Field) -> Operation:
    return Operation(
        id="acme",
        path="/v3/acme/chose/identite",
        title="Chose",
        provider="Acme",
        version="v3",
        resource="acme/chose",
        modality="identite",
        is_deprecated=False,
        scopes=(),
        parameters=(),
        fields=fields,
        is_cached=False,
        is_by_session=False,
        statuses=(200,),
    )


def field(path: str) -> Field:
    return Field(name=path, path=path, kind="texte")


def test_a_field_is_found_again_by_its_spelling_its_name_or_a_note() -> None:
    former = operation(*map(field, ("nomNaissance", "dateDebut", "sexe", "perdu", "pays")))
    newest = operation(*map(field, ("nom_naissance", "date_debut_droit", "identite.sexe", "gagne", "pays")))
    compared = compare([former], [newest], {"dateDebut": "date_debut_droit"})
    assert compared.unchanged == 1
    assert compared.rows == (
        Row("nomNaissance", "nom_naissance"),
        Row("dateDebut", "date_debut_droit"),
        Row("sexe", "identite.sexe"),
        Row("perdu", ""),
        Row("", "gagne"),
    )


def test_a_name_that_several_fields_have_finds_none_of_them() -> None:
    compared = compare([operation(field("a.nom"), field("b.nom"))], [operation(field("c.nom"))], {})
    assert compared.rows == (Row("a.nom", ""), Row("b.nom", ""), Row("", "c.nom"))


def test_the_fields_that_notes_name_exist(gateway: GatewayServer) -> None:
    settings = PortalSettings(gateway_url=gateway.url)
    client = Client(gateway.url, timeout_s=settings.gateway_timeout_s, cafile="")
    served = Document(client, "/api/openapi.json", operations).read()
    content = load(variables(settings))
    for uid, notes in content.version_notes.items():
        if uid == "general":
            continue
        api = content.api(uid)
        assert api is not None
        paths = {field.path for one in served if one.resource in api.operations for field in one.all_fields()}
        assert {path for pair in notes.renamed.items() for path in pair if path not in paths} == set(), uid


def test_each_api_with_several_versions_has_a_page_that_compares_them(portal: PortalServer) -> None:
    page = portal.get("/developpeurs/versions")
    links = re.findall(r'href="(/developpeurs/versions/[\w/]+)"', page.text)
    assert len(links) == 11
    assert {link for link in links if portal.get(link).status != 200} == set()
    assert "jusqu’au 1er septembre 2028" in page.words.replace("\u00a0", " ")


def test_a_former_field_stands_beside_its_new_name(portal: PortalServer) -> None:
    assert (
        "quotientFamilial quotient_familial.valeur" in portal.get("/developpeurs/versions/cnav/quotient_familial").words
    )


def test_an_api_that_does_not_exist_has_no_comparison(portal: PortalServer) -> None:
    assert portal.get("/developpeurs/versions/acme/chose").status == 404


def test_a_former_address_of_an_api_leads_to_its_comparison(portal: PortalServer) -> None:
    page = portal.get("/developpeurs/versions/cnav/psu")
    assert (page.status, page.headers["location"]) == (301, "/developpeurs/versions/cnav/participation_familiale_eaje")
