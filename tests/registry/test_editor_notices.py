"""Tests of notices before an editor's token expires: the editor's members get each of them once."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from bouquet_registry import transactions
from bouquet_registry.delivery import open_channel
from bouquet_registry.editors import changes, queries
from bouquet_registry.editors.records import EditorToken
from bouquet_registry.notices import CLAIM_DURATION, THRESHOLDS, DeliveryError, Notice, send_due_notices
from bouquet_registry.store import Store
from tests.registry.api_client import api_client, read_pages
from tests.support.clock import DatetimeClock
from tests.support.daemon import free_port
from tests.support.editors import EDITOR_SIRET, create_editor, issue_editor_token
from tests.support.habilitations import ADMINISTRATOR, issue_token
from tests.support.mail_server import mail_server
from tests.support.notices import NoticeRecorder, notice_settings
from tests.support.tls import CertificateFiles

MEMBERS = ("zoe@arpege.example", "ali@arpege.example")


@pytest.fixture
def recorder() -> NoticeRecorder:
    return NoticeRecorder()


async def issued(store: Store, clock: DatetimeClock, days_left: float, **fields: Any) -> EditorToken:
    """Issues a token of a new editor, and moves the clock to `days_left` days before the token's expiry."""
    editor = await create_editor(store, clock, **{"members": MEMBERS} | fields)
    token = await issue_editor_token(store, editor, clock, label="Concerto")
    clock.now = token.expires_at - timedelta(days=days_left)
    return token


async def test_an_editor_is_notified_once_at_each_threshold(
    store: Store, clock: DatetimeClock, recorder: NoticeRecorder
) -> None:
    token = await issued(store, clock, 100)
    for _ in range(110):  # every day, until after the end
        await send_due_notices(store, recorder, clock)
        clock.advance(days=1)
    assert [(notice.days, notice.days_left) for notice in recorder.given] == [(days, days) for days in THRESHOLDS]
    assert {notice.recipients for notice in recorder.given} == {tuple(sorted(MEMBERS))}
    async with store.reading() as connection:
        assert await queries.notices_of(connection, token) == list(THRESHOLDS)


async def test_an_editor_is_not_notified_of_a_token_that_is_refused(
    store: Store, clock: DatetimeClock, recorder: NoticeRecorder
) -> None:
    other = await issue_editor_token(store, await create_editor(store, clock, members=MEMBERS), clock)
    revoked = await issued(store, clock, 30)
    async with transactions.begin(store, ADMINISTRATOR, clock) as transaction:
        await changes.revoke_token(transaction, revoked, "leaked")
        await changes.change_editor(
            transaction, await queries.editor(transaction.connection, other.editor), state="archived"
        )
    await send_due_notices(store, recorder, clock)
    assert recorder.given == []


async def test_a_prolonged_token_of_an_editor_gets_its_notices_again(
    store: Store, clock: DatetimeClock, recorder: NoticeRecorder
) -> None:
    token = await issued(store, clock, 30)
    await send_due_notices(store, recorder, clock)
    async with transactions.begin(store, ADMINISTRATOR, clock) as transaction:
        token = await changes.prolong_token(transaction, token)
    await send_due_notices(store, recorder, clock)
    clock.now = token.expires_at - timedelta(days=30)
    await send_due_notices(store, recorder, clock)
    assert recorder.days == [30, 30]


async def test_an_undelivered_notice_to_an_editor_is_sent_later_and_once(
    store: Store, clock: DatetimeClock, recorder: NoticeRecorder
) -> None:
    await issued(store, clock, 30)
    recorder.broken = True
    for _ in range(3):
        await send_due_notices(store, recorder, clock)
        clock.now += CLAIM_DURATION
    recorder.broken = False
    for _ in range(3):
        await send_due_notices(store, recorder, clock)
        clock.now += CLAIM_DURATION
    assert recorder.days == [30]


