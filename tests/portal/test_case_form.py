"""Tests of the form that proposes a case of the sandbox field by field."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest
import yaml
from django.utils.datastructures import MultiValueDict

from bouquet_portal.bac_a_sable.answer_form import data_from, entries
from bouquet_portal.bac_a_sable.case_form import DATA
from bouquet_portal.documents.openapi import operations
from tests.portal.forms import Form
from tests.portal.sandbox_pages import QUOTIENT, QUOTIENT_BY_FRANCE_CONNECT, ROOT, V2, document
from tests.portal.servers import GatewayServer, Page, PortalServer

PAGE = f"{ROOT}/proposer"
QUOTIENT_DATA = f"{DATA}.quotient_familial"


def form_of(portal: PortalServer, case: str = "200_yann", operation_id: str = QUOTIENT) -> Form:
    return Form(portal, f"{PAGE}?operation={operation_id}&cas={case}")


def renamed(portal: PortalServer) -> Form:
    """Returns the form of a case without a fault: that of Yann, with another first name."""
    return form_of(portal).fill_all([("prenoms[]", "Yannick")])


def file_of(form: Form, **values: str) -> Any:
    """Downloads the case that a form describes. Returns the file's contents, the payload decoded."""
    page = form.fill(download="1", **values).send()
    assert page.headers["content-type"] == "application/yaml; charset=utf-8"
    return _read(page.text)


def _read(text: str) -> Any:
    contents = yaml.safe_load(text)
    return contents | {"payload": json.loads(contents["payload"])}


def input_of(page: Page, name: str) -> str:
    """Returns the start tag of the input with a name."""
    found = re.search(rf'<(?:input|select) [^>]*name="{re.escape(name)}"[^>]*>', page.text)
    assert found, name
    return found[0]


def test_every_operation_of_the_gateway_can_be_chosen(portal: PortalServer, gateway: GatewayServer) -> None:
    paths = document(gateway, "/api/openapi.json")["paths"].values()
    operations = [one["get"] for one in paths if "x-scopes" in one.get("get", {})]
    current = {one["operationId"] for one in operations if not one.get("deprecated")}
    assert current == set(re.findall(r'<option value="(api_[^"]+)"', portal.get(PAGE).text))


def test_a_case_of_each_operation_passes_through_the_form(portal: PortalServer, gateway: GatewayServer) -> None:
    """Tests that the form contains every parameter and field of a case: its file has the call and the answer of the
    case with which the form began."""
    chosen = {one["operation_id"]: one for one in document(gateway, "/bouquet/v1/sandbox/cases")["cases"]}
    chosen = {id: one for id, one in chosen.items() if not id.startswith("api_particulier_v2")}
    assert len(chosen) > 30
    for id, case in chosen.items():
        written = file_of(form_of(portal, case["id"].partition("/")[2], id))
        asked = {name.removesuffix("[]"): value for name, value in case.get("parameters", {}).items()}
        assert (id, written["params"]) == (id, asked)
        assert written["status"] == case["status"]
        payload = case["payload"] if case["status"] == 200 else written["payload"]
        assert without_blanks(written["payload"]) == without_blanks(payload), id


def without_blanks(value: Any) -> Any:
    """Returns a JSON value without null and empty objects, since a blank field of the form may be null or missing."""
    match value:
        case dict():
            inner = {name: without_blanks(one) for name, one in value.items()}
            return {name: one for name, one in inner.items() if one not in (None, {})}
        case list():
            return [without_blanks(item) for item in value]
        case _:
            return value


def test_a_case_without_fault_is_previewed(portal: PortalServer) -> None:
    page = renamed(portal).send()
    assert page.status == 200
    assert "Rien à corriger" in page.words
    assert "&quot;valeur&quot;: 612" in page.text


@pytest.mark.parametrize(
    ("values", "place", "text"),
    [
        ({f"{QUOTIENT_DATA}.valeur": "x"}, f"{QUOTIENT_DATA}.valeur", "pas le bon type"),
        ({f"{QUOTIENT_DATA}.valeur": ""}, f"{QUOTIENT_DATA}.valeur", "Il manque une valeur"),
        ({f"{DATA}.enfants[1].sexe": "Z"}, f"{DATA}.enfants[1].sexe", "pas de celles"),
        ({"nomNaissance": ""}, "nomNaissance", "(00420)"),
        ({"codeCogInseePaysNaissance": "FR"}, "codeCogInseePaysNaissance", "(00400)"),
    ],
)
def test_a_fault_is_shown_beside_its_field_and_in_the_summary(
    values: Mapping[str, str], place: str, text: str, portal: PortalServer
) -> None:
    page = renamed(portal).fill(**values).send()
    assert page.status == 422
    assert "<title>Erreur" in page.text
    assert 'aria-invalid="true"' in input_of(page, place)
    [id] = re.findall(r'\bid="([^"]+)"', input_of(page, place))
    assert f'href="#{id}"' in page.text
    assert page.words.replace("\u00a0", " ").count(text) >= 2


def test_a_fault_of_the_whole_case_is_shown_in_the_summary(portal: PortalServer) -> None:
    page = form_of(portal).send()
    assert page.status == 422
    assert "a déjà les mêmes paramètres" in page.words
    assert "aria-invalid" not in page.text


def test_a_list_gets_one_more_object(portal: PortalServer) -> None:
    path = f"{DATA}.enfants"
    page = renamed(portal).fill(longer=path).send()
    assert page.status == 200
    assert f'name="{path}[3].prenoms"' in page.text
    assert f'name="{path}[4].prenoms"' not in page.text


