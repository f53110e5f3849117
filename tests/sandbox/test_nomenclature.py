"""Tests that the nomenclature, `GET /api/errors`, lists every error that an operation can answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from importlib.metadata import entry_points
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
import pytest_asyncio

from bouquet_casebook.serve import sandbox
from bouquet_gateway.access.tokens import issue
from bouquet_gateway.errors.nomenclature import NOT_COMMON_REASONS, SESSION_REASONS, nomenclature, reasons_of
from bouquet_gateway.errors.problems import Problem, render
from bouquet_gateway.offers.catalogue import Catalogue, ServedOperation
from bouquet_gateway.public.openapi import document
from bouquet_proto import france_connect_session, quotient_familial
from bouquet_proto.failures import FAILURES, PLATFORM
from bouquet_proto.messages import Failed, NotFound, Rejected
from bouquet_proto.names import WORKERS
from bouquet_proto.offer import Authority
from tests.support.nomenclature import ErrorCode, codes_in
from tests.support.sandbox_gateway import (
    BY_FRANCE_CONNECT,
    BY_PARAMETERS,
    KEY,
    NOBODY,
    OPERATIONS,
    OURS,
    SandboxClient,
    query_of,
    sandbox_at,
    token,
    undocumented,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUOTIENT = "api_particulier_v3_cnav_quotient_familial_with_civility"
NOT_OF_OPERATIONS = {PLATFORM[reason].code for reason in NOT_COMMON_REASONS & PLATFORM.keys()}
OPERATIONS_PREFIX = {
    operation.id: offer.authority_of(operation).prefix for offer in sandbox.offers() for operation in offer.operations
}
WRONG: tuple[Any, ...] = ("", " ", "x", "-1", "0", "99", "2999", "99351", "1D", "é\n", "x" * 300, [], ["x"], ["", "7"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client() -> AsyncIterator[SandboxClient]:
    async with sandbox_at(OURS) as client:
        yield client


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """Returns the catalogue that a gateway makes from the offers of all installed workers."""
    return Catalogue([entry.load().offer() for entry in entry_points(group=WORKERS)])


async def test_the_list_of_errors_has_the_shape_of_the_contract(client: SandboxClient) -> None:
    listed = (await client.get("/api/errors")).body
    assert [*listed] == ["api", "providers", "generic_subcodes", "platform_codes", "endpoints"]
    assert listed["api"] == "particulier"
    assert listed["providers"].items() >= {"35": "CNAF & MSA", "36": "Sécurité sociale", "51": "FranceConnect"}.items()
    assert listed["generic_subcodes"]["999"].keys() == {"title", "detail"}
    assert all("{" not in subcode.get("detail", "") for subcode in listed["generic_subcodes"].values())
    assert listed["generic_subcodes"]["020"] == {"title": "Maintenance du fournisseur de données"}
    assert set(listed["endpoints"]) == {
        operation.folder for offer in sandbox.offers() for operation in offer.operations
    }
    for errors in every_table(listed):
        assert [*errors] == sorted(errors, key=order_of)
        for items in errors.values():
            codes = [item["code"] for item in items]
            assert codes == sorted(set(codes))
            assert all(item.get("meta", True) for item in items)


def every_table(listed: Any) -> list[dict[str, list[dict[str, Any]]]]:
    return [listed["platform_codes"], *(endpoint["errors"] for endpoint in listed["endpoints"].values())]


def order_of(status: str) -> tuple[int, int]:
    first = ["422", "404", "502"]
    return (first.index(status), 0) if status in first else (len(first), int(status))


async def test_the_list_of_errors_has_the_texts_and_the_fault_of_each_code(client: SandboxClient) -> None:
    endpoint = (await client.get(f"/api/errors?operation_id={QUOTIENT}")).body["endpoints"][QUOTIENT]
    assert endpoint["provider"] == "CNAF & MSA"
    refused = {item["code"]: item for item in endpoint["errors"]["422"]}["00356"]
    assert refused == {
        "code": "00356",
        "title": "Entité non traitable",
        "detail": "L'année demandée doit être l'année en cours (N), N-1 ou N-2.",
        "fault": "caller",
        "retry": False,
    }
    refused_us = {item["code"]: item for item in endpoint["errors"]["502"]}["35006"]
    assert refused_us == {
        "code": "35006",
        "title": "Erreur d'authentification auprès du fournisseur de données",
        "detail": "L'authentification auprès du fournisseur de données 'CNAF & MSA' a échoué",
        "fault": "platform",
        "retry": False,
        "meta": {"provider": "CNAF & MSA"},
    }


async def test_the_list_of_errors_names_every_cause_of_a_code(client: SandboxClient) -> None:
    listed = (await client.get(f"/api/errors?operation_id={QUOTIENT}")).body
    [forbidden] = [item for item in listed["platform_codes"]["401"] if item["code"] == "00101"]
    missing = {"detail": "Votre token n'est pas renseigné", "fault": "caller", "retry": False}
    assert (forbidden["detail"], forbidden["other_causes"]) == ("Votre token n'est pas valide", [missing])
    [network] = [item for item in listed["platform_codes"]["502"] if item["code"] == "00501"]
    assert [network["fault"], *(cause["fault"] for cause in network["other_causes"])] == ["platform", "provider"]
    [late] = listed["endpoints"][QUOTIENT]["errors"]["504"][-1:]
    assert (late["code"], late["fault"]) == ("35002", "provider")
    assert late["other_causes"] == [{"detail": late["detail"], "fault": "platform", "retry": True}]


async def test_the_list_of_errors_names_the_platform_s_codes_once(client: SandboxClient) -> None:
    listed = (await client.get("/api/errors")).body
    platform = {known.code for known in codes_in(listed["platform_codes"])}
    assert {"00100", "00101", "00108", "00109", "00210", "00402", "00404", "00493", "00501"} <= platform
    for endpoint in listed["endpoints"].values():
        assert not platform & {known.code for known in codes_in(endpoint["errors"])}


@pytest.mark.parametrize("operation_id", OPERATIONS)
async def test_the_list_of_errors_can_be_of_one_operation(operation_id: str, client: SandboxClient) -> None:
    """Tests that `GET /api/errors?operation_id=…` lists the same errors for an operation as the full list does. In the
    OpenAPI document, the operation must have the statuses of these errors. It may have no others except 200 and the
    statuses of errors common to all operations."""
    alone, whole = [(await client.get(f"/api/errors{query}")).body for query in (f"?operation_id={operation_id}", "")]
    assert alone == whole | {"endpoints": {operation_id: whole["endpoints"][operation_id]}}
    responses = (await client.get("/api/openapi.json")).body["paths"][OPERATIONS[operation_id].path]["get"]["responses"]
    own, platform = alone["endpoints"][operation_id]["errors"].keys(), alone["platform_codes"].keys()
    assert own <= responses.keys() - {"200"} <= own | platform


@pytest.mark.parametrize("operation_id", OPERATIONS)
async def test_the_statuses_of_an_operation_are_those_of_the_contract(operation_id: str, client: SandboxClient) -> None:
    """Tests that the documented errors of an operation have only statuses that the contract allows. For example,
    exactly the operations for FranceConnect sessions have a 401."""
    errors = (await client.get(f"/api/errors?operation_id={operation_id}")).body["endpoints"][operation_id]["errors"]
    prefix = OPERATIONS_PREFIX[operation_id]
    assert {"422", "404", "502", "503", "504"} <= errors.keys() <= {"422", "404", "502", "401", "409", "503", "504"}
    assert ("401" in errors) == (operation_id in BY_FRANCE_CONNECT)
    assert "409" not in errors or prefix in ("10", "23", "26", "35")
    assert {ErrorCode(503, f"{prefix}020"), ErrorCode(504, f"{prefix}002"), ErrorCode(502, f"{prefix}008")} <= codes_in(
        errors
    )


@pytest.mark.parametrize("operation_id", ["api_particulier_v9", "nope", "?", "x" * 300, "é"])
async def test_errors_of_an_unknown_operation_are_a_404(operation_id: str, client: SandboxClient) -> None:
    answer = await client.get(f"/api/errors?{urlencode({'operation_id': operation_id})}")
    assert (answer.status, answer.headers["Cache-Control"]) == (404, "no-store")
    [error] = answer.body["errors"]
    assert error["code"] == "00404"
    repeated = f" ({operation_id})" if operation_id in ("api_particulier_v9", "nope") else ""
    assert error["detail"] == f"Cette opération n'existe pas sur API particulier{repeated}"


@pytest.mark.parametrize("operation_id", BY_PARAMETERS)
async def test_every_error_for_wrong_parameters_is_documented(operation_id: str, client: SandboxClient) -> None:
    """Calls with each parameter left out, then with many wrong values. Every error received must be documented."""
    checks = [check for stage in OPERATIONS[operation_id].checks for check in stage]
    for name in {name for check in checks for name in check.parameter_names.values()}:
        await client.ask(operation_id, {key: value for key, value in NOBODY.items() if key != name})
        for wrong in WRONG:
            await client.ask(operation_id, NOBODY | {name: wrong})
            if name.startswith("codesBcn"):
                await client.ask(
                    operation_id, NOBODY | {name: wrong, "codeEtablissement": "", "degreEtablissement": "1D"}
                )
    assert await undocumented(client) == set()


@pytest.mark.parametrize("operation_id", BY_FRANCE_CONNECT)
async def test_every_error_for_a_session_is_documented(operation_id: str, client: SandboxClient) -> None:
    for citizen in ("jeton-maelys", "jeton-maelys-quotient-seul", "jeton-samira", "nobody", "é", token()):
        for params in ({}, {"annee": "1"}, {"mois": "13"}, {"campaignYear": "1"}):
            await client.ask(operation_id, params, citizen=citizen)
    await client.get(OPERATIONS[operation_id].path, {"X-Api-Key": token()})
    assert await undocumented(client) == set()


@pytest.mark.parametrize("operation_id", OPERATIONS)
async def test_every_error_for_a_token_or_method_is_documented(operation_id: str, client: SandboxClient) -> None:
    path = OPERATIONS[operation_id].path
    expired = issue(KEY, frozenset(OPERATIONS[operation_id].scopes), expires_at=1)
    for bearer in (None, "", "x", expired, token([]), token(["cnaf_enfants"]), token()):
        headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
        for asked in (path, f"{path}?{query_of({})}", f"{path}?recipient=1", path.replace("/v", "/v9"), path + "/x"):
            await client.get(asked, headers)
    for method in ("POST", "DELETE", "OPTIONS"):
        await client.get(path, method=method)
    assert await undocumented(client) == set()


@pytest.mark.parametrize("path", ["/", "/v3", "/api/impots/svair", "/api/v2/avis-imposition", "/api/caf/famille"])
async def test_every_error_of_an_unknown_path_is_documented(path: str, client: SandboxClient) -> None:
    await client.get(path)
    await client.get(path + "?" + "x" * 9000)
    await client.get(path, {"X-Long": "x" * 9000})
    assert await undocumented(client) == set()


async def test_an_undocumented_error_is_found(client: SandboxClient) -> None:
    """Tests that `undocumented` reports a received error whose code, status or operation differs from the documented
    one."""
    await client.ask(QUOTIENT, NOBODY | {"annee": 1999})
    [error] = [one for one in client.errors if one.code == "00356" and one.operation_id == QUOTIENT]
    client.errors = {error._replace(code="00357"), error._replace(status=400), error._replace(operation_id="other")}
    assert await undocumented(client) == client.errors
    client.errors = set()


POSSIBLE_REPLIES: list[NotFound | Rejected | Failed] = [
    reply
    for reason in (*FAILURES, "no_situation", "no_young_child", "something_new", "")
    for reply in (NotFound(reason), Rejected(reason), Failed(reason))
]


def documented_errors(catalogue: Catalogue, operation_id: str) -> set[tuple[str, int, str]]:
    """Returns the documented errors of an operation, as code, status and provider. Errors that any operation can
    answer are included."""
    listed = nomenclature(catalogue)
    return {
        (item.code, int(status), item.meta.get("provider", ""))
        for errors in (listed.platform_codes, listed.endpoints[operation_id].errors)
        for status, items in errors.items()
        for item in items
    }


def rendered_error(problem: Problem, served: ServedOperation) -> set[tuple[str, int, str]]:
    status, body = render(problem, served.problems, "v3")
    errors = msgspec.json.decode(body)["errors"]
    return {(error["code"], status, error["meta"].get("provider", "")) for error in errors}


@pytest.mark.parametrize("operation_id", OPERATIONS)
async def test_every_reply_of_a_worker_becomes_a_documented_error(operation_id: str, catalogue: Catalogue) -> None:
    """Tests that the gateway turns every possible reply of a worker into a documented error. Tries also failure reasons
    that the operation's offer does not list, because a worker may send them anyway."""
    [served] = [one for one in catalogue.by_path[OPERATIONS[operation_id].path]]
    known = documented_errors(catalogue, operation_id)
    for reply in POSSIBLE_REPLIES:
        assert rendered_error(Problem.of(reply, served.authority, reasons_of(served)), served) <= known, reply


