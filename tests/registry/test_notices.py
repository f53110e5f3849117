"""Tests of notices before a token expires: each is sent once, to the right people, and never late."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from bouquet_mesh.secret import Secret
from bouquet_mesh.settings import SettingsError
from bouquet_registry import queries, transactions
from bouquet_registry.delivery import days_left_in_french, open_channel
from bouquet_registry.notices import (
    CLAIM_DURATION,
    THRESHOLDS,
    Notice,
    reached_threshold,
    send_due_notices,
)
from bouquet_registry.store import Store
from bouquet_registry.webhook_signature import HEADER, is_signed
from bouquet_registry.worker import registry
from tests.support.clock import DatetimeClock
from tests.support.daemon import free_port
from tests.support.habilitations import ADMINISTRATOR, change_habilitation, issue_token, revoke_token
from tests.support.mail_server import mail_server
from tests.support.notices import NoticeRecorder, notice_settings, set_days_left
from tests.support.tls import HOST, CertificateFiles


@pytest.fixture
def recorder() -> NoticeRecorder:
    return NoticeRecorder()


async def test_a_notice_is_sent_once_at_each_threshold(
    store: Store, clock: DatetimeClock, recorder: NoticeRecorder
) -> None:
    made = await issue_token(store, clock)
    set_days_left(made, clock, 100)
    told: dict[int, int] = {}
    for _ in range(2 * 110):  # every twelve hours, until after the end
        await send_due_notices(store, recorder, clock)
        for notice in recorder.given[len(told) :]:
            told[notice.days] = notice.days_left
        clock.advance(hours=12)
    assert recorder.days == list(THRESHOLDS)
    assert told == {days: days for days in THRESHOLDS}
    async with store.reading() as connection:
        assert await queries.notices_of(connection, made) == list(THRESHOLDS)


@pytest.mark.parametrize(
    ("left", "threshold"),
    [
        (timedelta(days=91), None),
        (timedelta(days=90, hours=23), 90),
        (timedelta(days=61), 90),
        (timedelta(days=60), 60),
        (timedelta(days=8), 14),
        (timedelta(days=1), 7),
        (timedelta(hours=23), 0),
        (timedelta(0), 0),
        (timedelta(seconds=-1), None),
    ],
)
def test_the_nearest_reached_threshold_makes_the_notice_due(left: timedelta, threshold: int | None) -> None:
    assert reached_threshold(left) == threshold


async def test_after_a_long_downtime_only_the_nearest_threshold_is_notified(
    store: Store, clock: DatetimeClock, recorder: NoticeRecorder
) -> None:
    set_days_left(await issue_token(store, clock), clock, 13)
    await send_due_notices(store, recorder, clock)
    assert [(notice.days, notice.days_left) for notice in recorder.given] == [(14, 13)]


async def test_no_notice_is_sent_after_the_expiry(store: Store, clock: DatetimeClock, recorder: NoticeRecorder) -> None:
    set_days_left(await issue_token(store, clock), clock, -0.1)
    await send_due_notices(store, recorder, clock)
    assert recorder.given == []


async def test_no_notice_is_sent_for_a_revoked_token_or_archived_habilitation(
    store: Store, clock: DatetimeClock, recorder: NoticeRecorder
) -> None:
    banned, archived = await issue_token(store, clock), await issue_token(store, clock)
    await revoke_token(store, banned, clock)
    await change_habilitation(store, archived, clock, state="archived")
    set_days_left(banned, clock, 30)
    await send_due_notices(store, recorder, clock)
    assert recorder.given == []


async def test_a_created_notice_is_not_sent_once_its_token_is_revoked(
    store: Store, clock: DatetimeClock, recorder: NoticeRecorder
) -> None:
    made = await issue_token(store, clock)
    set_days_left(made, clock, 30)
    recorder.broken = True
    await send_due_notices(store, recorder, clock)
    await revoke_token(store, made, clock)
    recorder.broken = False
    clock.now += CLAIM_DURATION
    await send_due_notices(store, recorder, clock)
    assert recorder.given == []


async def test_a_prolonged_token_gets_its_notices_again(
    store: Store, clock: DatetimeClock, recorder: NoticeRecorder
) -> None:
    made = await issue_token(store, clock)
    set_days_left(made, clock, 30)
    await send_due_notices(store, recorder, clock)
    async with transactions.begin(store, ADMINISTRATOR, clock) as transaction:
        made = await transaction.prolong(await queries.token(transaction.connection, made.id))
    async with store.reading() as connection:
        assert await queries.notices_of(connection, made) == []
    await send_due_notices(store, recorder, clock)
    set_days_left(made, clock, 30)
    await send_due_notices(store, recorder, clock)
    assert recorder.days == [30, 30]


async def test_an_undelivered_notice_is_sent_later_and_once(
    store: Store, clock: DatetimeClock, recorder: NoticeRecorder
) -> None:
    set_days_left(await issue_token(store, clock), clock, 30)
    recorder.broken = True
    for _ in range(3):
        await send_due_notices(store, recorder, clock)
        clock.now += CLAIM_DURATION
    recorder.broken = False
    for _ in range(3):
        await send_due_notices(store, recorder, clock)
        clock.now += CLAIM_DURATION
    assert recorder.days == [30]


async def test_an_undelivered_notice_is_replaced_by_that_of_the_next_threshold(
    store: Store, clock: DatetimeClock, recorder: NoticeRecorder
) -> None:
    made = await issue_token(store, clock)
    set_days_left(made, clock, 14)
    recorder.broken = True
    await send_due_notices(store, recorder, clock)
    recorder.broken = False
    set_days_left(made, clock, 7)
    await send_due_notices(store, recorder, clock)
    assert recorder.days == [7]


async def test_a_failing_notice_does_not_delay_the_others(store: Store, clock: DatetimeClock) -> None:
    class RefusingBox(NoticeRecorder):
        async def deliver(self, notice: Notice) -> None:
            self.broken = notice.token.id == bad.id
            await super().deliver(notice)

    bad, *good = [await issue_token(store, clock) for _ in range(5)]
    set_days_left(bad, clock, 30)
    recorder = RefusingBox()
    await send_due_notices(store, recorder, clock)
    assert {notice.token.id for notice in recorder.given} == {one.id for one in good}


async def test_several_processes_send_each_notice_once(
    store: Store, clock: DatetimeClock, recorder: NoticeRecorder
) -> None:
    tokens = [await issue_token(store, clock) for _ in range(10)]
    set_days_left(tokens[0], clock, 30)
    await asyncio.gather(*(send_due_notices(store, recorder, clock) for _ in range(4)))
    assert sorted(notice.token.id for notice in recorder.given) == sorted(one.id for one in tokens)


async def test_a_notice_of_a_crashed_process_is_sent_again_under_its_id(store: Store, clock: DatetimeClock) -> None:
    class CrashingBox(NoticeRecorder):
        async def deliver(self, notice: Notice) -> None:
            await super().deliver(notice)
            raise KeyError

    set_days_left(await issue_token(store, clock), clock, 30)
    crashing, recorder = CrashingBox(), NoticeRecorder()
    with pytest.raises(KeyError):
        await send_due_notices(store, crashing, clock)
    await send_due_notices(store, recorder, clock)
    assert recorder.given == []  # it is the other's still
    clock.now += CLAIM_DURATION
    await send_due_notices(store, recorder, clock)
    assert [notice.id for notice in recorder.given] == [notice.id for notice in crashing.given]


async def tried(store: Store, clock: DatetimeClock, url: str, **fields: Any) -> None:
    """Issues a token that expires in 30 days, and sends the notice about its expiry through the mail server at
    `url`."""
    set_days_left(await issue_token(store, clock), clock, 30)
    async with open_channel(notice_settings(url, **fields)) as channel:
        assert channel
        await send_due_notices(store, channel, clock)


async def test_a_notice_is_mailed_to_every_contact(store: Store, clock: DatetimeClock, own: CertificateFiles) -> None:
    made = await issue_token(store, clock, datapass_id="4242")
    set_days_left(made, clock, 30)
    async with (
        mail_server(own) as (inbox, url),
        open_channel(notice_settings(url, notices_from="a@bouquet.example")) as channel,
    ):
        assert channel
        await send_due_notices(store, channel, clock)
    [(recipients, mail)] = inbox.mails
    assert recipients == ["anne@mairie.example", "si@mairie.example"]
    assert mail["Subject"] == "Votre jeton API Particulier expire dans 30 jours"
    assert mail["Message-ID"] == f"<{made.id}.20271015.30@bouquet.example>"
    text = mail.get_content()
    assert "Cantine" in text
    assert "DataPass n° 4242" in text
    assert "le 15/10/2027" in text


@pytest.mark.parametrize(
    ("portal", "said"),
    [
        (
            "https://portail.example/",
            "Comment le prolonger de 18 mois : https://portail.example/compte",
        ),
        ("", "Pour le prolonger de 18 mois, adressez-vous à l'administration qui l'a délivré."),
    ],
)
async def test_a_mail_names_the_portal_of_the_settings_and_no_other_site(
    portal: str, said: str, store: Store, clock: DatetimeClock, own: CertificateFiles
) -> None:
    async with mail_server(own) as (inbox, url):
        await tried(store, clock, url, portal_url=portal)
    text = inbox.mails[0][1].get_content()
    assert said in text.splitlines()
    assert text.count("http") == text.count("https://portail.example/compte")


@pytest.mark.parametrize(
    "url", ["http://portail.example", "portail.example", "https://", "https://portail.example/?a=b"]
)
def test_an_unsafe_address_of_the_portal_is_a_settings_error(url: str) -> None:
    with pytest.raises(SettingsError, match="BOUQUET_REGISTRY_PORTAL_URL: must be https://"):
        registry.settings({"BOUQUET_REGISTRY_PORTAL_URL": url})


async def test_a_mail_is_sent_over_smtps(store: Store, clock: DatetimeClock, own: CertificateFiles) -> None:
    async with mail_server(own, from_the_start=True) as (inbox, url):
        await tried(store, clock, url)
    assert len(inbox.mails) == 1


@pytest.mark.parametrize("user", ["", "town:swordfish@"])
async def test_a_server_that_offers_no_starttls_gets_neither_mail_nor_password(
    user: str, store: Store, clock: DatetimeClock, caplog: pytest.LogCaptureFixture
) -> None:
    # An attacker between registry and mail server could make any server seem to have no STARTTLS.
    async with mail_server() as (inbox, url):
        await tried(store, clock, url.replace("://", f"://{user}"))
    assert (inbox.mails, inbox.secrets) == ([], [])
    assert "notice not delivered" in caplog.messages


@pytest.mark.parametrize("from_the_start", [True, False])
@pytest.mark.parametrize("wrong", ["authority", "host"])
async def test_a_server_that_is_not_verified_gets_neither_mail_nor_password(
    wrong: str, from_the_start: bool, store: Store, clock: DatetimeClock, own: CertificateFiles, other: CertificateFiles
) -> None:
    async with mail_server(own, from_the_start=from_the_start) as (inbox, url):
        false = (
            url.replace(HOST, "127.0.0.1") if wrong == "host" else url.replace(own.ca.parent.name, other.ca.parent.name)
        )
        url = false.replace("://", "://town:swordfish@")
        await tried(store, clock, url)
    assert (inbox.mails, inbox.secrets) == ([], [])


async def test_a_mail_may_be_sent_unencrypted_if_the_settings_allow_it(store: Store, clock: DatetimeClock) -> None:
    async with mail_server() as (inbox, url):
        await tried(store, clock, url, notices_plain=True)
    assert len(inbox.mails) == 1


@pytest.mark.parametrize(("url", "is_told"), [("http://hooks.example/", True), ("http://127.0.0.1/", False)])
async def test_an_unencrypted_destination_of_notices_is_logged_as_a_warning(
    url: str, is_told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_channel(notice_settings(url, notices_plain=True)):
        pass
    assert ("connection is not encrypted" in caplog.messages) == is_told


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("smtp://town:swordfish@mail.example", "true"),
        ("http://town:swordfish@hooks.example/", "true"),
        ("http://:swordfish@hooks.example/", "true"),
        ("http://hooks.example/", "false"),
        ("smtp://mail.example?cafile=/nowhere", "false"),
        ("smtp://mail.example?verify=false", "false"),
    ],
)
def test_an_unsafe_destination_of_notices_is_a_settings_error(url: str, plain: str) -> None:
    with pytest.raises(SettingsError, match="BOUQUET_REGISTRY_NOTICES_TO") as refused:
        registry.settings({"BOUQUET_REGISTRY_NOTICES_TO": url, "BOUQUET_REGISTRY_NOTICES_PLAIN": plain})
    assert "swordfish" not in str(refused.value)


async def test_an_unavailable_mail_server_is_logged_and_retried(
    store: Store, clock: DatetimeClock, caplog: pytest.LogCaptureFixture
) -> None:
    made = await issue_token(store, clock)
    set_days_left(made, clock, 30)
    async with open_channel(notice_settings(f"smtp://127.0.0.1:{free_port()}")) as channel:
        assert channel
        await send_due_notices(store, channel, clock)
    assert [record.message for record in caplog.records if record.name.startswith("bouquet")] == [
        "notice not delivered"
    ]
    assert "anne@" not in caplog.text


async def test_a_notice_without_contacts_is_logged(
    store: Store, clock: DatetimeClock, caplog: pytest.LogCaptureFixture
) -> None:
    made = await issue_token(store, clock, contacts=())
    set_days_left(made, clock, 30)
    async with mail_server() as (inbox, url), open_channel(notice_settings(url)) as channel:
        assert channel
        for _ in range(3):
            await send_due_notices(store, channel, clock)
            clock.now += CLAIM_DURATION
    assert inbox.mails == []
    assert [record.message for record in caplog.records if record.name.startswith("bouquet")] == [
        "notice without recipient"
    ]


async def test_a_webhook_notice_is_signed_and_has_its_id(store: Store, clock: DatetimeClock) -> None:
    heard: list[tuple[bytes, dict[str, str]]] = []

    async def hear(request: web.Request) -> web.Response:
        heard.append((await request.read(), dict(request.headers)))
        return web.Response(status=503 if len(heard) == 1 else 200)

    app = web.Application()
    app.add_routes([web.post("/notices", hear)])
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    secret = Secret("s" * 32)
    set_days_left(await issue_token(store, clock), clock, 7.5)
    try:
        async with open_channel(
            notice_settings(f"http://127.0.0.1:{port}/notices", notices_secret=secret, notices_plain=True)
        ) as channel:
            assert channel
            for _ in range(3):
                await send_due_notices(store, channel, clock)
                clock.now += CLAIM_DURATION
    finally:
        await runner.cleanup()
    (first, _), (body, headers) = heard
    assert first == body
    assert is_signed(secret, body, headers[HEADER])
    told = json.loads(body)
    assert (told["event"], told["days"], headers["Idempotency-Key"]) == ("token_expiry", 7, told["id"])
    assert told["habilitation"]["contacts"][0]["email"] == "anne@mairie.example"
    assert "jwt" not in body.decode()


async def test_without_a_destination_no_notice_is_sent_and_a_warning_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    async with open_channel(notice_settings("")) as channel:
        assert channel is None
    assert len(caplog.records) == 1


@pytest.mark.parametrize("url", ["mailto:x@example.org", "smtp:", "https:", "http://[x"])
def test_an_unsupported_destination_of_notices_is_a_settings_error(url: str) -> None:
    with pytest.raises(SettingsError, match="BOUQUET_REGISTRY_NOTICES_TO"):
        registry.settings({"BOUQUET_REGISTRY_NOTICES_TO": url})


def test_days_left_are_written_as_french_words() -> None:
    assert [days_left_in_french(days) for days in (30, 1, 0)] == ["dans 30 jours", "demain", "aujourd'hui"]
