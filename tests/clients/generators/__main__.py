"""Generates clients from our OpenAPI document with common generators, calls a sandbox with some, and prints the
results. Ends with status 1 when one failed.

python -m tests.clients.generators FOLDER writes the clients and the programs' output to FOLDER
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.clients.answers import answers_of
from tests.clients.generators.trials import Failed, Trial, orval, redocly, spectral
from tests.clients.generators.trials import openapi_generator as generated
from tests.clients.generators.trials import openapi_generator_python as python
from tests.clients.generators.trials import openapi_generator_typescript as typescript
from tests.support.sandbox_gateway import OURS, sandbox_at

LANGUAGES = ("java", "ruby", "csharp", "php")
TRIALS: dict[str, Callable[[Trial], Awaitable[str]]] = {
    "redocly lint": redocly,
    "spectral lint": spectral,
    "orval": orval,
    "OpenAPI Generator, python": python,
    "OpenAPI Generator, typescript-fetch": typescript,
    **{f"OpenAPI Generator, {language}": generated(language) for language in LANGUAGES},
}


async def main(folder: Path) -> int:
    async with sandbox_at(OURS) as client:
        document = (await client.get("/api/openapi.json")).body
        file = folder / "openapi.json"
        file.write_text(json.dumps(document), encoding="utf-8")
        answers = [asked for asked in await answers_of(client, document) if asked.sent is None]
        trial = Trial(folder, file, document, client.url, answers)
        failed = [name for name, passes in TRIALS.items() if not await _passed(name, passes(trial))]
    print(f"{len(TRIALS) - len(failed)} passed, {len(failed)} failed; all of it is in {folder}")
    return 1 if failed else 0


async def _passed(name: str, told: Awaitable[str]) -> bool:
    try:
        print(f"{name:36} passed  {await told}", flush=True)
    except Failed as failure:
        print(f"{name:36} FAILED  {failure}", flush=True)
        return False
    return True


if __name__ == "__main__":
    where = Path(sys.argv[1]).resolve()
    where.mkdir(parents=True, exist_ok=True)
    sys.exit(asyncio.run(main(where)))
