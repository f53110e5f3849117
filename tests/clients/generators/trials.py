"""Trials of our OpenAPI document. Each runs a client generator or a linter on it, and reports failures."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

from tests.clients.answers import ExampleCall
from tests.clients.documents import operations_of

HERE = Path(__file__).parent
PROGRAMS = (HERE / ".venv" / "bin", HERE / "node_modules" / ".bin")
"""Folders of the generators and linters, which `make generated-clients` installs."""
PATIENCE_S = 600.0
TYPESCRIPT = {
    "strict": True,
    "target": "es2022",
    "module": "commonjs",
    "moduleResolution": "node10",
    "lib": ["es2022", "dom"],
    "types": [],
}


class Failed(Exception):
    pass


class Trial(NamedTuple):
    folder: Path
    file: Path
    """File with the OpenAPI document that a sandbox served."""
    document: Any
    url: str
    """URL of the sandbox that served the document; generated clients call it."""
    answers: list[ExampleCall]
    """Calls to make with each generated client, and the expected answers."""


async def redocly(trial: Trial) -> str:
    told = await _run(trial, "redocly", "redocly", "lint", "--format", "json", str(trial.file))
    if problems := json.loads(told)["problems"]:
        raise Failed(f"{len(problems)} problems, the first: {problems[0]['message']}")
    return "nothing to say"


async def spectral(trial: Trial) -> str:
    rules = str(HERE / ".spectral.yaml")
    await _run(trial, "spectral", "spectral", "lint", "--fail-severity", "hint", "--ruleset", rules, str(trial.file))
    return "nothing to say"


async def orval(trial: Trial) -> str:
    target = trial.folder / "orval" / "api.ts"
    await _run(trial, "orval", "orval", "--input", str(trial.file), "--output", str(target), "--client", "fetch")
    _has_every_operation(trial, target.parent)
    await _compile(trial, target)
    return "generated, compiled"


def openapi_generator(language: str) -> Callable[[Trial], Awaitable[str]]:
    async def generated(trial: Trial) -> str:
        await _generate(trial, language)
        return "generated"

    return generated


async def openapi_generator_python(trial: Trial) -> str:
    folder = await _generate(trial, "python")
    await _run(trial, "python", "python", "-m", "compileall", "-q", str(folder))
    return f"generated, compiled, {await _call(trial, 'python', str(HERE / 'call_python.py'), folder)}"


async def openapi_generator_typescript(trial: Trial) -> str:
    folder = await _generate(trial, "typescript-fetch")
    await _compile(trial, folder / "index.ts")
    return f"generated, compiled, {await _call(trial, 'node', str(HERE / 'call_fetch.cjs'), folder / 'compiled')}"


async def _generate(trial: Trial, language: str) -> Path:
    folder = trial.folder / language
    name = f"openapi-generator-{language}"
    where = ("-i", str(trial.file), "-g", language, "-o", str(folder))
    await _run(trial, name, "openapi-generator-cli", "generate", *where)
    _has_every_operation(trial, folder)
    return folder


def _has_every_operation(trial: Trial, folder: Path) -> None:
    """Raises `Failed` if the generated client lacks an operation."""
    files = (path for path in folder.rglob("*") if path.is_file())
    written = re.sub(r"[^a-z\d]", "", "".join(path.read_text("utf-8", "replace") for path in files).lower())
    names = [operation["operationId"] for _, operation in operations_of(trial.document)]
    if missing := [name for name in names if re.sub(r"[^a-z\d]", "", name.lower()) not in written]:
        raise Failed(f"{len(missing)} operations are missing, the first: {missing[0]}")


async def _compile(trial: Trial, file: Path) -> None:
    config = file.parent / "tsconfig.json"
    options = TYPESCRIPT | {"outDir": str(file.parent / "compiled")}
    config.write_text(json.dumps({"compilerOptions": options, "files": [str(file)]}), encoding="utf-8")
    await _run(trial, "tsc", "tsc", "--project", str(config))


async def _call(trial: Trial, program: str, script: str, folder: Path) -> str:
    """Makes the trial's calls with a generated client. Raises `Failed` if the client lost data."""
    operations = {operation["operationId"]: operation for _, operation in operations_of(trial.document)}
    calls = [
        {
            "operation_id": asked.operation_id,
            "token": asked.token,
            "by_key": asked.by_key,
            "params": asked.params,
            "dates": _dates_of(operations[asked.operation_id]),
            "type": _type_of(operations[asked.operation_id]),
        }
        for asked in trial.answers
    ]
    output = await _run(trial, f"call-{program}", program, script, str(folder), trial.url, told=json.dumps(calls))
    read = json.loads(output)
    wrong = [asked for asked, told in zip(trial.answers, read, strict=True) if not holds(told, asked.body)]
    if wrong:
        raise Failed(f"{len(wrong)} of {len(read)} answers are not read whole, the first: {wrong[0].operation_id}")
    return f"called {len(read)} times"


def holds(read: Any, body: Any) -> bool:
    """Returns whether `read`, the content that a client decoded, contains all values of the answer `body`. Members that
    `body` lacks must be None in `read`."""
    # In a provider's status only names are compared, since clients format times differently.
    match read, body:
        case dict(), dict() if "last_update" in body:
            return read.keys() >= body.keys()
        case dict(), dict():
            more = read.keys() - body.keys()
            return all(read[name] is None for name in more) and all(
                name in read and holds(read[name], value) for name, value in body.items()
            )
        case list(), list():
            return len(read) == len(body) and all(map(holds, read, body))
        case _:
            return bool(read == body)


def _dates_of(operation: Any) -> list[str]:
    return [one["name"] for one in operation["parameters"] if one["schema"].get("format") == "date"]


def _type_of(operation: Any) -> str:
    """Returns the name of the schema component that describes an operation's answer with status 200. Returns "" if the
    answer refers to no component."""
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    return str(schema.get("$ref", "")).rpartition("/")[2]


async def _run(trial: Trial, log: str, *command: str, told: str = "") -> str:
    """Runs a program that reads the text `told` from standard input. Returns the program's output, and also writes it
    to a file. Raises `Failed` if the program fails or takes too long."""
    path = os.pathsep.join([*map(str, PROGRAMS), os.environ["PATH"]])
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=trial.folder,
        env=os.environ | {"PATH": path, "JAVA_OPTS": "-Dlog.level=warn"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(told.encode()), PATIENCE_S)
    except TimeoutError:
        process.kill()
        raise Failed(f"{command[0]} takes longer than {PATIENCE_S:.0f} s") from None
    (trial.folder / f"{log}.log").write_bytes(output + errors)
    if process.returncode:
        raise Failed(f"{command[0]} ended with status {process.returncode}, see {log}.log")
    return output.decode()
