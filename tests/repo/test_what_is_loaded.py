"""Tests that a starting process does not import modules that only some settings or commands need."""

from __future__ import annotations

import subprocess
import sys

import pytest

LOADED = "import sys, {modules}; print(*sys.modules)"


@pytest.mark.parametrize(
    ("process", "never"),
    [
        ("bouquet_gateway.__main__", {"redis", "aiocache", "opentelemetry.exporter", "bouquet_gateway.doctor"}),
        ("bouquet_proto", {"bouquet_mesh", "aiohttp", "prometheus_client", "opentelemetry", "aio_pika"}),
        ("bouquet_worker", {"aiohttp", "uvloop", "aio_pika", "cryptography"}),
        (
            "bouquet_worker.__main__, bouquet_cnaf.worker",
            {"lxml", "cryptography", "opentelemetry.exporter", "bouquet_worker.simulate", "bouquet_cnaf.simulator"},
        ),
        ("bouquet_casebook.commands", {"yaml", "jsonschema", "aiohttp"}),
        ("bouquet_registry.__main__", {"alembic", "redis", "opentelemetry.exporter"}),
    ],
)
def test_a_process_does_not_import_optional_modules_at_start(process: str, never: set[str]) -> None:
    told = subprocess.check_output([sys.executable, "-c", LOADED.format(modules=process)], text=True, timeout=200)
    loaded = set(told.split())
    assert loaded.issuperset(name.strip() for name in process.split(","))
    assert not {name for name in never if any(module == name or module.startswith(f"{name}.") for module in loaded)}
