"""Tests of the Model Context Protocol over HTTP: messages, versions, tools, rights, records."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from jsonschema import Draft202012Validator
from msgspec import structs

from bouquet_gateway.journal import sender
from bouquet_gateway.mcp.tools import tools_of
from bouquet_gateway.offers.catalogue import Catalogue
from bouquet_mesh.outbox.memory import MemoryOutbox
from bouquet_proto import access_record
from bouquet_proto.access_record import Access
from bouquet_proto.messages import Failed, NotFound
from bouquet_proto.offer import Operation
from bouquet_worker import paris_today
from tests.support.gateway_client import RECIPIENT, Answer, token
from tests.support.mesh_with_journal import journal_settings
from tests.support.outbox_collector import collecting
from tests.support.sandbox_gateway import BY_PARAMETERS, NOBODY, OPERATIONS
from tests.support.scripted_providers import ALL_SCOPES, SESSION, DossierClient, offers, scripted_gateway
from tests.support.spans import recorded_spans, span_text
from tests.support.waiting import until

FORMER, CURRENT = "2025-11-25", "2026-07-28"
ETUDES = "mesri.statut_etudiant.ine"
ETUDES_ID = "api_particulier_v3_mesri_statut_etudiant_with_ine"
PURPOSE = "Calcul du tarif de la cantine"
ASKED = {"recipient": RECIPIENT, "finalite": PURPOSE, "ine": NOBODY["ine"]}
META = {"io.modelcontextprotocol/protocolVersion": CURRENT, "io.modelcontextprotocol/clientCapabilities": {}}

TOOLS: dict[str, Operation] = {
    operation.path.split("/", 2)[2].replace("/", "."): operation
    for operation in sorted((OPERATIONS[id] for id in BY_PARAMETERS), key=lambda operation: operation.path)
}
"""Operation of each tool, by the tool's name: the newest version of each path."""


class McpClient:
    """Client of the Model Context Protocol that sends messages of the version `version`."""

    def __init__(self, gateway: DossierClient, version: str = FORMER) -> None:
        self.gateway = gateway
        self.version = version

    async def send(self, body: Any, headers: Mapping[str, str] | None = None, **more: Any) -> Answer:
        """Sends a message, given as JSON or as bytes. `headers` are added to that of the version; `more` is passed to
        `GatewayClient.get`."""
        bearer: dict[str, Any] = {} if "token" in more or "scopes" in more else {"token": flagged()}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"MCP-Protocol-Version": self.version, **(headers or {})}
        return await self.gateway.get("/mcp", method="POST", body=content, headers=given, **bearer, **more)

    async def call(self, method: str, params: Mapping[str, Any] | None = None, **more: Any) -> Answer:
        """Sends a request. In the current version, its headers and `_meta` say what the specification asks for."""
        given = dict(params or {})
        headers = {}
        if self.version == CURRENT:
            given["_meta"] = META
            headers = {"Mcp-Method": method} | ({"Mcp-Name": given["name"]} if "name" in given else {})
        headers |= more.pop("headers", {})
        return await self.send({"jsonrpc": "2.0", "id": 1, "method": method, "params": given}, headers, **more)

    async def tools(self, **more: Any) -> dict[str, Any]:
        answer = await self.call("tools/list", **more)
        return {tool["name"]: tool for tool in answer.json["result"]["tools"]}

    async def tool(self, arguments: Mapping[str, Any], name: str = ETUDES, **more: Any) -> Any:
        """Calls a tool, and returns its result."""
        answer = await self.call("tools/call", {"name": name, "arguments": arguments}, **more)
        return answer.json["result"]


def flagged(*scopes: str, **more: Any) -> str:
    """Returns a new token with the flag `mcp`, of all scopes by default."""
    return token(*(scopes or ALL_SCOPES), id=str(uuid.uuid4()), mcp=True, **more)


