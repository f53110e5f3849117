"""Tests that clients generated from our OpenAPI document read a 200 of every operation."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.clients import python_client
from tests.clients.answers import ExampleCall, answers_of, steady
from tests.clients.documents import operations_of
from tests.clients.python_client import run
from tests.conftest import need
from tests.support.sandbox_gateway import OURS, SandboxClient, sandbox_at

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

HERE = Path(__file__).parent
NODE_MODULES = HERE / "node_modules"
"""Folder of the TypeScript programs, which `make typescript` installs."""

WITHOUT_ANSWER = {"delegations", "sandbox_cases", "sandbox_check", "sandbox_token"}
"""Ids of operations without a sample answer: those for editors, which a sandbox without a registry does not have, and
those about the sandbox's own cases, from which the samples are made."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ours() -> AsyncIterator[SandboxClient]:
    async with sandbox_at(OURS) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def document(ours: SandboxClient) -> Any:
    return (await ours.get("/api/openapi.json")).body


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def answers(ours: SandboxClient, document: Any) -> list[ExampleCall]:
    return await answers_of(ours, document)


@pytest.fixture(scope="module")
def file(document: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clients") / "openapi.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


@pytest.fixture
def node() -> Path:
    """Returns the folder where the TypeScript tools are installed. If it is missing, fails the test in CI and skips it
    elsewhere."""
    need((NODE_MODULES / "ready").exists(), "openapi-typescript", "run make typescript, which needs npm")
    return NODE_MODULES / ".bin"


async def test_a_generated_python_client_reads_every_answer(
    ours: SandboxClient, answers: list[ExampleCall], file: Path, tmp_path: Path
) -> None:
    package = tmp_path / "ours"
    assert "Warning" not in await python_client.generate(file, package)
    calls = [
        {
            "module": asked.operation_id,
            "token": asked.token,
            "by_key": asked.by_key,
            "params": asked.params,
            "sent": asked.sent,
        }
        for asked in answers
    ]
    told = await python_client.call(package, ours.url, calls)
    for asked, (status, parsed) in zip(answers, told, strict=True):
        assert (status, steady(parsed)) == (200, steady(asked.body)), asked.operation_id


async def test_every_operation_has_a_sample_answer(document: Any, answers: list[ExampleCall]) -> None:
    told = {operation["operationId"] for _, operation in operations_of(document)}
    assert {asked.operation_id for asked in answers} == told - WITHOUT_ANSWER


async def test_generated_typescript_types_accept_every_answer_and_nothing_else(
    node: Path, answers: list[ExampleCall], file: Path, tmp_path: Path
) -> None:
    await run(str(node / "openapi-typescript"), str(file), "--output", str(tmp_path / "schema.ts"))
    constants = tmp_path / "answers.ts"
    constants.write_text(typescript_of(answers), encoding="utf-8")
    await run(str(node / "tsc"), "--noEmit", "--strict", "--target", "es2022", str(constants))


def typescript_of(answers: list[ExampleCall]) -> str:
    """Returns TypeScript code with two constants of the generated type for each answer. One holds the answer and must
    compile; the other holds a wrong value, which the compiler must refuse."""
    lines = [
        'import type { operations } from "./schema";',
        'type Of<Id extends keyof operations> = operations[Id]["responses"][200]["content"]["application/json"];',
    ]
    for number, asked in enumerate(answers):
        kind = f'Of<"{asked.operation_id}">'
        lines += [
            f"export const taken_{number}: {kind} = {json.dumps(asked.body)};",
            "// @ts-expect-error",
            f"export const refused_{number}: {kind} = {{ nothing: 1 }};",
        ]
    return "\n".join(lines) + "\n"


async def test_redocly_finds_no_problem_in_the_document(node: Path, file: Path) -> None:
    assert await run("node", str(HERE / "lint.mjs"), str(file)) == ""