@pytest.mark.parametrize("operation_id", BY_FRANCE_CONNECT)
async def test_every_reply_about_a_session_becomes_a_documented_error(operation_id: str, catalogue: Catalogue) -> None:
    [served] = catalogue.by_path[OPERATIONS[operation_id].path]
    known = documented_errors(catalogue, operation_id)
    for reply in POSSIBLE_REPLIES:
        assert rendered_error(Problem.of(reply, france_connect_session.AUTHORITY, SESSION_REASONS), served) <= known, (
            reply
        )


@pytest.mark.parametrize("fund", quotient_familial.REGIMES.authorities.values(), ids=lambda fund: fund.label)
async def test_every_failure_of_caf_or_msa_becomes_a_documented_error(fund: Authority, catalogue: Catalogue) -> None:
    """Tests that the gateway gives a documented error for each way in which CAF or MSA can fail while the other does
    not know the person (docs/reference/upstreams/regime.md)."""
    [served] = catalogue.by_path[OPERATIONS[QUOTIENT].path]
    known = documented_errors(catalogue, QUOTIENT)
    ailing = [
        reply
        for reply in POSSIBLE_REPLIES
        if isinstance(reply, Failed) and reply.reason not in quotient_familial.PROBLEMS
    ]
    for reply in (*ailing, Failed(quotient_familial.QUOTIENT_MISSING)):
        assert rendered_error(Problem.of(reply, fund, reasons_of(served)), served) <= known, reply


async def test_production_s_document_and_nomenclature_tell_the_same(catalogue: Catalogue) -> None:
    paths = msgspec.json.decode(msgspec.json.encode(document(catalogue.by_path)))["paths"]
    for operation_id, operation in OPERATIONS.items():
        responses = paths[operation.path]["get"]["responses"]
        examples = {
            (code.partition(" ")[0], int(status))
            for status, response in responses.items()
            if status != "200"
            for code in response["content"]["application/json"]["examples"]
        }
        known = {(code, status) for code, status, _ in documented_errors(catalogue, operation_id)}
        assert examples <= known
        assert {code for code, _ in known - examples} <= NOT_OF_OPERATIONS