async def test_several_processes_send_each_notice_to_an_editor_once(
    store: Store, clock: DatetimeClock, recorder: NoticeRecorder
) -> None:
    editor = await create_editor(store, clock, members=MEMBERS)
    tokens = [await issue_editor_token(store, editor, clock) for _ in range(10)]
    clock.now = tokens[0].expires_at - timedelta(days=30)
    await asyncio.gather(*(send_due_notices(store, recorder, clock) for _ in range(4)))
    assert sorted(notice.token.id for notice in recorder.given) == sorted(one.id for one in tokens)


async def test_an_undelivered_notice_to_an_editor_does_not_delay_those_to_habilitations(
    store: Store, clock: DatetimeClock
) -> None:
    class RefusingBox(NoticeRecorder):
        async def deliver(self, notice: Notice) -> None:
            if isinstance(notice.token, EditorToken):
                raise DeliveryError("broken")
            await super().deliver(notice)

    token = await issue_token(store, clock)
    await issued(store, clock, 30)
    recorder = RefusingBox()
    await send_due_notices(store, recorder, clock)
    assert [notice.token.id for notice in recorder.given] == [token.id]


async def test_a_mail_to_an_editor_names_the_editor_the_token_and_the_expiry(
    store: Store, clock: DatetimeClock, own: CertificateFiles
) -> None:
    token = await issued(store, clock, 30)
    async with (
        mail_server(own) as (inbox, url),
        open_channel(notice_settings(url, notices_from="a@bouquet.example")) as channel,
    ):
        assert channel
        await send_due_notices(store, channel, clock)
    [(recipients, mail)] = inbox.mails
    assert recipients == sorted(MEMBERS)
    assert mail["Subject"] == "Votre jeton API Particulier expire dans 30 jours"
    assert mail["Message-ID"] == f"<{token.id}.20271015.30@bouquet.example>"
    text = mail.get_content()
    assert f"Le jeton d'éditeur « Concerto » de Arpège ({EDITOR_SIRET})" in text
    assert "le 15/10/2027" in text


async def test_a_notice_to_an_editor_without_members_is_logged_without_personal_data(
    store: Store, clock: DatetimeClock, caplog: pytest.LogCaptureFixture
) -> None:
    await issued(store, clock, 30, members=())
    async with mail_server() as (inbox, url), open_channel(notice_settings(url)) as channel:
        assert channel
        await send_due_notices(store, channel, clock)
    assert inbox.mails == []
    assert [record.message for record in caplog.records if record.name.startswith("bouquet")] == [
        "notice without recipient"
    ]
    assert "Arpège" not in caplog.text


async def test_a_webhook_tells_the_tokens_of_editors_from_those_of_habilitations(
    store: Store, clock: DatetimeClock
) -> None:
    received: list[dict[str, Any]] = []

    async def receive(request: web.Request) -> web.Response:
        received.append(json.loads(await request.read()))
        return web.Response()

    app = web.Application()
    app.add_routes([web.post("/notices", receive)])
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await issue_token(store, clock)
    token = await issued(store, clock, 30)
    try:
        async with open_channel(notice_settings(f"http://127.0.0.1:{port}/notices", notices_plain=True)) as channel:
            assert channel
            await send_due_notices(store, channel, clock)
    finally:
        await runner.cleanup()
    of_habilitation, of_editor = received
    assert (of_habilitation["event"], "editor" in of_habilitation) == ("token_expiry", False)
    assert (of_editor["event"], "habilitation" in of_editor) == ("editor_token_expiry", False)
    assert (of_editor["token"]["id"], of_editor["editor"]["members"]) == (token.id, list(MEMBERS))


async def test_notices_to_editors_are_listed_with_the_time_of_their_sending(
    store: Store, clock: DatetimeClock, recorder: NoticeRecorder
) -> None:
    await issue_editor_token(store, await create_editor(store, clock, members=MEMBERS), clock)
    token = await issued(store, clock, 14)
    await send_due_notices(store, recorder, clock)
    async with api_client(store, clock) as api:
        [notice] = await read_pages(api, "/editor-notices", token=token.id, is_sent="true")
        assert (notice["days"], notice["editor"]) == (14, token.editor)
        assert await read_pages(api, "/editor-notices", editor=token.editor) == [notice]
        assert len(await read_pages(api, "/editor-notices")) == 2
        assert await read_pages(api, "/editor-notices", is_sent="false") == []
