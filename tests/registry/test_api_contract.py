"""Tests that every answer of the registry's internal API agrees with its OpenAPI document, even for random requests."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from jsonschema import Draft202012Validator

from bouquet_mesh.secret import Secret
from bouquet_registry.api import openapi
from bouquet_registry.api.errors import STATUSES
from bouquet_registry.store import open_store
from tests.registry.accesses import access, write
from tests.registry.api_client import AUTHOR, ROUTES, SECRET, api_client, api_environ
from tests.support.habilitations import issue_token
from tests.support.processes import Process, running_command

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "ignored_auth",
)

PHASES = {"sqlite": "fuzzing", "postgresql": "coverage"}
"""Kind of requests that Schemathesis makes on each database: random ones, or one for each bound and type of a field."""
# Both kinds on both databases took four times the processor time of one, and found nothing more.


@pytest.fixture
async def api(database: Secret) -> AsyncIterator[tuple[Process, int]]:
    """Yields a running API process and its port. The database holds a habilitation, a token and the record of a
    call."""
    async with open_store(database) as store:
        token = await issue_token(store)
        await write(store, [access(1, habilitation=token.habilitation, token=token.id)])
    settings = {"BOUQUET_REGISTRY_DATABASE_URL": database.reveal()}
    async with running_command(api_environ(Path()) | settings, "bouquet-registry", "api") as process:
        yield process, (await process.until_logged("registry api started"))["port"]


@pytest.mark.slow
async def test_schemathesis_finds_no_fault_in_the_internal_api(
    api: tuple[Process, int], engine: str, tmp_path: Path
) -> None:
    process, port = api
    headers = {"Authorization": f"Bearer {SECRET}"}
    named = [word for name, value in headers.items() for word in ("--header", f"{name}: {value}")]
    run = await asyncio.create_subprocess_exec(
        *(str(Path(sys.executable).with_name("schemathesis")), "run", f"http://127.0.0.1:{port}{openapi.PATH}"),
        *("--max-examples", "5", "--checks", ",".join(CHECKS), "--phases", PHASES[engine], "--request-timeout", "120"),
        *("--continue-on-failure", "--warnings", "off", *named),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await run.communicate()
    assert run.returncode == 0, output.decode()[-20_000:]
    answered = process.logged("api request answered")
    assert {line["operation"] for line in answered} >= {route.name for route in ROUTES}
    assert [line for line in answered if line["status"] >= 500] == []
    assert process.logged("database unavailable") == process.logged("api request failed") == []


def test_the_document_describes_each_route_with_its_act_headers_and_refusals() -> None:
    document = openapi.document(ROUTES)
    for route in ROUTES:
        operation = document["paths"][route.path][route.method.lower()]
        headers = {given["name"] for given in operation.get("parameters", ()) if given["in"] == "header"}
        assert headers == (set(AUTHOR) if route.is_act else set())
        assert {"401", "503", str(route.status)} <= operation["responses"].keys()
        assert {int(status) for status in operation["responses"] if status >= "400"} <= set(STATUSES.values())


def test_every_schema_of_the_document_is_valid_and_found() -> None:
    document = openapi.document(ROUTES)
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    references = {word.split('"')[0] for word in str(document).replace("'", '"').split("#/components/schemas/")[1:]}
    assert references <= document["components"]["schemas"].keys()
    names = [route.name for route in ROUTES]
    assert len(set(names)) == len(names)


async def test_the_document_is_served_to_a_client_with_the_secret(database: Secret) -> None:
    async with open_store(database) as store, api_client(store) as client:
        expected = msgspec.json.decode(msgspec.json.encode(openapi.document(ROUTES)))
        assert (await client.get(openapi.PATH)).json == expected
