"""Folders of sandbox cases, made for one test. A case holds the parameters of a call and the answer to it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.sandbox_gateway import OURS


class Folder:
    """Folder of the sandbox cases of one operation. Tests add case files to it."""

    def __init__(self, root: Path, operation_id: str) -> None:
        self.root = root
        self.operation_id = operation_id
        self._path = root / operation_id
        self._path.mkdir(parents=True, exist_ok=True)

    def add(self, name: str, params: Mapping[str, Any], body: object, status: int = 200) -> Path:
        case = {"params": dict(params), "status": status, "payload": json.dumps(body)}
        return self.write(name, json.dumps(case, ensure_ascii=False))  # which is YAML that quotes every text

    def write(self, name: str, text: str) -> Path:
        file = self._path / name
        file.write_text(text, encoding="utf-8")
        return file

    def copy(self, *names: str) -> None:
        for name in names:
            shutil.copy(OURS / self.operation_id / name, self._path)


def found(data: object) -> dict[str, object]:
    return {"data": data, "links": {}, "meta": {}}


def error(code: str) -> dict[str, object]:
    return {"errors": [{"code": code, "title": "Une erreur", "detail": "Un détail", "meta": {}}]}
