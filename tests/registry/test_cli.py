"""Tests of the administration commands of `bouquet-registry`."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bouquet_mesh.secret import Secret
from bouquet_registry.__main__ import main
from bouquet_registry.clock import utc_now
from bouquet_registry.datapass import inbox
from bouquet_registry.datapass.inbox import ReceivedEvent
from bouquet_registry.schema import REVISION
from bouquet_registry.store import open_store
from tests.registry.datapass_events import v1
from tests.support.habilitations import SIRET
from tests.support.registry_commands import Run, refused_command


def test_the_installed_command_creates_a_habilitation_and_refuses_an_unknown_token(environ: dict[str, str]) -> None:
    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        program = Path(sys.executable).with_name("bouquet-registry")
        return subprocess.run(
            [program, *arguments, "--json"], env=environ, capture_output=True, text=True, check=False, timeout=200
        )

    made = command("habilitation", "create", "--siret", SIRET, "--name", "MAIRIE", "--why", "ticket 12")
    assert (made.returncode, json.loads(made.stdout)["name"]) == (0, "MAIRIE")
    told = command("token", "show", "nobody")
    assert (told.returncode, told.stdout, told.stderr) == (1, "", "no token of a habilitation has this id\n")


def test_commands_issue_list_and_revoke_a_token_and_refuse_a_stale_version(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    own = run("habilitation", "create", "--siret", SIRET, "--name", "MAIRIE", "--scopes", "dss_enfants")
    token = run("token", "issue", own["id"])
    assert token["jwt"].count(".") == 2
    assert "k" * 32 not in token["jwt"]
    assert run("token", "list", "--expiring-within", "600")[0]["id"] == token["id"]
    assert run("token", "list", "--expiring-within", "500") == []
    assert run("token", "revoke", token["id"], "--reason", "leaked")["blacklist_reason"] == "leaked"
    told = refused_command(capsys, "token", "prolong", token["id"], "--version", "1")
    assert told == f"{token['id']} is at version 2, not 1: nothing was done\n"
    assert run("habilitation", "show", own["id"])["tokens"][0]["blacklisted_at"]


def test_a_habilitation_is_created_with_every_field(run: Run) -> None:
    made = run(
        *("habilitation", "create", "--siret", SIRET, "--name", "MAIRIE", "--purpose", "Cantine"),
        *("--scopes", "a", "b", "--modalities", "params", "france_connect", "--calls-per-minute", "60"),
        *("--contacts", "demandeur:anne@mairie.example:Anne Durant", "contact_technique:si@mairie.example"),
        *("--allowed-ips", "10.0.0.0/8", "--datapass-id", "42"),
        *("--calls-per-second", "50", "--group-limits", "/v3/dss/=60", "--ine"),
    )
    assert made["contacts"] == [
        {"kind": "demandeur", "email": "anne@mairie.example", "name": "Anne Durant"},
        {"kind": "contact_technique", "email": "si@mairie.example"},
    ]
    assert (made["calls_per_second"], made["ine"]) == (50, True)
    assert made["group_limits"] == [{"paths": "/v3/dss/", "calls_per_minute": 60}]
    assert (made["scopes"], made["modalities"]) == (["a", "b"], ["params", "france_connect"])
    assert (made["calls_per_minute"], made["allowed_ips"], made["datapass_id"]) == (60, ["10.0.0.0/8"], "42")
    assert run("habilitation", "list") == [made]
    assert run("habilitation", "show", made["id"]) == made | {"tokens": []}


def test_an_update_changes_only_the_given_fields_of_a_habilitation(run: Run) -> None:
    made = run("habilitation", "create", "--siret", SIRET, "--scopes", "a", "--allowed-ips", "10.0.0.1", "10.0.0.2")
    changed = run("habilitation", "update", made["id"], "--allowed-ips", "--purpose", "Cantine")
    same = {"updated_at", "version"}
    assert {name: value for name, value in changed.items() if name not in same} == {
        name: value for name, value in (made | {"allowed_ips": [], "purpose": "Cantine"}).items() if name not in same
    }
    assert changed["version"] == 2


def test_archiving_a_habilitation_can_be_undone(run: Run) -> None:
    made = run("habilitation", "create", "--siret", SIRET)
    assert run("habilitation", "archive", made["id"])["state"] == "archived"
    assert run("habilitation", "list") == []
    assert len(run("habilitation", "list", "--archived")) == 1
    assert run("habilitation", "archive", made["id"], "--undo")["state"] == "active"


def test_a_token_is_shown_with_its_signed_text_only_with_reveal(run: Run) -> None:
    token = run("token", "issue", run("habilitation", "create", "--siret", SIRET)["id"])
    shown = run("token", "show", token["id"])
    assert "jwt" not in shown
    assert shown["notices_sent"] == []
    assert run("token", "show", token["id"], "--reveal")["jwt"] == token["jwt"]


def test_a_token_can_be_revoked_from_a_later_time_on(run: Run) -> None:
    token = run("token", "issue", run("habilitation", "create", "--siret", SIRET)["id"])
    revoked = run("token", "revoke", token["id"], "--reason", "leaked", "--at", "2030-01-01T00:00:00+01:00")
    assert revoked["blacklisted_at"] == "2030-01-01T00:00:00+01:00"
    assert run("token", "show", token["id"])["blacklisted_at"] == "2029-12-31T23:00:00Z"


def test_records_are_printed_as_text_without_the_json_option(
    environ: dict[str, str], run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    made = run("habilitation", "create", "--siret", SIRET, "--contacts", "demandeur:anne@mairie.example")
    assert main(["habilitation", "show", made["id"]]) == 0
    assert re.search(r"^contacts +demandeur anne@mairie\.example$", capsys.readouterr().out, re.MULTILINE)
    assert main(["token", "list"]) == 0
    assert capsys.readouterr().out == "none\n"


def test_a_refused_command_prints_its_reason(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused_command(capsys, "token", "show", "nobody") == "no token of a habilitation has this id\n"
    assert refused_command(capsys, "habilitation", "show", "nobody") == "no habilitation has this id\n"
    assert refused_command(capsys, "habilitation", "create", "--siret", "1") == "siret: is no SIRET\n"
    archived = run("habilitation", "archive", run("habilitation", "create", "--siret", SIRET)["id"])
    assert "is archived" in refused_command(capsys, "token", "issue", archived["id"])


@pytest.mark.parametrize(
    "arguments",
    [
        ("habilitation", "create", "--siret", SIRET, "--contacts", "boss:anne@mairie.example"),
        ("token", "revoke", "x", "--reason", "y", "--at", "2030-01-01T00:00:00"),
        ("token", "revoke", "x", "--reason", "y", "--at", "9999-12-31T23:59:59-12:00"),
        ("token", "revoke", "x"),
        ("token", "list", "--expiring-within", "99999999999"),
        ("act", "list", "--most", "-1"),
        ("act", "list", "--most", "99999999999999999999"),
        ("editor-token", "rotate", "x", "--grace-hours", "99999999999999"),
        ("journal", "stats", "--months", "99999999"),
        ("token",),
    ],
)
def test_an_invalid_argument_is_a_usage_error(environ: dict[str, str], arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


def test_a_wrong_setting_is_named_on_standard_error(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BOUQUET_REGISTRY_DATABASE_URL", "nonsense")
    assert refused_command(capsys, "token", "list", status=2).startswith("BOUQUET_REGISTRY_DATABASE_URL: must be")


def test_an_unavailable_database_is_reported_without_a_traceback(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BOUQUET_REGISTRY_DATABASE_URL", "postgresql://nobody:SECRET@127.0.0.1:1/none")
    told = refused_command(capsys, "token", "list", status=3)
    assert told.startswith("the database is away (")
    assert "SECRET" not in told


def test_a_new_key_is_printed_and_its_public_half_by_jwks(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new-key", "2027-01"]) == 0
    key = capsys.readouterr().out
    monkeypatch.setenv("BOUQUET_REGISTRY_SIGNING_KEY", key)
    assert main(["jwks"]) == 0
    [public] = json.loads(capsys.readouterr().out)["keys"]
    assert (public["kid"], public["x"]) == ("2027-01", json.loads(key)["x"])


def test_jwks_prints_the_new_key_after_the_former_ones(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    key_set = tmp_path / "token-keys"
    key_set.write_text("{}")
    for name in ("2026", "2027", "2027"):
        if name not in key_set.read_text():
            main(["new-key", name])
            monkeypatch.setenv("BOUQUET_REGISTRY_SIGNING_KEY", capsys.readouterr().out)
        assert main(["jwks", "--beside", str(key_set)]) == 0
        key_set.write_text(capsys.readouterr().out)
    assert [key["kid"] for key in json.loads(key_set.read_text())["keys"]] == ["2026", "2027"]
    assert '"d"' not in key_set.read_text()


@pytest.mark.parametrize(("text", "told"), [("[]", "is no key set"), (None, "cannot be read")])
def test_a_file_that_is_no_key_set_is_refused(
    environ: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    text: str | None,
    told: str,
) -> None:
    file = tmp_path / "token-keys"
    if text is not None:
        file.write_text(text)
    main(["new-key", "2027"])
    monkeypatch.setenv("BOUQUET_REGISTRY_SIGNING_KEY", capsys.readouterr().out)
    assert main(["jwks", "--beside", str(file)]) == 2
    assert told in capsys.readouterr().err


def test_migrate_creates_the_tables_and_prints_the_revision(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["migrate"]) == 0
    assert capsys.readouterr().out == f"{REVISION}\n"


def test_events_of_datapass_that_were_set_aside_are_shown_replayed_and_discarded(
    environ: dict[str, str], run: Run
) -> None:
    good, bad = (ReceivedEvent("v1", body, utc_now()) for body in (v1("approve", 1_800_000_000), b"no event"))

    async def set_aside() -> None:
        async with open_store(Secret(environ["BOUQUET_REGISTRY_DATABASE_URL"])) as store:
            for received in (good, bad):
                await inbox.set_aside(store, received, "is dated ahead of the clock")

    asyncio.run(set_aside())
    assert {event["digest"] for event in run("datapass-event", "list")} == {good.digest, bad.digest}
    assert run("datapass-event", "show", good.digest[:8])["body"] == good.body.decode()
    outcomes = {event["digest"]: event["outcome"] for event in run("datapass-event", "replay", "--all")}
    assert outcomes == {good.digest: "obeyed", bad.digest: "refused"}
    assert [own["datapass_id"] for own in run("habilitation", "list")] == ["4242"]
    run("datapass-event", "discard", bad.digest)
    assert run("datapass-event", "list") == []
    assert {"datapass-event show", "datapass-event discard"} <= {act["act"] for act in run("act", "list")}
