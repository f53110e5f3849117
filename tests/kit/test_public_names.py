"""A provider imports from one place: what stands there is a promise, and a change of it a decision."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import bouquet_proto
import bouquet_worker

PROVIDERS = Path(__file__).parents[2] / "services" / "providers"
TEMPLATE = Path(bouquet_worker.__file__).parent / "template" / "bouquet-acme"
NO_PROVIDERS = {"kit", "casebook"}
"""The kit itself, and the sandbox, which answers on the bus without it."""
OTHER_ENTRANCES = {"bouquet_worker.simulate", "bouquet_worker.simulated_faults", "bouquet_worker.testing"}


def test_the_kit_s_public_names_are_these() -> None:
    assert bouquet_worker.__all__ == [
        "PARIS",
        "Answer",
        "ApiKey",
        "Auth",
        "Authority",
        "Bearer",
        "Caller",
        "Check",
        "ClientCredentials",
        "Failed",
        "Failure",
        "Found",
        "Identifiant",
        "Identite",
        "Identity",
        "Ine",
        "InternalOperation",
        "IsoDate",
        "IsoDateOrBlank",
        "Kind",
        "Modality",
        "NotFound",
        "NumeroAllocataire",
        "Operation",
        "Parameter",
        "People",
        "PublishedOperation",
        "Question",
        "Rejected",
        "ReplyLimits",
        "Retirement",
        "Secret",
        "SettingsError",
        "Sexe",
        "Upstream",
        "UpstreamClient",
        "UpstreamError",
        "Worker",
        "WorkerSettings",
        "absence",
        "client_context",
        "day_of",
        "day_or_none",
        "none_if_blank",
        "operation",
        "paris_today",
        "published_operation",
        "v2_operation",
        "view_of",
        "worker_prefix",
    ]


def test_the_bus_s_public_names_are_these() -> None:
    assert bouquet_proto.__all__ == [
        "FAILURES",
        "MODALITIES",
        "Authority",
        "Caller",
        "Check",
        "Deadline",
        "Describe",
        "Failed",
        "Failure",
        "Found",
        "Identifiant",
        "Identite",
        "Identity",
        "Ine",
        "Kind",
        "Lookup",
        "Modality",
        "NotFound",
        "NumeroAllocataire",
        "Offer",
        "Operation",
        "Parameter",
        "People",
        "Recorded",
        "Rejected",
        "Reply",
        "ReplyLimits",
        "Request",
        "Retirement",
        "Sexe",
        "absence",
        "decode_reply",
        "decode_request",
        "encode",
        "operation",
        "queue_of",
        "v2_operation",
        "worker_prefix",
    ]


def modules() -> list[Path]:
    own = [path for path in PROVIDERS.glob("*/bouquet_*/*.py") if path.parts[-3] not in NO_PROVIDERS]
    return [*own, *TEMPLATE.rglob("*.py")]


@pytest.mark.parametrize("path", modules(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_provider_imports_the_kit_s_public_names_from_the_kit(path: Path) -> None:
    assert list(detours(path)) == []


def detours(path: Path) -> Iterator[str]:
    """Imports of a module of the kit that is no entrance, and of a public name of the kit from another place."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("bouquet_"):
            module = node.module
            public = {name.name for name in node.names} & set(bouquet_worker.__all__)
            inside = module.startswith("bouquet_worker.") and module not in OTHER_ENTRANCES
            elsewhere = public and module.startswith(("bouquet_proto", "bouquet_mesh"))
            if inside or elsewhere:
                yield f"line {node.lineno}: {module}"
