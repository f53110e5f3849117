"""Tests of DataPass's prefilled forms: what the internal API answers about them, and what a webhook does with them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bouquet_mesh.secret import Secret
from bouquet_mesh.settings import SettingsError
from bouquet_registry import queries
from bouquet_registry.datapass import formats, inbox
from bouquet_registry.datapass.forms import EXAMPLES, Catalogue, forms_of, parse
from bouquet_registry.datapass.inbox import ReceivedEvent
from bouquet_registry.served_scopes import FRANCE_CONNECT_SCOPES
from bouquet_registry.settings import RegistrySettings
from bouquet_registry.store import Store
from tests.registry.api_client import ApiClient, api_client, api_environ
from tests.registry.datapass_events import v2
from tests.support.clock import DatetimeClock
from tests.support.editors import create_editor, delegations_of
from tests.support.habilitations import SIRET
from tests.support.processes import running_command

FORMS = "/definitions/api-particulier/formulaires"
FREE, FIXED, EDITABLE = "api-particulier", "api-particulier-arpege-concerto", "api-particulier-familea"
CERTIFIED = "api-particulier-entrouvert-publik"
EXAMPLE_FORMS = forms_of(RegistrySettings(forms=EXAMPLES)).forms
APPLICANT = {"email": "anne@mairie.example", "given_name": "Anne", "family_name": "DURANT"}


@pytest.fixture
async def api(sqlite: Store, clock: DatetimeClock) -> AsyncIterator[ApiClient]:
    async with api_client(sqlite, clock, forms_of(RegistrySettings(forms=EXAMPLES))) as client:
        yield client


async def draft(api: ApiClient, uid: str, query: dict[str, str] | None = None, **data: Any) -> Any:
    """Returns the answer to a request for a draft with a form, `query` in the query string, and the data typed."""
    demande = {"form_uid": uid, "applicant": APPLICANT, "organization": {"siret": SIRET}, "data": data}
    return await api.send("POST", "/demandes", query=query, body={"demande": demande}, headers={})


async def test_the_forms_of_a_definition_are_listed_without_private_ones(api: ApiClient) -> None:
    listed = {row["uid"]: row for row in (await api.get(FORMS)).json["data"]}
    of_class = {uid for uid, form in EXAMPLE_FORMS.items() if form.authorization_request == "APIParticulier"}
    assert listed.keys() == of_class - {"api-particulier-abelium"}
    assert (await api.get(f"{FORMS}/api-particulier-abelium")).json["public"] is False
    row = listed[FIXED]
    assert (row["definition_id"], row["authorization_request_class"]) == ("api-particulier", "APIParticulier")
    assert (row["use_case"], row["multiple_steps"]) == ("tarification_municipale_enfance", True)
    assert row["data"]["scopes"] == ["cnaf_quotient_familial", "cnaf_allocataires"]
    assert row["introduction"] == "Le formulaire « Arpège Concerto » est prérempli pour les clients de Arpège."
    assert (row["service_provider"]["id"], row["service_provider"]["type"]) == ("arpege", "editor")


async def test_forms_are_found_by_use_case(api: ApiClient) -> None:
    answer = await api.get(FORMS, use_case="tarification_transports")
    assert [row["uid"] for row in answer.json["data"]] == ["api-particulier-airweb"]


@pytest.mark.parametrize(
    "path",
    [
        "/definitions/unknown/formulaires",
        f"{FORMS}/unknown",
        f"{FORMS}/formulaire-qf",
        f"/definitions/unknown/formulaires/{FREE}",
    ],
)
async def test_an_unknown_form_or_definition_is_a_404(api: ApiClient, path: str) -> None:
    assert (await api.get(path)).errors == {("unknown_record", "")}


async def test_the_twelve_examples_include_one_of_each_recipe(api: ApiClient) -> None:
    assert len(EXAMPLE_FORMS) == 12
    recipes = {
        "fixed": ("basic_infos legal personal_data contacts", "modalities scopes"),
        "editable": ("basic_infos scopes legal personal_data contacts", "modalities"),
        "certified, fixed": ("modalities basic_infos legal personal_data contacts", "scopes"),
        "certified, editable": ("modalities basic_infos scopes legal personal_data contacts", ""),
        "generic": ("basic_infos legal modalities scopes personal_data contacts", ""),
        "single page": ("", "modalities"),
    }
    found = {(" ".join(form.steps), " ".join(form.static_blocks)) for form in EXAMPLE_FORMS.values()}
    assert set(recipes.values()) <= found
    assert len(EXAMPLE_FORMS["api-particulier-airweb"].initialize_with.filled()["scopes"]) == 11
    assert len(EXAMPLE_FORMS["api-particulier-airweb"].scopes_config.displayed) == 14


async def test_attributes_of_the_query_string_fill_in_a_form_but_never_contacts(api: ApiClient) -> None:
    path = f"{FORMS}/{FREE}?intitule=Cantine&modalities[]=params&modalities[]=france_connect"
    path += "&duree_conservation_donnees_caractere_personnel=12&contact_metier_email=x@y.example&state=validated&z=1"
    row = (await api.get(path)).json
    assert (
        row["data"]
        == row["prefill"]
        == {
            "intitule": "Cantine",
            "modalities": ["params", "france_connect"],
            "duree_conservation_donnees_caractere_personnel": 12,
        }
    )
    unusable = f"{FORMS}/{FREE}?duree_conservation_donnees_caractere_personnel=long&modalities[]=pigeon&scopes[]=openid"
    assert (await api.get(unusable)).json["prefill"] == {"scopes": []}


async def test_a_link_cannot_change_fixed_blocks_and_scopes(api: ApiClient) -> None:
    row = (await api.get(f"{FORMS}/{FIXED}?modalities[]=france_connect&scopes[]=x&intitule=Ma cantine")).json
    assert row["prefill"] == {"intitule": "Ma cantine"}
    assert (row["data"]["modalities"], len(row["data"]["scopes"])) == (["params"], 2)
    row = (await api.get(f"{FORMS}/{EDITABLE}?scopes[]=cnaf_enfants&scopes[]=openid")).json
    assert row["data"]["scopes"] == ["cnaf_quotient_familial", "cnaf_enfants"]


async def test_a_draft_has_the_form_s_data_then_the_link_s_then_the_applicant_s(api: ApiClient) -> None:
    query = {"intitule": "Du lien", "description": "Du lien", "contact_metier_email": "x@y.example"}
    answer = await draft(api, EDITABLE, query, description="Saisi", scopes=["cnaf_adresse"])
    assert answer.status == 200
    made = answer.json
    assert (made["state"], made["form_uid"], made["type"]) == ("draft", EDITABLE, "APIParticulier")
    assert (made["data"]["intitule"], made["data"]["description"]) == ("Du lien", "Saisi")
    assert made["data"]["scopes"] == ["cnaf_quotient_familial", "cnaf_adresse"]
    assert made["data"]["contact_technique_email"] == "support@familea.example"
    assert "contact_metier_email" not in made["data"]
    assert made["applicant"]["family_name"] == "DURANT" and made["organization"] == {"siret": SIRET}
    assert made["service_provider"]["id"] == "familea"
    assert set(made["missing"]) == {
        "cadre_juridique_url",
        "destinataire_donnees_caractere_personnel",
        "duree_conservation_donnees_caractere_personnel",
    }


async def test_a_draft_by_type_begins_with_the_default_form(api: ApiClient) -> None:
    demande = {"type": "FormulaireQF", "applicant": APPLICANT, "organization": {"siret": SIRET}}
    assert (await api.act("POST", "/demandes", demande=demande)).json["form_uid"] == "formulaire-qf"


async def test_a_request_with_an_unknown_form_is_a_404(api: ApiClient) -> None:
    answer = await draft(api, "unknown")
    assert (answer.status, answer.errors) == (404, {("unknown_record", "")})


@pytest.mark.parametrize(
    ("uid", "data", "field"),
    [
        (FIXED, {"modalities": ["params"]}, "modalities"),
        (EDITABLE, {"scopes": ["cnaf_enfants", "openid"]}, "scopes[1]"),
        (FREE, {"contact_metier_email": "nobody"}, "contact_metier_email"),
        (FREE, {"modalities": ["pigeon"]}, "modalities[0]"),
        (FREE, {"state": "validated"}, "state"),
    ],
)
async def test_data_that_the_form_does_not_take_is_refused(
    api: ApiClient, uid: str, data: dict[str, Any], field: str
) -> None:
    answer = await draft(api, uid, **data)
    assert (answer.status, answer.errors) == (422, {("invalid", f"demande.data.{field}")})


async def test_a_wrong_applicant_organization_or_type_is_refused(api: ApiClient) -> None:
    demande: dict[str, Any] = {"applicant": {"email": "nobody"}, "organization": {"siret": "1"}, "form_uid": FREE}
    answer = await api.act("POST", "/demandes", demande=demande | {"type": "FormulaireQF"})
    assert {field for _, field in answer.errors} == {
        "demande.applicant.email",
        "demande.organization.siret",
        "demande.type",
    }
    del demande["form_uid"]
    assert (await api.act("POST", "/demandes", demande=demande)).errors == {("invalid", "demande.form_uid")}


async def test_france_connect_needs_a_habilitation_or_certified_software_with_all_its_scopes(api: ApiClient) -> None:
    own = await draft(api, FREE, modalities=["france_connect"])
    assert "france_connect_authorization_id" in own.json["missing"]
    known = await draft(api, FREE, modalities=["france_connect"], france_connect_authorization_id="1")
    assert "france_connect_authorization_id" not in known.json["missing"]
    certified = (await draft(api, CERTIFIED)).json
    assert set(certified["data"]["scopes"]) >= FRANCE_CONNECT_SCOPES
    assert {"fc_eidas", "contact_technique_phone_number"} <= set(certified["missing"])
    assert not {"scopes", "france_connect_authorization_id"} & set(certified["missing"])


async def test_data_kept_for_more_than_three_years_needs_a_justification(api: ApiClient) -> None:
    for months, is_missing in ((36, False), (37, True)):
        made = (await draft(api, FREE, duree_conservation_donnees_caractere_personnel=months)).json
        wanted = "duree_conservation_donnees_caractere_personnel_justification"
        assert (wanted in made["missing"]) == is_missing


@pytest.mark.parametrize("uid", EXAMPLE_FORMS)
async def test_an_approved_request_of_each_form_keeps_form_and_editor_and_is_delegated(
    api: ApiClient, sqlite: Store, clock: DatetimeClock, uid: str
) -> None:
    made = (await draft(api, uid)).json
    provider = {"id": "arpege", "type": "editor", "siret": SIRET}
    editor = await create_editor(sqlite, form_uids=(uid,))
    for event, state in (("create_by_api", "draft"), ("update_by_api", "draft"), ("approve", "validated")):
        clock.advance(minutes=1)
        now = clock().timestamp()
        told = json.loads(v2(event, now, state=state, form_uid=uid, service_provider=provider, **made["data"]))
        told["data"]["organization"]["insee_payload"] = {"etablissement": {"siret": SIRET}}
        told["data"]["authorizations"] = [{"id": 1, "slug": "production", "revoked": False, "state": "active"}]
        body = json.dumps(told).encode()
        received = ReceivedEvent("v2", body, clock())
        assert (await inbox.apply_once(sqlite, received, formats.read("v2", body), clock))[1] == "obeyed"
    async with sqlite.reading() as connection:
        [own] = await queries.habilitations(connection)
    assert (own.state, own.form_uid, own.service_provider and own.service_provider.id) == ("active", uid, "arpege")
    if "modalities" in made["data"]:
        assert own.modalities == tuple(made["data"]["modalities"])
    [delegated] = await delegations_of(sqlite, editor)
    assert delegated.habilitation == own.id


async def test_reopening_in_datapass_leaves_an_active_habilitation_active(sqlite: Store, clock: DatetimeClock) -> None:
    for event, state in (("approve", "validated"), ("reopen", "draft"), ("cancel_reopening", "validated")):
        clock.advance(minutes=1)
        body = v2(event, clock().timestamp(), state=state)
        await inbox.apply_once(sqlite, ReceivedEvent("v2", body, clock()), formats.read("v2", body), clock)
        async with sqlite.reading() as connection:
            [own] = await queries.habilitations(connection)
        assert own.state == "active"


BAD = {
    "forms: [1]": "Expected `object`",
    "forms: {a: {}}": "missing required field `name`",
    "forms: {a: {name: A, pages: []}}": "unknown field `pages`",
    "forms: {a: {name: A, service_provider_id: b}}": "forms.a.service_provider_id: is not in service_providers",
    "forms: {a: {name: A, introduction: '%{nom}'}}": "forms.a.introduction: has unknown placeholders nom",
    "forms: {a: {name: A, steps: [scopes], static_blocks: [scopes]}}": "forms.a.static_blocks: are steps too: scopes",
    "forms: {a: {name: A, steps: [scopes], single_page_view: v}}": "forms.a.single_page_view: is of a form without",
    "forms: {a: {name: A, scopes_config: {displayed: [a], disabled: [b]}}}": "forms.a.scopes_config.disabled: are not",
    "forms: {a: {name: A, initialize_with: {scopes: [A B]}}}": "forms.a.initialize_with.scopes: are no scopes",
    "forms: {'a b': {name: A}}": "forms.a b.uid: is no uid",
    "forms: {a: {name: A, default: true}, b: {name: B, default: true}}": "APIParticulier has several default forms",
    "service_providers: {a: {type: saas, name: A, apipfc_enabled: true}}": "apipfc_enabled: needs fc_certified",
    "forms: [": "no YAML",
}


@pytest.mark.parametrize("text", BAD)
def test_a_wrong_file_of_forms_is_a_settings_error(text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse(text.encode())
    assert BAD[text] in str(refused.value) and "BOUQUET_REGISTRY_FORMS" in str(refused.value)


def test_without_the_setting_there_are_no_forms_and_a_missing_file_is_a_settings_error() -> None:
    assert forms_of(RegistrySettings()) == parse(b"") == Catalogue()
    with pytest.raises(SettingsError, match="BOUQUET_REGISTRY_FORMS: cannot be read"):
        forms_of(RegistrySettings(forms="/nowhere/forms.yaml"))


async def test_the_api_process_serves_the_forms_of_its_setting_and_names_a_wrong_file(
    sqlite: Store, tmp_path: Path
) -> None:
    own = {"BOUQUET_REGISTRY_DATABASE_URL": Secret(f"sqlite:///{tmp_path}/registry.db").reveal()}
    file = tmp_path / "forms.yaml"
    file.write_text("forms: {a: {pages: []}}")
    settings = api_environ(Path()) | own
    async with running_command(settings | {"BOUQUET_REGISTRY_FORMS": str(file)}, "bouquet-registry", "api") as process:
        assert await process.wait() == 2
        assert "BOUQUET_REGISTRY_FORMS" in process.output
    async with running_command(settings | {"BOUQUET_REGISTRY_FORMS": EXAMPLES}, "bouquet-registry", "api") as process:
        await process.until_logged("registry api started")
