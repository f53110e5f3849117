"""Tests that the calls of docs/operations/registry-api.md work as the page shows them."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from pathlib import Path

import pytest

from tests.registry.api_client import SECRET, api_environ
from tests.support.processes import running_command

PAGE = Path(__file__).parents[2] / "docs" / "operations" / "registry-api.md"
CALLS = re.findall(r"```sh\n(.*?)\n```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
async def test_every_call_of_the_page_about_the_registry_s_api_is_answered(tmp_path: Path) -> None:
    assert len(CALLS) >= 6
    async with running_command(api_environ(tmp_path), "bouquet-registry", "api") as process:
        port = (await process.until_logged("registry api started"))["port"]
        variables = {"API": f"http://127.0.0.1:{port}", "SECRET": SECRET}
        for call in CALLS:
            answer = await answer_of(call, variables)
            assert "errors" not in answer, (call, answer)
            if answer.get("siret"):
                variables["ID"] = answer["id"]
        statuses = [line["status"] for line in process.logged("api request answered")]
        assert statuses == [200, 201, 201, 200, 200, 200, 200, 200, 200, 200]


async def answer_of(call: str, variables: dict[str, str]) -> dict[str, str]:
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", call), env={"PATH": "/usr/bin:/bin"} | variables, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    answer: dict[str, str] = json.loads(output)
    return answer