def errors_of(result: Any) -> list[str]:
    """Returns the codes of a tool's error, which is told as text."""
    assert result["isError"]
    assert "structuredContent" not in result
    return [error["code"] for error in json.loads(result["content"][0]["text"])["errors"]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway() -> AsyncIterator[DossierClient]:
    async with scripted_gateway(mcp=True, public_url="https://bouquet.example") as opened:
        yield opened


@pytest.fixture
def client(gateway: DossierClient) -> McpClient:
    gateway.script.replies.clear()
    gateway.script.asked.clear()
    return McpClient(gateway)


pytestmark = pytest.mark.asyncio(loop_scope="module")


# --- messages and versions ---


async def test_a_client_initializes_lists_the_tools_and_calls_one(client: McpClient) -> None:
    wish = {"protocolVersion": FORMER, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    begun = (await client.call("initialize", wish)).json["result"]
    told = await client.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
    tools = await client.tools()
    result = await client.tool(ASKED)
    assert (begun["protocolVersion"], begun["capabilities"], begun["serverInfo"]["name"]) == (
        FORMER,
        {"tools": {}},
        "bouquet",
    )
    assert (told.status, told.body) == (202, b"")
    assert ETUDES in tools
    assert json.loads(result["content"][0]["text"]) == result["structuredContent"]


async def test_the_current_version_needs_no_initialization(client: McpClient) -> None:
    client.version = CURRENT
    found = (await client.call("server/discover")).json["result"]
    listed = (await client.call("tools/list")).json["result"]
    result = await client.tool(ASKED)
    assert found["supportedVersions"] == [CURRENT, FORMER, "2025-06-18"]
    assert (listed["resultType"], listed["cacheScope"]) == ("complete", "private")
    assert (result["resultType"], result["isError"]) == ("complete", False)
    assert result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "bouquet"


@pytest.mark.parametrize(
    ("wanted", "agreed"), [("2025-06-18", "2025-06-18"), ("2024-11-05", FORMER), (CURRENT, FORMER)]
)
async def test_initialize_agrees_on_a_version_that_has_it(client: McpClient, wanted: str, agreed: str) -> None:
    answer = await client.call("initialize", {"protocolVersion": wanted})
    assert answer.json["result"]["protocolVersion"] == agreed


@pytest.mark.parametrize("version", ["2024-11-05", "<script>"])
async def test_an_unsupported_version_is_refused_with_those_supported(client: McpClient, version: str) -> None:
    client.version = version
    answer = await client.call("tools/list")
    error = answer.json["error"]
    assert (answer.status, error["code"], error["data"]["supported"][0]) == (400, -32022, CURRENT)
    assert error["data"]["requested"] in ("2024-11-05", "")


WRONG_HEADERS: dict[str, tuple[str, dict[str, str], int]] = {
    "no version": (FORMER, {"MCP-Protocol-Version": ""}, -32020),
    "another version than the body": (CURRENT, {"MCP-Protocol-Version": FORMER}, -32020),
    "another method than the body": (CURRENT, {"Mcp-Method": "tools/list"}, -32020),
    "another tool than the body": (CURRENT, {"Mcp-Name": "other"}, -32020),
    "an encoded name that is none": (CURRENT, {"Mcp-Name": "=?base64?A?="}, -32020),
}


@pytest.mark.parametrize("wrong", WRONG_HEADERS)
async def test_headers_that_differ_from_the_body_are_refused(client: McpClient, wrong: str) -> None:
    client.version, headers, code = WRONG_HEADERS[wrong]
    answer = await client.call("tools/call", {"name": ETUDES, "arguments": ASKED}, headers=headers)
    assert (answer.status, answer.json["error"]["code"], client.gateway.script.asked) == (400, code, [])


async def test_a_name_may_be_encoded_in_its_header(client: McpClient) -> None:
    client.version = CURRENT
    encoded = {"Mcp-Name": "=?base64?bWVzcmkuc3RhdHV0X2V0dWRpYW50LmluZQ==?="}
    assert not (await client.tool(ASKED, headers=encoded))["isError"]


@pytest.mark.parametrize("missing", META)
async def test_a_request_of_the_current_version_without_its_metadata_is_malformed(
    client: McpClient, missing: str
) -> None:
    meta = {name: value for name, value in META.items() if name != missing}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}}
    answer = await client.send(body, {"MCP-Protocol-Version": CURRENT, "Mcp-Method": "tools/list"})
    assert (answer.status, answer.json["error"]["code"]) == (400, -32602)


