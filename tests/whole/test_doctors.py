"""Tests of the doctor commands: a malformed setting becomes a finding or an error that names it, never a traceback."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bouquet_mesh.settings import SettingsError
from bouquet_proto.offer import Authority
from bouquet_worker import Upstream, Worker, WorkerSettings
from bouquet_worker.doctor import examine as examine_worker
from tests.support.doctor_report import run_doctor
from tests.support.doctors import BUS, DOCTORS, NOBODY, PASSWORD, Doctor


@pytest.mark.filterwarnings("ignore:Key size")  # of a signing key, which is refused in words after that
@pytest.mark.parametrize("name", DOCTORS)
async def test_a_doctor_explains_what_is_wrong_with_each_setting(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where settings without a path put their files
    doctor = DOCTORS[name]
    for variable, value in doctor.malformed():
        said = await words(doctor, variable, value)
        assert said and PASSWORD not in said, (variable, value)


async def words(doctor: Doctor, variable: str, value: str) -> str:
    try:
        findings = await doctor.examine({**doctor.environ, variable: value})
    except SettingsError as error:
        return str(error)
    except Exception as error:
        pytest.fail(f"{variable}={value!r} raises {error!r}")
    return "\n".join(f"{finding.subject}: {finding.says}" for finding in findings)


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("gateway", "localhost"),
        ("registry", f"amqp://{NOBODY},amqp://u:{PASSWORD}@{NOBODY}/"),
        ("msa", f"amqp://{NOBODY},amqp://u:{PASSWORD}@{NOBODY}/"),
    ],
)
async def test_a_doctor_refuses_a_bus_that_is_not_one_server(name: str, url: str) -> None:
    doctor = DOCTORS[name]
    report = await run_doctor({**doctor.environ, "BOUQUET_BUS_URL": url}, *doctor.command)
    assert report.status == 2
    [line] = report.text.splitlines()
    assert line.startswith("BOUQUET_BUS_URL: must ")
    assert PASSWORD not in line


async def test_a_doctor_reports_a_setting_that_a_provider_s_code_rejects() -> None:
    worker = Worker("acme", WorkerSettings, owner="team-acme", authority=Authority("ACME", "90"))

    @worker.upstream
    def acme_api(_: WorkerSettings) -> Upstream:
        raise KeyError(PASSWORD)

    with pytest.raises(SettingsError) as caught:
        await examine_worker(worker, BUS)
    assert re.fullmatch(r"settings: KeyError at test_doctors.py:\d+.*", str(caught.value))
