"""Tests that a wrong mail address, which an applicant may have typed, keeps no notice from anybody else."""

from __future__ import annotations

from email.headerregistry import Address
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from bouquet_registry import schema, transactions
from bouquet_registry.delivery import open_channel
from bouquet_registry.editors import changes, queries
from bouquet_registry.habilitations import EMAIL
from bouquet_registry.notices import send_due_notices
from bouquet_registry.store import Store
from tests.support.clock import DatetimeClock
from tests.support.editors import create_editor
from tests.support.habilitations import ADMINISTRATOR, change_habilitation, issue_token, read_token
from tests.support.mail_server import mail_server
from tests.support.notices import notice_settings, set_days_left
from tests.support.tls import CertificateFiles

WRONG = (
    '"@x.example',
    'a"b@x.example',
    "a@x..example",
    "undisclosed:@x.example",
    "a:b@x.example",
    "a(b@x.example",
    "a;b@x.example",
    "a\\@x.example",
    "=?utf-8?q?a?=@x.example",
    "é@mairie.example",
    "a@mairie\u202e.example",
    "a\u200b@mairie.example",
    ".a@x.example",
    "a@-x.example",
    "a@b@c.example",
    "@x.example",
    "a@",
    f"{'a' * 65}@x.example",
    f"a@{'b' * 64}.example",
    f"a@{'.'.join(['b' * 60] * 5)}",
    "a@x.example\n",
)


@pytest.mark.parametrize("address", WRONG)
def test_an_address_that_not_every_mail_server_accepts_is_refused(address: str) -> None:
    assert EMAIL.fullmatch(address) is None


@pytest.mark.parametrize("address", ["anne.durant+cantine@ville-de-paris.fr", "a@b", "o'neil@mairie.example", "1@x.fr"])
def test_an_address_of_an_administration_is_accepted(address: str) -> None:
    assert EMAIL.fullmatch(address)


ADDRESSES = st.builds(
    "{}@{}".format,
    st.text("abcXYZ019!#$%&'*+/=?^_`{|}~-.", min_size=1, max_size=12),
    st.text("abZ09-.", min_size=1, max_size=12),
).filter(EMAIL.fullmatch)


@given(st.lists(ADDRESSES, min_size=1, max_size=4, unique=True))
def test_accepted_addresses_are_read_back_from_the_header_of_a_mail(addresses: list[str]) -> None:
    message = EmailMessage()
    message["To"] = ", ".join(addresses)
    read: tuple[Address, ...] = message["To"].addresses
    assert [address.addr_spec for address in read] == addresses


@pytest.mark.parametrize("address", WRONG[:11])
async def test_a_wrong_address_of_a_former_version_keeps_no_notice_from_the_others(
    address: str, store: Store, clock: DatetimeClock, own: CertificateFiles, caplog: pytest.LogCaptureFixture
) -> None:
    made = await issue_token(store, clock)
    contacts = [{"kind": "demandeur", "email": address}, {"kind": "contact_technique", "email": "si@mairie.example"}]
    async with store.writing() as connection:
        await connection.execute(update(schema.habilitations).values(contacts=contacts))
    set_days_left(made, clock, 30)
    async with mail_server(own) as (inbox, url), open_channel(notice_settings(url)) as channel:
        assert channel
        await send_due_notices(store, channel, clock)
    assert [recipients for recipients, _ in inbox.mails] == [["si@mairie.example"]]
    assert [record.__dict__["count"] for record in caplog.records if record.message == "notice recipients refused"] == [
        1
    ]
    assert address not in caplog.text


async def test_a_mail_that_cannot_be_written_is_logged_and_delays_no_other(
    store: Store, clock: DatetimeClock, own: CertificateFiles, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = await issue_token(store, clock), await issue_token(store, clock)
    set_days_left(first, clock, 30)
    async with mail_server(own) as (inbox, url):
        # A header may hold no line break.
        async with open_channel(notice_settings(url, notices_from="a@\n")) as channel:
            assert channel
            await send_due_notices(store, channel, clock)
        assert caplog.messages.count("notice not delivered") == 2
        clock.advance(minutes=11)
        async with open_channel(notice_settings(url)) as channel:
            assert channel
            await send_due_notices(store, channel, clock)
    assert len(inbox.mails) == 2
    assert {first.id, second.id} == {mail["Message-ID"][1:37] for _, mail in inbox.mails}


async def test_a_habilitation_with_a_wrong_address_of_a_former_version_can_be_closed(
    store: Store, clock: DatetimeClock
) -> None:
    made = await issue_token(store, clock)
    async with store.writing() as connection:
        contacts = [{"kind": "demandeur", "email": '"@x.example'}]
        await connection.execute(update(schema.habilitations).values(contacts=contacts))
    closed = await change_habilitation(store, await read_token(store, made.id), clock, state="archived")
    assert closed.state == "archived"


async def test_an_editor_with_a_wrong_address_of_a_former_version_can_be_closed(store: Store) -> None:
    editor = await create_editor(store)
    async with store.writing() as connection:
        await connection.execute(update(schema.editors).values(members=['"@x.example'], form_uids=["a\x1b"]))
    async with transactions.begin(store, ADMINISTRATOR) as transaction:
        found = await queries.editor(transaction.connection, editor.id)
        assert (await changes.change_editor(transaction, found, state="archived")).state == "archived"
