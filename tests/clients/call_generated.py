"""Program that calls a gateway with a client made by openapi-python-client: `call_generated.py PACKAGE URL`. It
reads a JSON list of calls, and prints a list with the status and the content that the client read."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import sys
import typing
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any

KEY = {"prefix": "", "auth_header_name": "X-Api-Key"}


def main(package: Path, url: str) -> None:
    sys.path.insert(0, str(package.parent))
    kind = importlib.import_module(f"{package.name}.client").AuthenticatedClient
    calls = json.load(sys.stdin)
    # One connection for each token, over plain HTTP: loading the TLS authorities takes longer than a call.
    clients = {
        (token, by_key): kind(base_url=url, token=token, verify_ssl=False, **(KEY if by_key else {}))
        for token, by_key in {(call["token"], call["by_key"]) for call in calls}
    }
    json.dump([_told(package, clients[call["token"], call["by_key"]], call) for call in calls], sys.stdout)


def _told(package: Path, client: Any, call: dict[str, Any]) -> list[Any]:
    operation = _module(package, call["module"])
    arguments = _arguments(operation._get_kwargs, call["params"])
    if call.get("sent") is not None:
        arguments["body"] = typing.get_type_hints(operation._get_kwargs)["body"].from_dict(call["sent"])
    answer = operation.sync_detailed(client=client, **arguments)
    return [int(answer.status_code), _plain(answer.parsed)]


def _module(package: Path, name: str) -> Any:
    # The module may be in any folder of `api`, since the generator names the folder after the operation's tag.
    [file] = package.glob(f"api/*/{name}.py")
    return importlib.import_module(".".join(file.relative_to(package.parent).with_suffix("").parts))


def _arguments(function: Any, params: dict[str, Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(function)
    named = {re.sub("([A-Z])", r"_\1", name).lower(): value for name, value in params.items()}
    return {name: _typed(hints[name], value) for name, value in named.items() if name in hints}


def _typed(hint: Any, value: Any) -> Any:
    for kind in filter(inspect.isclass, (hint, *typing.get_args(hint))):
        if issubclass(kind, date):
            return kind.fromisoformat(value)
        if issubclass(kind, Enum):
            return next(member for member in kind if str(member.value).lower() == str(value).lower())
    return value


def _plain(parsed: Any) -> Any:
    match parsed:
        case list():
            return [_plain(one) for one in parsed]
        case None | str():
            return parsed
        case _:
            return parsed.to_dict()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