HOSTILE: dict[str, tuple[bytes, int]] = {
    "no JSON": (b"{", -32700),
    "no UTF-8": (b'{"jsonrpc":"2.0","id":1,"method":"\xff"}', -32700),
    "half a character": (rb'{"jsonrpc":"2.0","id":1,"method":"\ud800"}', -32700),
    "not a number": (b'{"jsonrpc":"2.0","id":NaN,"method":"ping"}', -32700),
    "a batch": (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600),
    "another JSON-RPC": (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', -32600),
    "an id that is null": (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600),
    "an id that is an object": (b'{"jsonrpc":"2.0","id":{},"method":"ping"}', -32600),
    "an id that is huge": (b'{"jsonrpc":"2.0","id":1' + b"0" * 400 + b',"method":"ping"}', -32600),
    "a response": (b'{"jsonrpc":"2.0","id":1,"result":{}}', -32600),
    "deep params": (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":' + b"[" * 8000 + b"}", -32600),
    "deep members": (b'{"jsonrpc":"2.0","id":1,"method":"ping","x":' + b"[" * 8000, -32700),
}


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_a_hostile_body_is_refused_without_being_quoted(client: McpClient, hostile: str) -> None:
    body, code = HOSTILE[hostile]
    answer = await client.send(body)
    assert (answer.status, answer.json["error"]["code"]) == (400, code)
    assert answer.json.keys() == {"jsonrpc", "error"}
    assert answer.json["error"].keys() == {"code", "message"}


async def test_a_large_body_is_refused(client: McpClient) -> None:
    answer = await client.send(b'"' + b"x" * 16_384 + b'"')
    assert (answer.status, answer.codes) == (413, ["00494"])


WRONG: dict[str, tuple[str, dict[str, Any], int]] = {
    "an unknown method": ("prompts/list", {}, -32601),
    "a method of the current version alone": ("server/discover", {}, -32601),
    "an unknown tool": ("tools/call", {"name": "dgfip.svair"}, -32602),
    "no tool": ("tools/call", {"name": {}}, -32602),
    "a cursor": ("tools/list", {"cursor": "1"}, -32602),
    "arguments that are no object": ("tools/call", {"name": ETUDES, "arguments": []}, -32602),
    "an unknown argument": ("tools/call", {"name": ETUDES, "arguments": {**ASKED, "token": "x"}}, -32602),
    "an argument of another type": ("tools/call", {"name": ETUDES, "arguments": {**ASKED, "ine": {"a": 1}}}, -32602),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_wrong_request_is_an_error_of_json_rpc(client: McpClient, wrong: str) -> None:
    method, params, code = WRONG[wrong]
    answer = await client.call(method, params)
    assert (answer.status, answer.json["id"], answer.json["error"]["code"]) == (200, 1, code)
    assert client.gateway.script.asked == []


async def test_an_unknown_method_is_a_404_in_the_current_version(client: McpClient) -> None:
    client.version = CURRENT
    answer = await client.call("initialized")
    assert (answer.status, answer.json["error"]["code"]) == (404, -32601)


async def test_a_ping_is_answered(client: McpClient) -> None:
    assert (await client.call("ping")).json == {"jsonrpc": "2.0", "id": 1, "result": {}}


# --- HTTP and rights ---


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "OPTIONS"])
async def test_other_methods_than_post_are_not_allowed(client: McpClient, method: str) -> None:
    answer = await client.gateway.get("/mcp", method=method, token=flagged())
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("origin", "status"), [("https://bouquet.example", 200), ("https://evil.example", 403), ("null", 403)]
)
async def test_a_page_of_another_origin_is_refused(client: McpClient, origin: str, status: int) -> None:
    assert (await client.call("ping", headers={"Origin": origin})).status == status


async def test_a_gateway_without_the_setting_does_not_know_the_path() -> None:
    async with scripted_gateway() as gateway:
        answer = await McpClient(gateway).call("ping")
    assert (answer.status, answer.codes) == (404, ["00493"])


REFUSED = {
    "no token": ({"token": ""}, "not_authorized"),
    "a token without the flag": ({"token": token(*ALL_SCOPES)}, "not_authorized"),
    "an expired token": ({"token": flagged(valid_s=-1)}, "token_expired"),
    "a FranceConnect session": ({"token": SESSION}, "not_authorized"),
}


