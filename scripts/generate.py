"""Writes the files that are generated from the code and kept in git. Tests say when they are stale."""

from __future__ import annotations

from pathlib import Path

import yaml

from bouquet_proto import asyncapi

PROTO = Path(__file__).parent.parent / "proto"


def to_yaml(document: object) -> str:
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)


def main() -> None:
    (PROTO / "asyncapi.yaml").write_text(to_yaml(asyncapi.document()), encoding="utf-8")


if __name__ == "__main__":
    main()
