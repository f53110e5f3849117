"""Tests that a registry follows the promotion of a PostgreSQL standby, and that the journal loses no record."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from bouquet_mesh.outbox.memory import MemoryOutbox
from bouquet_mesh.secret import Secret
from bouquet_mesh.settings import SettingsError
from bouquet_proto.access_record import encode
from bouquet_registry.database_url import database_of
from bouquet_registry.doctor import examine
from bouquet_registry.journal.audit import verify
from bouquet_registry.journal.worker import writing
from bouquet_registry.store import open_store, upgrade
from tests.registry.accesses import access, ids
from tests.support.daemon import free_port
from tests.support.postgres import PostgresServer, PostgresStandby

REPLICATED = ("-c", "wal_level=replica", "-c", "max_wal_senders=4", "-c", "hot_standby=on")
WAITS_FOR_STANDBY = "ALTER SYSTEM SET synchronous_standby_names = '*'"


@pytest.fixture
def servers() -> Iterator[tuple[PostgresServer, PostgresStandby]]:
    with ExitStack() as stack:
        primary = stack.enter_context(PostgresServer(*REPLICATED))
        yield primary, stack.enter_context(PostgresStandby(primary))


def both(database: str, standby: PostgresStandby) -> Secret:
    """Returns the URL `database` with the standby's address added after the primary's."""
    parts = urlsplit(database)
    return Secret(parts._replace(netloc=f"{parts.netloc},127.0.0.1:{standby.port}").geturl())


@pytest.mark.broker
@pytest.mark.parametrize("end", [PostgresServer.kill, PostgresServer.pause])
async def test_a_journal_goes_on_at_the_promoted_standby_and_loses_no_record(
    servers: tuple[PostgresServer, PostgresStandby],
    end: Callable[[PostgresServer], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bouquet_registry.journal.worker.WRITE_TIMEOUT_S", 5.0)
    primary, standby = servers
    database = primary.database()
    await upgrade(Secret(database))
    primary.run(urlsplit(database).path.removeprefix("/"), WAITS_FOR_STANDBY)
    primary.run(urlsplit(database).path.removeprefix("/"), "SELECT pg_reload_conf()")
    outbox = MemoryOutbox()
    async with open_store(both(database, standby)) as store, asyncio.timeout(120):
        async with writing(outbox, store):
            await outbox.send([encode(access(number)) for number in range(5)])
            end(primary)
            sending = asyncio.create_task(outbox.send([encode(access(number)) for number in range(5, 10)]))
            await asyncio.to_thread(standby.promote)
            while not sending.done() or sending.exception():  # the sender keeps what nobody took in time
                await asyncio.wait([sending])
                if sending.exception():
                    sending = asyncio.create_task(outbox.send([encode(access(number)) for number in range(5, 10)]))
        assert sorted(await ids(store)) == sorted(map(str, range(10)))
        assert (await verify(store)).head.number == 10


@pytest.mark.parametrize(
    ("hosts", "fault"),
    [
        ("a.example,", "has an empty host"),
        ("a.example,:5432", "has an empty host"),
        ("a.example,a.example:5432", "names a server twice"),
        ("a.example,b.example/registry?port=5432&x=", "names servers before its path and in its query"),
        ("a.example,b.example/registry?host=c.example&x=", "names servers before its path and in its query"),
        ("a.example:port,b.example", "must be sqlite:///… or postgresql://…"),
    ],
)
def test_a_url_of_several_servers_that_cannot_be_used_is_a_settings_error(hosts: str, fault: str) -> None:
    with pytest.raises(SettingsError, match=f"^BOUQUET_REGISTRY_DATABASE_URL: {fault}$"):
        database_of(Secret(f"postgresql://{hosts}/registry"))


@pytest.mark.broker
async def test_a_proxy_without_its_server_leaves_the_other_servers(postgres_server: PostgresServer) -> None:
    async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    database = postgres_server.database()
    await upgrade(Secret(database))
    proxy = await asyncio.start_server(close, "127.0.0.1", 0)
    port = proxy.sockets[0].getsockname()[1]
    async with proxy, open_store(Secret(database.replace("@", f"@127.0.0.1:{port},"))) as store:
        assert await ids(store) == []


@pytest.mark.parametrize("hosts", ["[::1]:{0},[::1]:{1}", "[::1]:{0},127.0.0.1:{1}", "127.0.0.1:{0},[::1]:{1}"])
async def test_several_servers_may_have_ipv6_addresses(hosts: str) -> None:
    url = Secret(f"postgresql://bouquet:secret@{hosts.format(free_port(), free_port())}/registry?sslmode=disable")
    with pytest.raises(OSError, match="Connect call failed"):  # of the last server: nothing listens
        await upgrade(url)


async def test_the_doctor_waits_for_each_server_of_a_database() -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        servers = f"127.0.0.1:{port},localhost:{port},127.0.0.1:{free_port()}"
        url = f"postgresql://bouquet@{servers}/registry?sslmode=disable"
        findings = await examine({"BOUQUET_REGISTRY_DATABASE_URL": url}, checks_s=20)
    [database] = [finding for finding in findings if finding.subject == "database"]
    assert "ConnectionRefusedError" in database.says  # of the last server
