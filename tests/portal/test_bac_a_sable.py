"""Tests of the sandbox explorer: people, errors, the console and its programs to copy, and proposed cases."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bouquet_portal.bac_a_sable.views.contents import CALLS_PER_MINUTE
from tests.portal.forms import Form
from tests.portal.sandbox_pages import QUOTIENT, QUOTIENT_BY_FRANCE_CONNECT, ROOT, V2, body_in, code_in, document
from tests.portal.servers import CASES, GatewayServer, PortalServer
from tests.support.sandbox_gateway import token
from tests.support.waiting import TEST_TIMEOUT_S


def portal_beside(gateway: GatewayServer, folder: Path) -> PortalServer:
    return PortalServer(folder, gateway.url, sandbox_url=gateway.url, sandbox_token=token())


def asks_about(portal: PortalServer, case: str, operation_id: str = QUOTIENT) -> Form:
    return Form(portal, f"{ROOT}/essayer/{operation_id}?cas={case}")


def test_people_are_shown_with_what_each_api_answers(portal: PortalServer) -> None:
    page = portal.get(ROOT)
    assert page.status == 200
    for text in ("Maëlys LE GOUADEC", "Famille Castagnos", "jeton-samira", "37003"):
        assert text in page.words


def test_every_case_has_a_page_with_its_call(portal: PortalServer) -> None:
    for folder in sorted(CASES.glob("api_*")):
        file = sorted(folder.glob("*.yaml"))[0]
        page = portal.get(f"{ROOT}/cas/{folder.name}/{file.stem}")
        assert (file.stem, page.status) == (file.stem, 200)
    page = portal.get(f"{ROOT}/cas/{QUOTIENT}/200_remi")
    assert "CASTAGNOS" in page.words
    assert '"fournisseur": "MSA"' in html.unescape(page.text)


def test_every_person_has_a_page(portal: PortalServer) -> None:
    slugs = set(re.findall(rf'href="{ROOT}/personnes/([^"]+)"', portal.get(ROOT).text))
    assert {"maelys-le-gouadec", "theodore-vauzelles", "oceane-brianchon"} <= slugs
    for slug in slugs:
        assert portal.get(f"{ROOT}/personnes/{slug}").status == 200


def test_situations_are_found_without_accents(portal: PortalServer) -> None:
    words = portal.get(f"{ROOT}/situations?q=radiee").words
    assert "Océane" in words
    assert "Théodore" not in words


def test_every_documented_error_is_listed_with_its_identity(portal: PortalServer, gateway: GatewayServer) -> None:
    errors = document(gateway, "/api/errors")
    by_status = [errors["platform_codes"], *(one["errors"] for one in errors["endpoints"].values())]
    codes = {one["code"] for group in by_status for items in group.values() for one in items}
    page = portal.get(f"{ROOT}/erreurs")
    assert codes == set(re.findall(r'id="e-(\d+)-\d+"', page.text))
    assert "ERREUR TROIS-CINQ-ZERO-ZERO-TROIS" in page.words


@pytest.mark.parametrize(("operation_id", "code"), [(QUOTIENT, "35003"), (QUOTIENT_BY_FRANCE_CONNECT, "51502")])
def test_the_identity_of_an_error_yields_it(operation_id: str, code: str, portal: PortalServer) -> None:
    page = Form(portal, f"{ROOT}/essayer/{operation_id}?erreur={code}").send()
    assert body_in(page)["errors"][0]["code"] == code


def test_every_operation_of_the_sandbox_has_a_form(portal: PortalServer, gateway: GatewayServer) -> None:
    paths = document(gateway, "/api/openapi.json")["paths"].values()
    ids = [one["get"]["operationId"] for one in paths if "x-scopes" in one.get("get", {})]
    assert len(ids) > 30
    for id in ids:
        assert (id, portal.get(f"{ROOT}/essayer/{id}").status) == (id, 200)


def test_the_form_of_a_case_gets_its_answer(portal: PortalServer) -> None:
    page = asks_about(portal, "200_remi").send()
    assert page.status == 200
    assert body_in(page)["data"]["quotient_familial"]["fournisseur"] == "MSA"
    for text in ("Réponse : 200", "X-Request-Id", "inconnu du fournisseur"):
        assert text in page.words.replace("\u00a0", " ")


def test_the_form_has_a_field_for_each_first_name(portal: PortalServer) -> None:
    names = [value for name, value in asks_about(portal, "200_maelys").fields if name == "prenoms[]"]
    assert names == ["Maëlys", "Inès", ""]


def test_without_a_scope_its_fields_are_shown_as_closed(portal: PortalServer) -> None:
    page = asks_about(portal, "200_remi").without(("scope", "cnaf_enfants")).send()
    assert "enfants" not in body_in(page)["data"]
    assert re.search(r"enfants fermé : il faut cnaf_enfants", page.words.replace("\u00a0", " "))


def test_wrong_parameters_are_reported_beside_their_fields(portal: PortalServer) -> None:
    page = asks_about(portal, "200_remi").fill(nomNaissance="").send()
    assert page.text.count("(00420)") >= 2  # in the summary, and beside the field
    assert re.search(r'id="p-nomNaissance" name="nomNaissance" value=""[^>]* aria-invalid="true"', page.text)


def test_a_citizen_s_token_decides_the_fields(portal: PortalServer) -> None:
    form = asks_about(portal, "200_maelys", QUOTIENT_BY_FRANCE_CONNECT)
    page = form.fill(session="jeton-maelys-quotient-seul").send()
    assert set(body_in(page)["data"]) == {"quotient_familial"}
    assert "fermé" in page.words


def test_a_token_that_no_header_can_contain_is_reported(portal: PortalServer) -> None:
    page = asks_about(portal, "200_maelys", QUOTIENT_BY_FRANCE_CONNECT).fill(session="jeton-maëlys…").send()
    assert page.status == 422
    assert "caractères" in page.words


def test_version_2_can_be_called(portal: PortalServer) -> None:
    assert body_in(asks_about(portal, "200_maelys", V2).send())["quotientFamilial"] == 612


PROGRAMS = {
    "curl": ["sh", "-c"],
    "python": [sys.executable, "-c"],
    "javascript": ["node", "-e"],
    "php": ["php", "-r"],
}


@pytest.mark.parametrize("language", PROGRAMS)
@pytest.mark.parametrize("case", ["200_maelys", "404"])
def test_a_copied_program_gets_the_same_answer(case: str, language: str, portal: PortalServer) -> None:
    """Tests that a program copied from the page prints the answer that the page shows, about a known and about an
    unknown person. One scope is unticked in the form."""
    interpreter = PROGRAMS[language]
    if shutil.which(interpreter[0]) is None:
        pytest.skip(f"{interpreter[0]} is not installed")
    form = asks_about(portal, "200_maelys").without(("scope", "cnaf_adresse"))
    if case == "404":
        form.fill(nomNaissance='L\'INCONNUE \\ "$HOME"')
    page = form.send()
    program = code_in(page, f"copie-{language}").removeprefix("<?php")
    run = subprocess.run([*interpreter, program], capture_output=True, timeout=TEST_TIMEOUT_S, check=True)
    assert json.loads(run.stdout) == body_in(page)


def test_a_link_to_the_form_names_a_case_and_no_parameter(portal: PortalServer) -> None:
    page = asks_about(portal, "200_remi").without(("scope", "cnaf_enfants")).send()
    link = f"{ROOT}/essayer/{QUOTIENT}?cas=200_remi&amp;sans=cnaf_enfants"
    assert f'href="{link}"' in page.text
    again = Form(portal, html.unescape(link))
    assert ("nomNaissance", "CASTAGNOS") in again.fields
    assert ("scope", "cnaf_enfants") not in again.fields
    other = asks_about(portal, "200_remi").fill(nomNaissance="AUTRE").send()
    assert "Lien vers ce formulaire" not in other.words


def test_a_form_from_another_site_is_refused(portal: PortalServer) -> None:
    assert asks_about(portal, "200_remi").send(forged=True).status == 403


def test_nothing_that_a_form_sends_is_logged(portal: PortalServer, gateway: GatewayServer) -> None:
    asks_about(portal, "200_remi").fill(nomNaissance="SECRETNAME").send()
    Form(portal, f"{ROOT}/proposer/yaml?operation={QUOTIENT}&cas=200_yann").fill(text="SECRETNAME: [").send()
    for server in (portal, gateway):
        assert "SECRETNAME" not in (server.folder / "output.log").read_text(encoding="utf-8")


def test_only_paths_of_the_document_are_called(portal: PortalServer) -> None:
    for id in ("..%2F..%2Fmetrics", "unknown", "sandbox_cases", "introspect"):
        assert portal.get(f"{ROOT}/essayer/{id}").status == 404


def test_a_proposed_case_is_checked_by_line(portal: PortalServer) -> None:
    form = Form(portal, f"{ROOT}/proposer/yaml?operation={QUOTIENT}&cas=200_yann")
    text = dict(form.fields)["text"]
    page = form.fill(text=text.replace('"valeur": 612', '"valeur": "x"').replace("- Yann", "- Yannick")).send()
    line = next(n for n, one in enumerate(text.split("\n"), start=1) if '"valeur": 612' in one)
    assert f'href="#ligne-{line}"' in page.text
    assert "la valeur n’a pas le bon type" in page.words


def test_a_proposed_case_without_fault_is_previewed_and_downloaded(portal: PortalServer) -> None:
    form = Form(portal, f"{ROOT}/proposer/yaml?operation={QUOTIENT}&cas=200_yann")
    text = dict(form.fields)["text"].replace("- Yann", "- Yannick")
    page = form.fill(text=text).send()
    assert "Rien à corriger" in page.words
    assert "&quot;valeur&quot;: 612" in page.text
    file = form.fill(name="200_yannick", download="1").send()
    assert file.headers["content-disposition"] == 'attachment; filename="200_yannick.yaml"'
    assert file.text == text


@pytest.mark.parametrize(
    "text",
    [
        "params: {}\nstatus: 200\npayload: |-\n  " + "[" * 60_000,
        "[" * 60_000,
        "a: &a [x, x]\nb: &b [*a, *a]\n" + "".join(f"{n}: &c{n} [*b, *b, *b, *b]\n" for n in range(200)),
        "&a [*a]",
        "!!python/object/apply:os.system ['id']",
        "\x00",
    ],
    ids=["deep JSON", "deep YAML", "many aliases", "alias of itself", "object", "null character"],
)
def test_a_hostile_proposal_is_a_faulty_one(text: str, portal: PortalServer) -> None:
    page = Form(portal, f"{ROOT}/proposer/yaml").fill(operation=QUOTIENT, text=text).send()
    assert page.status == 200
    assert "à corriger" in page.words.replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"operation": "", "text": "a: 1"}, "Choisissez l’opération"),
        ({"operation": QUOTIENT, "text": " "}, "Écrivez ou collez le cas"),
        ({"operation": QUOTIENT, "text": "#" * 66_000}, "dépasse 64 Kio"),
    ],
)
def test_an_unusable_proposal_is_refused(values: dict[str, str], text: str, portal: PortalServer) -> None:
    page = Form(portal, f"{ROOT}/proposer/yaml").fill(**values).send()
    assert page.status == 422
    assert text in page.words.replace("\u202f", " ")
    assert "<title>Erreur" in page.text


def test_a_file_name_cannot_break_out_of_its_header(portal: PortalServer) -> None:
    form = Form(portal, f"{ROOT}/proposer/yaml").fill(text="a: 1", name='x"; filename="evil.exe', download="1")
    assert form.send().headers["content-disposition"] == 'attachment; filename="200_proposition.yaml"'


def test_calls_are_rate_limited(gateway: GatewayServer, tmp_path: Path) -> None:
    with portal_beside(gateway, tmp_path) as server:
        form = asks_about(server, "200_remi")
        statuses = [form.send().status for _ in range(2 * CALLS_PER_MINUTE + 1)]
    assert 429 in statuses


def test_a_portal_without_a_sandbox_says_so_and_has_no_link_to_one(gateway: GatewayServer, tmp_path: Path) -> None:
    with PortalServer(tmp_path, gateway.url) as server:
        page, home = server.get(ROOT), server.get("/")
    assert page.status == 404
    assert "aucun bac à sable" in page.words
    assert f'href="{ROOT}"' not in home.text


def test_a_sandbox_that_is_away_is_no_empty_page(lonely_portal: PortalServer) -> None:
    page = lonely_portal.get(ROOT)
    assert page.status == 503
    assert "ne répond pas" in page.words
