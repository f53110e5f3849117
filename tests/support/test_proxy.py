"""Tests of the TCP proxy with which other tests hold connections."""

from __future__ import annotations

import asyncio

from yarl import URL

from tests.support.proxy import TcpProxy
from tests.support.waiting import until


async def test_a_client_that_closes_a_held_connection_is_no_longer_counted() -> None:
    """Holds data in both directions when the client leaves."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"greeting")
        greeted.set()
        await reader.read()
        writer.close()

    greeted = asyncio.Event()
    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        proxy = TcpProxy(f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        async with proxy:
            await proxy.open()
            proxy.hold()
            _, client = await asyncio.open_connection("127.0.0.1", URL(proxy.url).port)
            client.write(b"question")
            await greeted.wait()
            assert proxy.connections == 1
            client.close()
            await until(lambda: not proxy.connections)


async def test_data_sent_while_a_connection_is_held_arrives_in_order_when_it_is_resumed() -> None:
    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set_result(await reader.readexactly(6))
        writer.close()

    arrived: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    async with await asyncio.start_server(read, "127.0.0.1", 0) as server:
        proxy = TcpProxy(f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        async with proxy:
            await proxy.open()
            proxy.hold()
            _, client = await asyncio.open_connection("127.0.0.1", URL(proxy.url).port)
            for piece in (b"ab", b"cd", b"ef"):
                client.write(piece)
                await asyncio.sleep(0.03)
            proxy.resume()
            assert await arrived == b"abcdef"
            client.close()
