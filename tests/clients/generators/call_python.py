"""Program that calls a sandbox with the Python client of OpenAPI Generator: `call_python.py FOLDER URL`. It reads a
JSON list of calls, and prints a list with the content that the client read."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import sys
from typing import Any


def main(folder: str, url: str) -> None:
    sys.path.insert(0, folder)
    package = importlib.import_module("openapi_client")
    json.dump([_told(package, url, call) for call in json.load(sys.stdin)], sys.stdout)


def _told(package: Any, url: str, call: dict[str, Any]) -> Any:
    kinds: list[Any] = [kind for name, kind in inspect.getmembers(package, inspect.isclass) if name.endswith("Api")]
    access = {"api_key": {"apiKey": call["token"]}} if call["by_key"] else {"access_token": call["token"]}
    configuration = package.Configuration(host=url, **access)
    with package.ApiClient(configuration) as client:
        [kind] = [kind for kind in kinds if hasattr(kind, call["operation_id"])]
        ask = getattr(kind(client), call["operation_id"])
        known = inspect.signature(ask).parameters
        named = {re.sub("([A-Z])", r"_\1", name).lower(): value for name, value in call["params"].items()}
        return _plain(ask(**{name: value for name, value in named.items() if name in known}))


def _plain(read: Any) -> Any:
    if isinstance(read, list):
        return [_plain(one) for one in read]
    return json.loads(read.to_json()) if hasattr(read, "to_json") else read


if __name__ == "__main__":
    main(*sys.argv[1:])
