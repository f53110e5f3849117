"""Tests of the public names of bouquet_worker and bouquet_proto, and of the rule that providers import no others."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import bouquet_proto
import bouquet_worker
from bouquet_worker import testing

PROVIDERS = Path(__file__).parents[2] / "services" / "providers"
TEMPLATE = Path(bouquet_worker.__file__).parent / "template" / "bouquet-acme"
NO_PROVIDERS = {"kit", "casebook"}
OTHER_PUBLIC_MODULES = {"bouquet_worker.simulate", "bouquet_worker.simulated_faults", "bouquet_worker.testing"}


def test_the_public_names_of_bouquet_worker_are_these() -> None:
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
        "ClientCredentialsSettings",
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
        "Proof",
        "ProofField",
        "ProofSection",
        "Public",
        "PublishedOperation",
        "Question",
        "Rejected",
        "ReplyLimits",
        "Retirement",
        "Seconds",
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
        "parse_xml",
        "published_operation",
        "to_ascii",
        "v2_operation",
        "view_of",
        "worker_prefix",
    ]


def test_the_public_names_of_bouquet_proto_are_these() -> None:
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
        "Proof",
        "ProofField",
        "ProofSection",
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
def test_a_provider_imports_public_names_from_bouquet_worker(path: Path) -> None:
    assert list(wrong_imports(path)) == []


def wrong_imports(path: Path) -> Iterator[str]:
    """Yields the imports that a provider must not contain: those from a private module of the kit, and those that take
    a name from `bouquet_proto` or `bouquet_mesh` although the kit exports it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("bouquet_"):
            module = node.module
            public = {name.name for name in node.names} & set(bouquet_worker.__all__)
            inside = module.startswith("bouquet_worker.") and module not in OTHER_PUBLIC_MODULES
            elsewhere = public and module.startswith(("bouquet_proto", "bouquet_mesh"))
            if inside or elsewhere:
                yield f"line {node.lineno}: {module}"


@pytest.mark.parametrize(("former", "present"), [("Workbench", "WorkerHarness"), ("workbench", "worker_harness")])
def test_a_former_name_of_bouquet_worker_testing_is_importable_with_a_warning(former: str, present: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"{former} is now called {present}"):
        assert getattr(testing, former) is getattr(testing, present)