@pytest.mark.parametrize("refused", REFUSED)
@pytest.mark.parametrize("method", ["tools/call", "tools/list", "unknown"])
async def test_only_a_token_with_the_flag_is_answered(client: McpClient, refused: str, method: str) -> None:
    bearer, error = REFUSED[refused]
    answer = await client.call(method, {"name": ETUDES, "arguments": ASKED}, **bearer)
    assert (answer.status, answer.json, client.gateway.script.asked) == (401, {"error": error}, [])
    assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_a_tool_counts_as_one_call_of_its_token() -> None:
    async with scripted_gateway(mcp=True, calls_per_second=1, epoch_s=lambda: 1e9) as gateway:
        client, own = McpClient(gateway), flagged()
        first = await client.call("tools/call", {"name": ETUDES, "arguments": ASKED}, token=own)
        second = await client.call("tools/call", {"name": ETUDES, "arguments": ASKED}, token=own)
        other = await client.call("ping", token=flagged())
    assert (first.status, first.headers["RateLimit-Remaining"], other.status) == (200, "0", 200)
    assert (second.status, second.codes, "Retry-After" in second.headers) == (429, ["00429"], True)
    assert len(gateway.script.asked) == 1


# --- tools ---


async def test_tools_are_those_that_the_scopes_open(client: McpClient) -> None:
    scopes = OPERATIONS[ETUDES_ID].scopes
    opened = await client.tools(token=flagged(scopes[0]))
    assert opened.keys() == {name for name, operation in TOOLS.items() if scopes[0] in operation.scopes}
    assert errors_of(await client.tool(ASKED, token=flagged("cnaf_adresse"))) == ["00100"]
    assert client.gateway.script.asked == []


async def test_a_tool_describes_itself_in_french_with_its_schemas(client: McpClient) -> None:
    for tool in (await client.tools()).values():
        Draft202012Validator.check_schema(tool["inputSchema"])
        Draft202012Validator.check_schema(tool["outputSchema"])
        assert {"recipient", "finalite"} <= set(tool["inputSchema"]["required"])
        assert not {"delegation_id", "token"} & tool["inputSchema"]["properties"].keys()
        assert tool["annotations"]["readOnlyHint"]
        assert tool["title"] in tool["description"]


@pytest.mark.parametrize("path", ["/v3/mesri.statut_etudiant/ine", f"/v3/{'a' * 125}/ine"])
async def test_a_path_without_a_name_of_its_own_has_no_tool(path: str) -> None:
    """Tests that a worker takes no other's tool by a path with dots, and breaks no client's list by a long name."""
    honest = next(one for one in offers() if any(operation.id == ETUDES_ID for operation in one.operations))
    lie = structs.replace(OPERATIONS[ETUDES_ID], id="lie", public_id="", path=path)
    lying = structs.replace(honest, provider="acme", operations=(lie,), documents={})
    catalogue = Catalogue([lying, *offers()])
    assert path in catalogue.by_path
    tools = tools_of(catalogue, paris_today())
    assert tools.keys() == TOOLS.keys()
    assert tools[ETUDES].target.path == OPERATIONS[ETUDES_ID].path


def arguments_of(tool: Mapping[str, Any]) -> dict[str, Any]:
    """Returns arguments about an invented person for a tool: those of its own that the person has."""
    known = NOBODY | {"recipient": RECIPIENT, "finalite": PURPOSE}
    return {name: value for name, value in known.items() if name in tool["inputSchema"]["properties"]}


@pytest.mark.parametrize("name", TOOLS)
async def test_a_tool_gives_what_the_single_call_gives(client: McpClient, name: str) -> None:
    """Tests that a tool gives the data of the single call, with all scopes and with one, and that it fits the tool's
    output schema."""
    path, one_scope = TOOLS[name].path, min(TOOLS[name].scopes)
    tool = (await client.tools())[name]
    for own in (flagged(), flagged(one_scope)):
        arguments = arguments_of(tool)
        result = await client.tool(arguments, name, token=own)
        params = {name: value for name, value in arguments.items() if name != "finalite"}
        query = {f"{name}[]" if isinstance(value, list) else name: value for name, value in params.items()}
        single = await client.gateway.get(path, query, token=own)
        assert (single.status, result["isError"]) == (200, False)
        assert result["structuredContent"] == single.json
        Draft202012Validator(tool["outputSchema"]).validate(result["structuredContent"])


