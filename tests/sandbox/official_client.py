"""Run by the interpreter of openapi-python-client, beside the package that it generated: asks with it, and tells.

official_client.py PACKAGE URL < calls, as JSON: path, token, params of a case  > status and what the client read
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import sys
import typing
from enum import Enum
from pathlib import Path
from typing import Any


def main(package: Path, url: str) -> None:
    sys.path.insert(0, str(package.parent))
    json.dump([_told(package, url, call) for call in json.load(sys.stdin)], sys.stdout)


def _told(package: Path, url: str, call: dict[str, Any]) -> list[Any]:
    client = importlib.import_module(f"{package.name}.client").AuthenticatedClient(base_url=url, token=call["token"])
    operation = _module(package, call["path"])
    answer = operation.sync_detailed(client=client, **_arguments(operation._get_kwargs, call["params"]))
    return [int(answer.status_code), answer.parsed.to_dict() if answer.parsed else None]


def _module(package: Path, path: str) -> Any:
    """Its folders are named by tags, its modules by paths."""
    [file] = package.glob(f"api/*/get{path.replace('/', '_')}.py")
    return importlib.import_module(".".join(file.relative_to(package.parent).with_suffix("").parts))


def _arguments(function: Any, params: dict[str, Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(function)
    named = {re.sub("([A-Z])", r"_\1", name).lower(): value for name, value in params.items()}
    return {name: _typed(hints[name], value) for name, value in named.items() if name in hints}


def _typed(hint: Any, value: Any) -> Any:
    kinds = [kind for kind in (hint, *typing.get_args(hint)) if inspect.isclass(kind) and issubclass(kind, Enum)]
    return kinds[0](value) if kinds else value


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
