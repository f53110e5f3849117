"""Writes the offer (description of operations) of each provider of this repository to proto/offers/. A test in
tests/repo fails if a file is not up to date."""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from bouquet_proto.names import WORKERS
from bouquet_worker.worker import Worker

ROOT = Path(__file__).parent.parent
OFFERS = ROOT / "proto" / "offers"


def workers() -> Iterator[Worker]:
    """Yields the `Worker` that each provider's pyproject.toml in this repository names."""
    for project in sorted(ROOT.glob("services/providers/*/pyproject.toml")):
        declared = tomllib.loads(project.read_text(encoding="utf-8"))["project"].get("entry-points", {})
        for place in declared.get(WORKERS, {}).values():
            module, _, name = place.partition(":")
            yield getattr(importlib.import_module(module), name)


def documents() -> dict[Path, str]:
    return {
        OFFERS / f"{worker.provider}.json": msgspec.json.format(msgspec.json.encode(worker.offer())).decode() + "\n"
        for worker in workers()
    }


def main() -> None:
    OFFERS.mkdir(exist_ok=True)
    for path, text in documents().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
