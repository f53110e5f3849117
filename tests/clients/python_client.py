"""Generates a client of a document with openapi-python-client, and makes calls with it."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

GENERATOR = Path(sys.executable).with_name("openapi-python-client")
CALLER = Path(__file__).with_name("call_generated.py")


async def generate(document: Path, package: Path) -> str:
    """Generates a client from the file `document` into `package`. Returns the generator's output; each warning in it
    means that the client lacks a part of the document."""
    config = package.with_suffix(".config.yaml")
    config.write_text("post_hooks: []\n", encoding="utf-8")  # the generated code need not be formatted
    where = ("--path", str(document), "--output-path", str(package), "--config", str(config))
    return await run(str(GENERATOR), "generate", "--meta", "none", *where)


async def call(package: Path, url: str, calls: list[dict[str, Any]]) -> Any:
    """Makes calls with a generated client. Returns, for each, the status and the content that the client read."""
    return json.loads(await run(sys.executable, str(CALLER), str(package), url, told=json.dumps(calls)))


async def run(*command: str, told: str = "") -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate(told.encode())
    assert process.returncode == 0, output.decode()
    return output.decode()