@pytest.mark.parametrize(
    ("reply", "code"), [(NotFound("unknown_student"), "25003"), (Failed("upstream_timeout"), "25002")]
)
async def test_an_error_of_a_call_is_a_result_with_its_code_and_text(client: McpClient, reply: Any, code: str) -> None:
    client.gateway.script.replies[ETUDES_ID] = reply
    assert errors_of(await client.tool(ASKED | {"ine": f"QUIDAM{code}"})) == [code]


INVALID: dict[str, tuple[dict[str, Any], str]] = {
    "no recipient": ({"recipient": None}, "00210"),
    "a recipient that is no SIRET": ({"recipient": "1&token=x"}, "00210"),
    "no purpose": ({"finalite": None}, "00490"),
    "an empty purpose": ({"finalite": "  "}, "00490"),
    "a purpose of blank letters": ({"finalite": "\u3164\u2800"}, "00490"),
    "a purpose of signs alone": ({"finalite": "..."}, "00490"),
    "a purpose that is a number": ({"finalite": 1}, "00490"),
    "a long purpose": ({"finalite": "x" * 201}, "00490"),
    "a purpose of two lines": ({"finalite": "a\nb"}, "00490"),
    "a purpose with a direction override": ({"finalite": "a\u202eb"}, "00490"),
    "a wrong parameter": ({"ine": "1"}, "00360"),
}


@pytest.mark.parametrize("invalid", INVALID)
async def test_a_call_without_valid_recipient_purpose_and_parameters_asks_nobody(
    client: McpClient, invalid: str
) -> None:
    changes, code = INVALID[invalid]
    assert errors_of(await client.tool(ASKED | changes)) == [code]
    assert client.gateway.script.asked == []


# --- records, logs and traces ---


@pytest_asyncio.fixture(loop_scope="module")
async def journaled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[McpClient, list[bytes]]]:
    """Runs a gateway with a journal. Yields a client, and the list of the records that the gateway has sent."""
    monkeypatch.setattr(sender, "PAUSE_S", 0.01)
    outbox = MemoryOutbox()
    async with (
        collecting(outbox) as archive,
        scripted_gateway(outbox, mcp=True, **journal_settings(tmp_path)) as gateway,
    ):
        yield McpClient(gateway), archive.bodies


async def records(bodies: list[bytes], count: int) -> list[Access]:
    await until(lambda: len(bodies) >= count)
    return sorted(map(access_record.decode, bodies), key=lambda access: access.at)


async def test_each_call_of_a_tool_leaves_one_record_with_its_purpose(
    journaled: tuple[McpClient, list[bytes]],
) -> None:
    client, bodies = journaled
    await client.tools()  # leaves no record, since it gives no data
    await client.tool(ASKED)
    await client.tool(ASKED | {"finalite": "x\n"})
    await client.tool(ASKED | {"finalite": "x\ny"})
    await client.call("tools/list", token=token(*ALL_SCOPES, id=str(uuid.uuid4())))
    told = [(one.operation, one.outcome, one.status, one.code, one.purpose) for one in await records(bodies, 4)]
    assert told == [
        (ETUDES_ID, "found", 200, "", PURPOSE),
        (ETUDES_ID, "found", 200, "", "x"),
        (ETUDES_ID, "refused", 422, "00490", ""),
        ("mcp", "refused", 401, "00496", ""),
    ]


async def test_no_log_and_no_span_names_a_person_or_a_purpose(
    client: McpClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with recorded_spans() as spans:
        await client.tool(ASKED)
        await client.tool(ASKED | {"finalite": f"{PURPOSE}\nx"})
        await client.send(b'{"jsonrpc":"2.0","id":1,"method":"' + PURPOSE.encode() + b'"}')
    told = (
        caplog.text
        + "".join(str(record.__dict__) for record in caplog.records)
        + "".join(map(span_text, spans.get_finished_spans()))
    )
    assert ETUDES_ID in told
    assert not [word for word in (PURPOSE, NOBODY["ine"], "cantine") if word in told]