def test_objects_without_a_value_are_left_out_of_lists(portal: PortalServer) -> None:
    form = renamed(portal)
    children = {name: "" for name, _ in form.fields if name.startswith(f"{DATA}.enfants[1].")}
    names = [child["prenoms"] for child in file_of(form.fill(**children))["payload"]["data"]["enfants"]]
    assert names == ["RONAN MALO", "EWEN"]


def test_a_computed_number_stays_one_in_the_file(portal: PortalServer) -> None:
    form = renamed(portal).fill(**{f"{QUOTIENT_DATA}.annee": "{annee-1}", f"{DATA}.adresse.pays": '\0{mois}"'})
    assert "Rien à corriger" in form.send().words
    text = form.fill(download="1").send().text
    assert '"annee": {annee-1},' in text
    assert '"pays": "\\u0000{mois}\\""' in text


@pytest.mark.parametrize("text", ["\0{mois}", "a\u2028b", "a\x85b", "a\ufffeb", "&a !!x {b}: #"])
def test_the_file_has_each_text_as_it_was_entered(text: str, portal: PortalServer) -> None:
    written = file_of(renamed(portal), **{"nomNaissance": text, f"{DATA}.adresse.pays": text})
    assert (written["params"]["nomNaissance"], written["payload"]["data"]["adresse"]["pays"]) == (text, text)


@pytest.mark.parametrize("text", ['"\\ud800"', "NaN", "1e999", "[" * 255])
def test_what_is_no_number_in_json_stays_a_text(text: str, portal: PortalServer) -> None:
    written = file_of(renamed(portal), **{f"{QUOTIENT_DATA}.valeur": text})
    assert written["payload"]["data"]["quotient_familial"]["valeur"] == text


def test_a_case_that_is_too_large_is_refused(portal: PortalServer) -> None:
    names = ("nom_naissance", "nom_usage", "prenoms", "date_naissance", "sexe")
    people = [
        f"{DATA}.{kind}[{number}].{name}"
        for kind in ("allocataires", "enfants")
        for number in range(20)
        for name in names
    ]
    page = renamed(portal).fill_all((name, '"' * 255) for name in people).send()
    assert (page.status, "Le cas dépasse 64 Kio." in page.words) == (422, True)


def test_an_error_is_answered_with_its_documented_text(portal: PortalServer) -> None:
    form = renamed(portal).fill(answer="404 35003")
    assert "Rien à corriger" in form.send().words
    written = file_of(form)
    [error] = written["payload"]["errors"]
    assert (written["status"], error["code"]) == (404, "35003")
    assert error["title"]
    assert error["detail"]


def test_a_case_by_france_connect_describes_the_citizen(portal: PortalServer) -> None:
    """Tests that the citizen's civil status, which no call by FranceConnect names, can be given."""
    form = form_of(portal, "200_maelys", QUOTIENT_BY_FRANCE_CONNECT)
    citizen = {"nomNaissance": "LE GOUADEC", "sexeEtatCivil": "F", "annee": str(date.today().year - 1), "mois": "1"}
    born = {"anneeDateNaissance": "1989", "moisDateNaissance": "6", "jourDateNaissance": "14"}
    place = {"codeCogInseePaysNaissance": "99100", "codeCogInseeCommuneNaissance": "29019"}
    form.fill(**citizen, **born, **place).fill_all([("prenoms[]", "Maëlys"), ("prenoms[]", "Inès")])
    assert "Rien à corriger" in form.send().words


def test_a_form_is_continued_as_yaml(portal: PortalServer) -> None:
    page = renamed(portal).fill(description="Un cas", yaml="1").send()
    assert f'action="{PAGE}/yaml#rapport"' in page.text
    found = re.search(r"<textarea[^>]*>(.*?)</textarea>", page.text, re.DOTALL)
    assert found
    written = _read(html.unescape(found[1]))
    assert (written["description"], written["params"]["prenoms"]) == ("Un cas", ["Yannick"])


def test_a_case_of_version_2_is_written_as_yaml(portal: PortalServer) -> None:
    page = portal.get(f"{PAGE}?operation={V2}&cas=200_maelys")
    assert (page.status, page.headers["location"]) == (302, f"{PAGE}/yaml?operation={V2}&cas=200_maelys")


def object_of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


TEXT, LIST = {"type": "string"}, "array"
DATA_OF_ACME = object_of(
    dossiers={"type": LIST, "items": object_of(lignes={"type": LIST, "items": object_of(montant={"type": "number"})})},
    codes={"type": LIST, "items": {"type": "integer"}},
    libre={"type": "object"},
    oui={"anyOf": [{"type": "boolean"}, {"type": "null"}]},
    aucun={"anyOf": [TEXT, {"type": "null"}]},
)
ANSWER = {"content": {"application/json": {"schema": object_of(data=DATA_OF_ACME)}}}
METHOD = {"operationId": "acme_chose", "summary": "Chose", "x-scopes": ["acme"], "responses": {"200": ANSWER}}
ACME = {"components": {"schemas": {}}, "paths": {"/v3/acme/chose/identite": {"get": METHOD}}}
"""OpenAPI document with an operation of an outside provider, whose answer has fields of every kind."""


def test_the_form_of_an_outside_provider_s_answer_needs_no_code_of_its_own() -> None:
    [operation] = operations(ACME)
    data = {
        "dossiers": [{"lignes": [{"montant": 1.5}, {"montant": 2}]}, {"lignes": [{"montant": 3}]}],
        "codes": [7, 8],
        "libre": {"a": [1]},
        "oui": False,
        "aucun": None,
    }
    sent: MultiValueDict[str, str] = MultiValueDict()
    for entry in entries(operation.fields, data, {}, DATA):
        for one in entry.walk():
            sent.setlist(one.path, list(one.texts))
    assert data_from(operation.fields, sent, DATA) == data
