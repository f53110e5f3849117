"""Tests of safeguards: settings that turn off the journal or the check of tokens never do so silently."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import REGISTRY

from bouquet_gateway.settings import SAFEGUARDS, GatewaySettings, read_settings
from bouquet_gateway.start.serve import report_safeguards
from bouquet_mesh.settings import SettingsError, read_all
from tests.support.doctor_report import run_doctor
from tests.support.gateway_client import TOKEN_KEY
from tests.support.processes import running_command

NO_BROKER = {"BOUQUET_GATEWAY_PROVIDERS": "cnaf", "BOUQUET_BUS_URL": "amqp://127.0.0.1:1/"}
KEY = {"token_key": TOKEN_KEY}
OFF: list[tuple[dict[str, Any], set[str]]] = [
    ({}, set()),
    ({"journal": False}, {"JOURNAL"}),
    ({"tokens_from": "claims"}, {"JOURNAL", "TOKENS_FROM"}),
    ({"tokens_from": "claims", "journal": True}, {"TOKENS_FROM"}),
    ({"tokens_from": "claims", "sandbox": True}, {"JOURNAL", "TOKENS_FROM", "SANDBOX"}),
    ({"exempt_tokens": ("0" * 64,)}, {"EXEMPT_TOKENS"}),
]


def safeguards_off() -> set[str]:
    name = "bouquet_gateway_safeguard_off"
    return {one.setting for one in SAFEGUARDS if REGISTRY.get_sample_value(name, {"setting": one.setting})}


@pytest.mark.parametrize(("settings", "off"), OFF)
def test_each_safeguard_that_is_off_is_logged_and_in_a_metric(
    settings: dict[str, Any], off: set[str], caplog: pytest.LogCaptureFixture
) -> None:
    report_safeguards(GatewaySettings(**KEY | settings))
    assert safeguards_off() == off
    lines = [(record.levelname, record.message, record.__dict__["setting"]) for record in caplog.records]
    assert set(lines) == {("WARNING", "safeguard off", f"BOUQUET_GATEWAY_{name}") for name in off}


@pytest.mark.parametrize("tokens_from", [{}, {"BOUQUET_GATEWAY_TOKENS_FROM": "registry"}])
def test_a_sandbox_beside_the_registry_is_refused(tokens_from: dict[str, str]) -> None:
    environ = {"BOUQUET_GATEWAY_TOKEN_KEY": TOKEN_KEY.reveal(), "BOUQUET_GATEWAY_SANDBOX": "true", **tokens_from}
    with pytest.raises(SettingsError, match="BOUQUET_GATEWAY_SANDBOX: needs BOUQUET_GATEWAY_TOKENS_FROM=claims"):
        read_all(environ | {"BOUQUET_GATEWAY_JOURNAL": "false"}, read_settings)


@pytest.mark.parametrize(("journal", "state"), [("false", "wrong"), ("true", "well")])
async def test_doctor_reports_safeguards_that_are_off(journal: str, state: str) -> None:
    environ = {
        "BOUQUET_GATEWAY_TOKEN_KEY": TOKEN_KEY.reveal(),
        "BOUQUET_GATEWAY_JOURNAL": journal,
        "BOUQUET_GATEWAY_JOURNAL_KEY": "2026:what the journal of the tests names persons by",
        **NO_BROKER,
    }
    report = await run_doctor(environ, "bouquet-gateway", "doctor")
    assert report.findings["safeguards"]["state"] == state


async def test_a_starting_process_logs_safeguards_that_are_off() -> None:
    environ = {
        "BOUQUET_GATEWAY_TOKEN_KEY": TOKEN_KEY.reveal(),
        "BOUQUET_GATEWAY_TOKENS_FROM": "claims",
        "BOUQUET_GATEWAY_PORT": "0",
        **NO_BROKER,
    }
    async with running_command(environ, "bouquet-gateway", "serve") as process:
        await process.until_logged("safeguard off", times=2)
        told = {line["setting"]: (line["levelname"], line["means"]) for line in process.logged("safeguard off")}
    assert told["BOUQUET_GATEWAY_JOURNAL"] == ("WARNING", "no answer leaves a record")
    assert set(told) == {"BOUQUET_GATEWAY_JOURNAL", "BOUQUET_GATEWAY_TOKENS_FROM"}
