"""Tests of a sandbox with random calls by schemathesis. None may break the gateway, and every answer must conform to
the OpenAPI document. `make fuzz MINUTES=n` tries more calls."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
import pytest_asyncio
from jsonschema import Draft202012Validator

from bouquet_casebook.cases import read_folder
from bouquet_worker import paris_today
from tests.clients.answers import hand_written_call
from tests.support.sandbox_gateway import OPERATIONS, OURS, SandboxClient, citizen_of, sandbox_at, token

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOUNDED_S = 5
BEARER, API_KEY, CITIZEN = (
    f"Authorization: Bearer {token()}",
    f"X-Api-Key: {token()}",
    "Authorization: Bearer jeton-maelys",
)
WAYS = {
    "v3": ("--include-path-regex", "^/v.*/(identite|ine|identifiant)$", "--header", BEARER),
    "v2": ("--include-path-regex", "^/api/(?!introspect$)", "--header", API_KEY),
    "FranceConnect": ("--include-path-regex", "^/v.*/france_connect$", "--header", CITIZEN),
    "FranceConnect v2": ("--include-path-regex", "^/api/v2/", "--header", CITIZEN, "--exclude-checks", "ignored_auth"),
}
"""Command-line arguments for schemathesis, by name of the test run. They set the paths that it calls and the
credentials that it sends."""
# `FranceConnect v2` leaves out the check `ignored_auth`: version 2 accepts a token in several places, and schemathesis
# would report a wrong one beside a valid one as a bypass.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "ignored_auth",
)
# Two kinds are left out: that values outside the schema are refused, because the contract reads `12abc` as 12; and that
# other methods are refused as such, because the contract answers a POST with 404.


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client() -> AsyncIterator[SandboxClient]:
    async with sandbox_at(OURS) as client:
        yield client


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
async def test_schemathesis_finds_no_fault_in_the_sandbox(
    way: str, client: SandboxClient, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    minutes = request.config.getoption("--fuzz-minutes", default=None)
    seconds = BOUNDED_S if minutes is None else max(1, round(minutes * 60 / len(WAYS)))
    process = await asyncio.create_subprocess_exec(
        *(str(Path(sys.executable).with_name("schemathesis")), "run", f"{client.url}/api/openapi.json"),
        *("--max-time", str(seconds), "--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing"),
        *("--continue-on-failure", "--warnings", "off", *WAYS[way]),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


@pytest.mark.parametrize("operation_id", OPERATIONS)
async def test_a_found_answer_conforms_to_the_document_with_any_scopes(
    operation_id: str, client: SandboxClient
) -> None:
    """Tests that answers with data conform to the OpenAPI document, whatever the scopes of the token. Asks about the
    people of this repository's cases, because random calls would find nobody."""
    operation = OPERATIONS[operation_id]
    document = (await client.get("/api/openapi.json")).body
    success = document["paths"][operation.path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    validator = Draft202012Validator(success | {"components": document["components"]})
    for case in read_folder(OURS / operation_id, paris_today()).cases:
        if case.status != 200:
            continue
        if operation.by_session:
            bodies = [await client.ask(operation_id, hand_written_call(case), citizen=citizen_of(OURS, case))]
        else:
            bodies = [await client.ask(operation_id, case.params, scopes=some) for some in some_of(operation.scopes)]
        for answer in bodies:
            assert answer.status == 200
            validator.validate(answer.body)


def some_of(scopes: Iterable[str]) -> list[set[str]]:
    """Returns the sets of scopes to try: each scope alone, all scopes, and three random sets, the same in every run."""
    names, dice = sorted(scopes), random.Random("bouquet")
    more = [set(dice.sample(names, dice.randint(1, len(names)))) for _ in range(3)]
    return [*({name} for name in names), set(names), *more]
