"""Tests of the portal's settings."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TypeAlias

import psycopg
import pytest

from bouquet_portal.database_url import database_of
from bouquet_portal.environment import read
from tests.portal.settings import problems
from tests.support.postgres import PostgresServer
from tests.support.processes import BIN

Settings: TypeAlias = dict[str, str]


def test_the_portal_needs_no_setting() -> None:
    assert read({}).port == 8030


def test_every_wrong_setting_is_reported_at_once_without_its_value() -> None:
    found = problems(port="eighty", gateway_url="nowhere", colour="red", threads="0", states_every_s="-1")
    assert found == [
        "BOUQUET_PORTAL_COLOUR: unknown setting",
        "BOUQUET_PORTAL_STATES_EVERY_S: must be more than 0",
        "BOUQUET_PORTAL_PORT: must be a port, 0 to 65535",
        "BOUQUET_PORTAL_THREADS: must be a whole number from 1 to 64",
        "BOUQUET_PORTAL_GATEWAY_URL: must be an address, http://host or https://host",
    ]


def test_a_misspelt_setting_is_reported_with_its_name() -> None:
    assert problems(prot="80") == ["BOUQUET_PORTAL_PROT: unknown setting, did you mean BOUQUET_PORTAL_PORT?"]


def test_an_https_address_needs_a_secret_key() -> None:
    assert problems(public_url="https://portail.example") == [
        "BOUQUET_PORTAL_SECRET_KEY: is required with an https address"
    ]
    assert problems(secret_key="short") == ["BOUQUET_PORTAL_SECRET_KEY: must have 32 characters or more"]


def test_a_sandbox_needs_its_token() -> None:
    assert problems(sandbox_url="http://127.0.0.1:1") == [
        "BOUQUET_PORTAL_SANDBOX_TOKEN: is required with BOUQUET_PORTAL_SANDBOX_URL"
    ]


def test_a_setting_may_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("k" * 40 + "\n")
    settings = read({"BOUQUET_PORTAL_SECRET_KEY_FILE": str(file)})
    assert settings.secret_key.reveal() == "k" * 40
    assert "kkk" not in repr(settings)


def test_the_database_may_be_several_servers_of_which_one_accepts_writes() -> None:
    found = database_of("postgresql://portal:secret@a:5432,b:5433/portal?sslmode=verify-full")
    assert (found["HOST"], found["PORT"], found["NAME"]) == ("a,b", "5432,5433", "portal")
    assert found["OPTIONS"].items() >= {"sslmode": "verify-full", "target_session_attrs": "read-write"}.items()


@pytest.mark.parametrize(
    ("query", "verification"),
    [
        ("", {"sslmode": "verify-full", "sslrootcert": "system"}),
        ("?sslrootcert=/own.pem", {"sslmode": "verify-full", "sslrootcert": "/own.pem"}),
        ("?sslmode=verify%2Dfull&sslrootcert=/an%20own.pem", {"sslmode": "verify-full", "sslrootcert": "/an own.pem"}),
        ("?sslmode=disable", {"sslmode": "disable"}),
    ],
)
def test_a_database_server_is_verified_unless_the_url_switches_tls_off(query: str, verification: Settings) -> None:
    options = database_of(f"postgresql://portal:secret@a/portal{query}")["OPTIONS"]
    assert {name: options[name] for name in options if name.startswith("ssl")} == verification


@pytest.mark.parametrize(
    "url",
    [
        *(
            f"postgresql://portal:swordfish@a/portal?{query}"
            for query in (
                "sslmode",
                "sslmode=",
                "sslmode=prefer",
                "sslmode=require",
                "sslmode=verify-ca",
                "sslmode=verify-full&sslmode=disable",
                "sslmode=disable&sslrootcert=/own.pem",
                "SSLMODE=disable",
                "host=elsewhere",
                "service=elsewhere",
            )
        ),
        "postgresql://portal:swordfish@a:port/portal",
        "postgresql://portal:swordfish@[::1/portal",
        "sqlite:///file:portal.db?uri=true",
        "sqlite:portal.db",
        "mysql://portal:swordfish@a/portal",
    ],
)
def test_a_database_url_that_verifies_nothing_or_cannot_be_read_is_reported_unquoted(url: str) -> None:
    (problem,) = problems(database_url=url)
    assert problem.startswith("BOUQUET_PORTAL_DATABASE_URL: ")
    assert "swordfish" not in problem and "elsewhere" not in problem


@pytest.mark.broker
def test_a_database_server_without_tls_is_refused(postgres_server: PostgresServer) -> None:
    found = database_of(postgres_server.database().partition("?")[0])
    with pytest.raises(psycopg.OperationalError, match="does not support SSL"):
        psycopg.connect(host=found["HOST"], port=found["PORT"], user=found["USER"], **found["OPTIONS"])


def test_variables_of_kubernetes_services_are_no_settings() -> None:
    assert read({"BOUQUET_PORTAL_PORT": "tcp://10.0.0.1:8030", "BOUQUET_PORTAL_SERVICE_HOST": "10.0.0.1"}).port == 8030


def test_the_command_ends_with_status_2_and_the_wrong_settings() -> None:
    ended = subprocess.run(
        [BIN / "bouquet-portal", "serve"],
        env={"BOUQUET_PORTAL_PORT": "x", "BOUQUET_PORTAL_HOTS": "y"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 2
    assert "BOUQUET_PORTAL_PORT: must be a port" in ended.stderr
    assert "BOUQUET_PORTAL_HOTS: unknown setting, did you mean BOUQUET_PORTAL_HOST?" in ended.stderr
