"""Tests of the administration commands for editors, their tokens and their delegations."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from joserfc import jws
from joserfc.jwk import OctKey

from bouquet_registry.__main__ import main
from tests.support.editors import EDITOR_SIRET
from tests.support.habilitations import SIRET
from tests.support.registry_commands import with_reason

KEY = "k" * 32
Run: TypeAlias = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("BOUQUET_REGISTRY_DATABASE_URL", f"sqlite:///{tmp_path}/registry.db")
    monkeypatch.setenv("BOUQUET_REGISTRY_SIGNING_KEY", KEY)

    def run(*arguments: str, status: int = 0) -> Any:
        assert main([*with_reason(arguments), "--json"]) == status
        out, err = capsys.readouterr()
        return json.loads(out) if status == 0 else err

    return run


@pytest.fixture
def editor(run: Run) -> Any:
    return run("editor", "create", "--siret", EDITOR_SIRET, "--name", "Arpège", "--delegable")


def test_an_editor_is_created_with_every_field(run: Run) -> None:
    made = run(
        *("editor", "create", "--siret", EDITOR_SIRET, "--name", "Arpège", "--form-uids", "concerto", "--delegable"),
        *("--allowed-ips", "192.0.2.0/24", "--members", "zoe@arpege.example", "--copies-tokens"),
    )
    assert (made["form_uids"], made["allowed_ips"]) == (["concerto"], ["192.0.2.0/24"])
    assert (made["members"], made["delegable"], made["copies_tokens"]) == (["zoe@arpege.example"], True, True)
    assert run("editor", "list") == [made]


def test_an_update_changes_only_the_given_fields_of_an_editor(run: Run, editor: Any) -> None:
    changed = run("editor", "update", editor["id"], "--no-delegable", "--version", "1")
    assert (changed["delegable"], changed["name"], changed["version"]) == (False, "Arpège", 2)
    assert "version 2" in run("editor", "update", editor["id"], "--name", "Other", "--version", "1", status=1)


def test_archiving_an_editor_can_be_undone(run: Run, editor: Any) -> None:
    assert run("editor", "archive", editor["id"])["state"] == "archived"
    assert run("editor", "list") == []
    assert run("editor", "archive", editor["id"], "--undo")["state"] == "active"


def test_the_text_of_an_editor_s_token_has_no_scopes_and_the_claim_editor(run: Run, editor: Any) -> None:
    issued = run("editor-token", "issue", editor["id"], "--label", "Concerto")
    claims = json.loads(jws.deserialize_compact(issued["jwt"], OctKey.import_key(KEY), ["HS256"]).payload)
    assert claims.pop("exp") - claims.pop("iat") > 500 * 86400
    assert claims == {
        **{"uid": issued["id"], "jti": issued["id"]},
        **{"scopes": [], "sub": "Arpège", "editor": True, "version": "1.0"},
    }
    assert run("editor-token", "show", issued["id"], "--reveal")["jwt"] == issued["jwt"]
    assert "jwt" not in run("editor-token", "show", issued["id"])
    assert {act["act"] for act in run("act", "list", "--of", issued["id"])} == {
        "editor-token issue",
        "editor-token reveal",
    }


def test_a_token_is_rotated_prolonged_changed_and_revoked(run: Run, editor: Any) -> None:
    former = run("editor-token", "issue", editor["id"])
    made = run("editor-token", "rotate", former["id"], "--grace-hours", "2")
    assert run("editor-token", "show", former["id"])["blacklisted_at"] == made["former_until"]
    run("editor-token", "prolong", made["id"])
    assert run("editor-token", "update", made["id"], "--allowed-ips", "192.0.2.1")["allowed_ips"] == ["192.0.2.1"]
    assert run("editor-token", "revoke", made["id"], "--reason", "leaked")["blacklist_reason"] == "leaked"
    assert {one["id"] for one in run("editor-token", "list", "--editor", editor["id"])} == {former["id"], made["id"]}
    assert len(run("editor", "show", editor["id"])["tokens"]) == 2


def test_only_tokens_of_editors_in_force_are_listed_as_expiring(run: Run, editor: Any) -> None:
    kept, revoked = [run("editor-token", "issue", editor["id"]) for _ in range(2)]
    run("editor-token", "revoke", revoked["id"], "--reason", "leaked")
    assert run("editor-token", "list", "--expiring-within", "30") == []
    assert [one["id"] for one in run("editor-token", "list", "--expiring-within", "600")] == [kept["id"]]
    run("editor", "archive", editor["id"])
    assert run("editor-token", "list", "--expiring-within", "600") == []


def test_a_delegation_is_created_listed_and_revoked(run: Run, editor: Any) -> None:
    own = run("habilitation", "create", "--siret", SIRET, "--name", "MAIRIE")
    pair = ("--editor", editor["id"], "--habilitation", own["id"])
    made = run("delegation", "create", *pair, "--author", "Anne Durant", "--why", "new software")
    assert run("delegation", "list", "--editor", editor["id"]) == [made]
    assert "already" in run("delegation", "create", *pair, status=1)
    run("delegation", "revoke", made["id"], "--author", "Zoé Martin", "--why", "contract ended", "--version", "1")
    assert run("delegation", "list", "--habilitation", own["id"]) == []
    [told] = run("delegation", "list", "--habilitation", own["id"], "--revoked")
    assert told == run("delegation", "show", made["id"])
    assert (told["created_by"], told["created_why"]) == ("Anne Durant", "new software")
    assert (told["revoked_by"], told["revoked_why"]) == ("Zoé Martin", "contract ended")


def test_an_unknown_id_is_refused(run: Run) -> None:
    for noun, what in (("editor", "editor"), ("editor-token", "token of an editor"), ("delegation", "delegation")):
        assert f"no {what} has this id" in run(noun, "show", "nobody", status=1)
