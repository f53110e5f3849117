"""Tests of `bouquet-registry doctor api` with a real API and real databases: it finds what the API lacks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from bouquet_mesh.secret import Secret
from bouquet_registry.roles import Roles
from bouquet_registry.store import open_store, upgrade
from bouquet_registry.token_signing import new_key, verification_keys
from tests.registry.accesses import tamper
from tests.registry.api_client import SECRET, api_environ
from tests.support.doctor_report import Report, run_doctor
from tests.support.postgres import PostgresServer
from tests.support.processes import running_command
from tests.support.registry_roles import as_role
from tests.support.tls import HOST, CertificateFiles, certificate_files

ROLE = "bouquet_api"


def settings(folder: Path, own: CertificateFiles, **changes: str) -> dict[str, str]:
    chosen = {"API_CERTIFICATE": str(own.certificate), "API_KEY": str(own.key), "SIGNING_KEY": new_key("2027-01")}
    return api_environ(folder) | {f"BOUQUET_REGISTRY_{name}": value for name, value in (chosen | changes).items()}


def key_set(folder: Path, signing_key: str) -> str:
    file = folder / "token-keys"
    file.write_text(verification_keys(Secret(signing_key)))
    return str(file)


async def doctor(chosen: dict[str, str], *options: str) -> Report:
    report = await run_doctor(chosen, "bouquet-registry", "doctor", "api", *options)
    assert SECRET not in report.text and chosen["BOUQUET_REGISTRY_SIGNING_KEY"] not in report.text
    return report


async def test_the_doctor_finds_nothing_wrong_with_a_healthy_api(tmp_path: Path) -> None:
    own = certificate_files(tmp_path / "own")
    chosen = settings(tmp_path, own)
    keys = key_set(tmp_path, chosen["BOUQUET_REGISTRY_SIGNING_KEY"])
    async with running_command(chosen, "bouquet-registry", "api") as process:
        port = (await process.until_logged("registry api started"))["port"]
        url = f"https://{HOST}:{port}"
        report = await doctor(chosen, "--url", url, "--ca", str(own.ca), "--token-keys", keys)
    assert (report.status, report.wrong_subjects()) == (0, set())
    assert report.finding("api") == f"well: answers at {url}"
    assert report.finding("signing key") == "well: the gateways know it as 2027-01"
    assert report.finding("settings") == "well: whole; clients: portal"


async def test_the_doctor_finds_a_signing_key_that_the_gateways_do_not_know(tmp_path: Path) -> None:
    chosen = settings(tmp_path, certificate_files(tmp_path / "own"))
    report = await doctor(chosen, "--token-keys", key_set(tmp_path, new_key("2027-01")))
    assert report.finding("signing key").startswith("wrong: the gateways do not know it")


async def test_the_doctor_finds_an_api_that_shows_a_certificate_of_another_authority(tmp_path: Path) -> None:
    own, foreign = certificate_files(tmp_path / "own"), certificate_files(tmp_path / "foreign")
    chosen = settings(tmp_path, own)
    async with running_command(chosen, "bouquet-registry", "api") as process:
        port = (await process.until_logged("registry api started"))["port"]
        report = await doctor(chosen, "--url", f"https://{HOST}:{port}", "--ca", str(foreign.ca))
    assert report.finding("api").startswith("wrong: does not answer") and "certificate" in report.finding("api")


async def test_the_doctor_finds_an_api_that_does_not_run(tmp_path: Path) -> None:
    chosen = settings(tmp_path, certificate_files(tmp_path / "own"))
    report = await doctor(chosen, "--url", f"https://{HOST}:9")
    assert report.finding("api").startswith("wrong: does not answer")


async def test_the_doctor_finds_a_certificate_of_the_api_that_ends_soon(tmp_path: Path) -> None:
    own = certificate_files(tmp_path / "own", trustme.CA(), datetime.now(UTC) + timedelta(days=3))
    report = await doctor(settings(tmp_path, own))
    assert "BOUQUET_REGISTRY_API_CERTIFICATE" in "".join(report.wrong_subjects())


RIGHTS = [
    ("", "well: those that it needs, and no others"),
    (f"REVOKE INSERT ON acts FROM {ROLE}", "wrong: lacks INSERT acts"),
    (f"REVOKE SELECT (recipient) ON journal FROM {ROLE}", "wrong: lacks SELECT journal"),
    (f"GRANT DELETE ON journal TO {ROLE}", "wrong: has more than it needs: DELETE journal"),
    (f"GRANT SELECT (person) ON journal TO {ROLE}", "wrong: has more than it needs: SELECT journal"),
]


@pytest.mark.broker
@pytest.mark.parametrize(("change", "found"), RIGHTS)
async def test_the_doctor_compares_the_rights_of_the_api_s_role(
    change: str, found: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    url = postgres_server.database()
    await upgrade(Secret(url))
    async with open_store(Secret(url)) as owner:
        exists = "SELECT FROM pg_roles WHERE rolname"
        await tamper(
            owner, f"DO $$ BEGIN IF NOT EXISTS ({exists} = '{ROLE}') THEN CREATE ROLE {ROLE} LOGIN; END IF; END $$"
        )
        await upgrade(Secret(url), Roles(api=ROLE))
        if change:
            await tamper(owner, change)
    own = certificate_files(tmp_path / "own")
    report = await doctor(settings(tmp_path, own, DATABASE_URL=as_role(ROLE, url).reveal()))
    assert report.finding("rights in the database") == found


@pytest.mark.broker
async def test_the_doctor_finds_an_api_that_connects_as_the_owner_of_the_tables(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    url = postgres_server.database()
    await upgrade(Secret(url))
    report = await doctor(settings(tmp_path, certificate_files(tmp_path / "own"), DATABASE_URL=url))
    assert report.finding("rights in the database").startswith("wrong: the process connects as the owner")
