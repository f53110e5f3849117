"""Tests that each change that an administrator makes in the registry is recorded as an administrative act."""

from __future__ import annotations

import getpass

import pytest

from bouquet_registry import transactions
from bouquet_registry.__main__ import main
from bouquet_registry.acts import Author
from bouquet_registry.refusals import InvalidFields
from bouquet_registry.store import Store
from tests.support.administrative_acts import recorded_acts
from tests.support.clock import DatetimeClock
from tests.support.habilitations import ADMINISTRATOR, SIRET
from tests.support.registry_commands import Run


async def test_each_change_is_an_act_with_author_time_target_and_reason(store: Store, clock: DatetimeClock) -> None:
    async with transactions.begin(store, ADMINISTRATOR, clock) as transaction:
        own = await transaction.create(siret=SIRET)
    clock.advance(minutes=1)
    async with transactions.begin(store, Author("Bob", "annual review"), clock) as transaction:
        await transaction.change(own, purpose="Cantine")
    [made, changed] = await recorded_acts(store, own.id)
    assert (made.author, made.act, made.reason) == ("Anne Durant", "habilitation create", "asked by the holder")
    assert (changed.author, changed.act, changed.reason) == ("Bob", "habilitation change", "annual review")
    assert changed.at == clock.now


async def test_acts_of_the_same_second_are_listed_in_the_order_of_their_recording(
    store: Store, clock: DatetimeClock
) -> None:
    for number in range(6):
        async with transactions.begin(store, Author("Anne Durant", str(number)), clock) as transaction:
            await transaction.create(siret=SIRET)
    assert [act.reason for act in await recorded_acts(store)] == [str(number) for number in range(6)]


async def test_a_change_that_fails_records_no_act(store: Store) -> None:
    with pytest.raises(InvalidFields):
        async with transactions.begin(store, ADMINISTRATOR) as transaction:
            await transaction.create(siret="123")
    assert await recorded_acts(store) == []


def test_every_command_that_changes_or_reads_something_sensitive_is_an_act(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    by = ("--author", "Anne", "--why", "ticket 12")
    monkeypatch.setenv("BOUQUET_REGISTRY_JOURNAL_KEYS", "2026:secret")
    habilitation = run("habilitation", "create", "--siret", SIRET, *by)["id"]
    token = run("token", "issue", habilitation, *by)["id"]
    run("token", "show", token, *by)
    run("token", "show", token, "--reveal", *by)
    run("token", "prolong", token, *by)
    run("token", "revoke", token, "--reason", "leaked", *by)
    run("habilitation", "archive", habilitation, *by)
    run("habilitation", "archive", habilitation, "--undo", *by)
    run("journal", "who-read", "--ine", "050617293HK", *by)
    run("journal", "stats", *by)
    run("journal", "prune", "--before", "2020-01-01T00:00+01:00", *by)
    listed = run("act", "list")
    assert {(act["author"], act["reason"]) for act in listed} == {("Anne", "ticket 12")}
    assert sorted((act["act"], act["target"]) for act in listed) == sorted(
        [
            ("habilitation create", habilitation),
            ("token issue", token),
            ("token reveal", token),
            ("token prolong", token),
            ("token revoke", token),
            ("habilitation archived", habilitation),
            ("habilitation active", habilitation),
            ("journal who-read", ""),
            ("journal stats", ""),
            ("journal prune", ""),
        ]
    )
    assert "050617293HK" not in str(listed)


def test_an_act_without_a_named_author_is_the_system_users(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "ygoberte")
    run("habilitation", "create", "--siret", SIRET)
    [act] = run("act", "list")
    assert act["author"] == "ygoberte"


def test_a_command_of_a_user_without_a_name_is_refused(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nameless() -> str:
        raise KeyError("uid not found: 10001")

    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setattr(getpass, "getuser", nameless)
    assert main(["habilitation", "create", "--siret", SIRET, "--why", "ticket 12"]) != 0
    assert "--author: is required" in capsys.readouterr().err
    assert run("habilitation", "list") == []


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ((), "--why: is required"),
        (("--why", " \x1b"), "--why: is required"),
        (("--why", "ticket 12", "--author", " "), "--author: is required"),
    ],
)
def test_a_command_without_an_author_or_a_reason_is_refused(
    given: tuple[str, ...], told: str, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["habilitation", "create", "--siret", SIRET, *given]) == 2
    assert told in capsys.readouterr().err
    assert run("act", "list") == []


def test_the_reason_of_a_revocation_is_that_of_its_act(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    token = run("token", "issue", run("habilitation", "create", "--siret", SIRET)["id"])["id"]
    assert main(["token", "revoke", token, "--reason", "leaked"]) == 0
    capsys.readouterr()
    assert [act["reason"] for act in run("act", "list", "--of", token) if act["act"] == "token revoke"] == ["leaked"]


async def test_datapass_is_the_author_of_the_acts_of_its_events(store: Store) -> None:
    async with transactions.begin(store, Author("DataPass", "approve")) as transaction:
        made = await transaction.create(siret=SIRET)
        await transaction.issue(made)
    assert [(act.author, act.act) for act in await recorded_acts(store)].count(("DataPass", "token issue")) == 1
