"""Tests that a sandbox publishes its cases, checks proposed ones, and issues tokens with fewer scopes."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bouquet_casebook.listing import PAGE_BYTES
from bouquet_proto.messages import MAX_CASE_BYTES
from tests.sandbox.folders import Folder, found
from tests.support.sandbox_gateway import OPERATIONS, OURS, Answer, SandboxClient, sandbox_at, token

pytestmark = pytest.mark.asyncio(loop_scope="module")

CASES, CHECK, TOKENS = (f"/bouquet/v1/sandbox/{name}" for name in ("cases", "cases/check", "tokens"))
QUOTIENT = "api_particulier_v3_cnav_quotient_familial_with_civility"
QUOTIENT_BY_FRANCE_CONNECT = QUOTIENT.replace("civility", "france_connect")
JOBSEEKER = "api_particulier_v3_france_travail_indemnites_with_identifiant"
PAYMENTS = {"identifiant": "a", "paiements": []}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client() -> AsyncIterator[SandboxClient]:
    async with sandbox_at(OURS) as client:
        yield client


async def published(client: SandboxClient) -> dict[str, Any]:
    answer = await client.get(CASES)
    assert answer.status == 200
    document: dict[str, Any] = answer.body
    return document


async def post(client: SandboxClient, path: str, body: bytes, bearer: str | None = None) -> Answer:
    headers = {"Authorization": f"Bearer {token() if bearer is None else bearer}"}
    async with client.client.post(path, data=body, headers=headers) as response:
        return Answer(response.status, await response.json(), response.headers)


async def check(client: SandboxClient, text: str, operation_id: str = QUOTIENT) -> Any:
    answer = await post(client, f"{CHECK}?operation_id={operation_id}", text.encode())
    assert answer.status == 200, answer.body
    return answer.body


def file_of(name: str) -> str:
    return (OURS / QUOTIENT / name).read_text(encoding="utf-8")


async def test_every_case_file_is_published(client: SandboxClient) -> None:
    files = {f"{file.parent.name}/{file.stem}" for file in OURS.glob("api_*/*.yaml")}
    assert {case["id"] for case in (await published(client))["cases"]} == files


async def test_each_published_call_gets_the_published_answer(client: SandboxClient) -> None:
    """Tests that a call with the parameters of a published case gets the published status and body."""
    for case in (await published(client))["cases"]:
        if case["operation_id"] in OPERATIONS:
            params = {name.removesuffix("[]"): value for name, value in case.get("parameters", {}).items()}
            for citizen in case.get("sessions", [""])[:1]:
                answer = await client.ask(case["operation_id"], params, citizen=citizen)
                assert (case["id"], answer.status) == (case["id"], case["status"])
                assert answer.body == case["payload"], case["id"]


async def test_each_published_error_is_answered_with_its_code(client: SandboxClient) -> None:
    """Tests that the call published for each simulated error is answered with the published status and code. Tries four
    operations, which differ in how a caller names the person."""
    chosen = {QUOTIENT, QUOTIENT_BY_FRANCE_CONNECT, JOBSEEKER, "api_particulier_v5_cnous_etudiant_boursier_with_ine"}
    operations = [one for one in (await published(client))["errors"] if one["operation_id"] in chosen]
    assert {one["operation_id"] for one in operations} == chosen
    for one in operations:
        for error in one["errors"]:
            asked = one.get("parameters", {}) | error.get("parameters", {})
            params = {name.removesuffix("[]"): value for name, value in asked.items()}
            answer = await client.ask(one["operation_id"], params, citizen=error.get("session", ""))
            assert (answer.status, answer.body["errors"][0]["code"]) == (error["status"], error["code"])


async def test_a_case_names_the_person_and_the_family_of_its_file(client: SandboxClient) -> None:
    cases = {case["id"]: case for case in (await published(client))["cases"]}
    case = cases[f"{QUOTIENT}/200_yann"]
    assert (case["person"], case["family"]) == ("Yann KERVENNIC", "Kervennic")
    assert case["description"] == "Yann, le conjoint de Maëlys : le même foyer"


async def test_a_case_by_france_connect_names_the_tokens_that_get_it(client: SandboxClient) -> None:
    cases = {case["id"]: case for case in (await published(client))["cases"]}
    case = cases[f"{QUOTIENT_BY_FRANCE_CONNECT}/200_maelys"]
    assert set(case["sessions"]) == {"jeton-maelys", "jeton-maelys-quotient-seul"}
    assert "parameters" not in case


async def test_the_document_has_an_etag(client: SandboxClient) -> None:
    first = await client.get(CASES)
    again = await client.get(CASES, {"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.headers["ETag"]) == (304, first.headers["ETag"])


async def test_a_folder_larger_than_a_page_is_published_whole(tmp_path: Path) -> None:
    count = 2 * PAGE_BYTES // 20_000 + 3
    folder = Folder(tmp_path, JOBSEEKER)
    for number in range(count):
        folder.add(f"{number:03}.yaml", {"identifiant": f"a{number}"}, found({"identifiant": "x" * 20_000}))
    async with sandbox_at(tmp_path) as client:
        assert len((await published(client))["cases"]) == count


async def test_a_default_case_needs_no_parameters(tmp_path: Path) -> None:
    Folder(tmp_path, JOBSEEKER).add("404.yaml", {}, {"errors": [{"code": "24003"}]}, 404)
    async with sandbox_at(tmp_path) as client:
        [case] = (await published(client))["cases"]
    assert (case["is_default"], case["code"], case.get("parameters")) == (True, "24003", None)


async def test_a_proposed_case_without_a_fault_is_shown_as_it_would_be_answered(client: SandboxClient) -> None:
    text = file_of("200_yann.yaml").replace("[Yann]", "[Yannick]")
    report = await check(client, text)
    assert report["faults"] == []
    assert report["case"]["parameters"]["prenoms[]"] == ["Yannick"]
    assert report["case"]["payload"]["data"]["quotient_familial"]["valeur"] == 612


YANN = file_of("200_yann.yaml")
LINE_OF_VALUE = 1 + YANN.splitlines().index('        "valeur": 612,')


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (YANN, {"message": "has the same parameters as 1 other", "path": "params", "line": 4}),
        (
            YANN.replace("[Yann]", "[Yannick]").replace('"valeur": 612', '"valeur": "x"'),
            {
                "message": "does not fit the schema at $.quotient_familial.valeur (type)",
                "path": "payload.data.quotient_familial.valeur",
                "line": LINE_OF_VALUE,
            },
        ),
        (
            YANN.replace('"valeur": 612,', '"valeur": 612'),
            {"message": "`payload` is not JSON", "path": "payload", "line": LINE_OF_VALUE + 1},
        ),
        (
            YANN.replace("moisDateNaissance", "moisDateNaisance"),
            {
                "message": "unreachable: a call never has jourDateNaissance, moisDateNaisance",
                "path": "params",
                "line": 4,
            },
        ),
        ("a: 1\nb: [", {"message": "is not readable YAML (ParserError)", "line": 3}),
        ("params: {a: 1}\nparams: {a: NO}", {"message": "`params` is given twice", "line": 2}),
        ("[]", {"message": "is not a mapping"}),
        ("", {"message": "is not a mapping"}),
        ("[" * 60_000, {"message": "has more than 50 levels", "line": 1}),
        ("&a [*a]", {"message": "has more than 20000 values"}),
        (
            "a: &a0 [1]\n" + "".join(f"b{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40)),
            {"message": "has more than 20000 values"},
        ),
    ],
    ids=[
        *("alike", "schema", "payload", "unreachable", "yaml", "twice", "a list", "nothing"),
        *("deep", "an alias of itself", "aliases of aliases"),
    ],
)
async def test_a_fault_of_a_proposed_case_has_its_line(
    text: str, fault: Mapping[str, Any], client: SandboxClient
) -> None:
    assert fault in (await check(client, text))["faults"]


async def test_a_proposed_session_is_checked(client: SandboxClient) -> None:
    text = "params: {token: a}\nstatus: 200\npayload: '{}'\n"
    [fault] = (await check(client, text, "france_connect"))["faults"]
    assert fault == {"message": "is not the introspection of a session", "path": "payload", "line": 3}


async def test_a_check_keeps_and_logs_nothing(
    client: SandboxClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    before = sorted(OURS.rglob("*"))
    await check(client, YANN.replace("KERVENNIC", "SECRETNAME").replace('"valeur": 612', '"valeur": "SECRETVALUE"'))
    assert "SECRET" not in caplog.text
    assert sorted(OURS.rglob("*")) == before


@pytest.mark.parametrize(
    ("path", "body", "bearer", "status", "code"),
    [
        (f"{CHECK}?operation_id={QUOTIENT}", b"a: 1", "", 401, "00101"),
        (f"{CHECK}?operation_id={QUOTIENT}", b"#" * (MAX_CASE_BYTES + 1), None, 413, "00494"),
        (f"{CHECK}?operation_id={QUOTIENT}", b"\xff", None, 400, "00401"),
        (f"{CHECK}?operation_id=unknown", b"a: 1", None, 404, "00404"),
        (CHECK, b"a: 1", None, 404, "00404"),
        (TOKENS, b'{"scopes": []}', "", 401, "00101"),
        (TOKENS, b"[]", None, 400, "00401"),
    ],
)
async def test_an_unusable_request_is_refused(
    path: str, body: bytes, bearer: str | None, status: int, code: str, client: SandboxClient
) -> None:
    answer = await post(client, path, body, bearer)
    assert (answer.status, answer.body["errors"][0]["code"]) == (status, code)


async def test_the_largest_proposed_case_is_checked(client: SandboxClient) -> None:
    text = "# " + "\x7f" * (MAX_CASE_BYTES - 2)
    assert (await check(client, text))["faults"] != []


async def test_a_token_with_fewer_scopes_opens_fewer_fields(client: SandboxClient) -> None:
    wanted = {"scopes": ["cnaf_quotient_familial", "a_scope_of_nobody"]}
    issued = (await post(client, TOKENS, json.dumps(wanted).encode())).body
    assert issued["scopes"] == ["cnaf_quotient_familial"]
    case = next(one for one in (await published(client))["cases"] if one["id"] == f"{QUOTIENT}/200_yann")
    params = {name.removesuffix("[]"): value for name, value in case["parameters"].items()}
    assert set((await client.ask(QUOTIENT, params)).body["data"]) > {"quotient_familial"}
    path_and_token = await client.ask(QUOTIENT, params, citizen=issued["token"])
    assert set(path_and_token.body["data"]) == {"quotient_familial"}


async def test_a_token_never_gets_more_scopes_than_the_caller_has(client: SandboxClient) -> None:
    bearer = token(["cnaf_enfants"])
    wanted = {"scopes": ["cnaf_enfants", "cnaf_quotient_familial"]}
    assert (await post(client, TOKENS, json.dumps(wanted).encode(), bearer)).body["scopes"] == ["cnaf_enfants"]


async def test_a_gateway_that_is_no_sandbox_has_no_cases() -> None:
    async with sandbox_at(OURS, believes_cases=False) as client:
        assert (await client.get(CASES)).status == 404
        assert (await post(client, f"{CHECK}?operation_id={QUOTIENT}", b"a: 1")).status == 404
        assert (await post(client, TOKENS, b'{"scopes": []}')).status == 404
        assert CASES not in (await client.get("/api/openapi.json")).body["paths"]


async def test_the_document_describes_the_endpoints_of_a_sandbox(client: SandboxClient) -> None:
    paths = (await client.get("/api/openapi.json")).body["paths"]
    assert {path: set(paths[path]) for path in (CASES, CHECK, TOKENS)} == {
        CASES: {"get"},
        CHECK: {"post"},
        TOKENS: {"post"},
    }


async def test_a_new_file_is_published_without_a_restart(tmp_path: Path) -> None:
    shutil.copytree(OURS / JOBSEEKER, tmp_path / JOBSEEKER)
    Folder(tmp_path, JOBSEEKER).add("new.yaml", {"identifiant": "new"}, found(PAYMENTS))
    async with sandbox_at(tmp_path) as client:
        assert f"{JOBSEEKER}/new" in {case["id"] for case in (await published(client))["cases"]}
