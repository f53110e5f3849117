"""Tests of several gateway processes on one port, with separate health and metrics for each."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from aiohttp import ClientConnectionError
from prometheus_client.parser import text_string_to_metric_families

from bouquet_mesh.outbox.open import open_outbox
from bouquet_proto import access_record
from tests.support.daemon import ports_in_a_row
from tests.support.gateway import HOST
from tests.support.gateway_client import TOKEN_KEY, Answer, GatewayClient, unique_token
from tests.support.mesh_with_journal import KEY, journal_settings, spooled_records
from tests.support.outbox_collector import collecting
from tests.support.people import staged_query
from tests.support.processes import Process, ProcessMesh, process_mesh, running_command
from tests.support.proxy import TcpProxy
from tests.support.waiting import until

pytestmark = pytest.mark.broker

COUNT = 3
CALLS = 60
"""Number of calls, each on its own connection: enough for each process to get at least one."""
# The chance that one of three processes gets none is 1 in 10^10.
LONG_S = 200.0
HELD = 30
INTROSPECT = "/api/introspect"


class Processes(GatewayClient):
    """HTTP client of several gateway processes that share one port. `parent` is the process that starts and restarts
    them."""

    def __init__(self, parent: Process, common: GatewayClient, port: int) -> None:
        super().__init__(common.session, common.url)
        self.parent = parent
        self._port = port

    async def call(self) -> Answer:
        """Calls `/api/introspect` on a new connection, which any of the processes may accept."""
        return await self.get(INTROSPECT, token=unique_token(), headers={"Connection": "close"})

    async def ask_about(self, year: int) -> Answer:
        born = staged_query("CAF-FOUND", anneeDateNaissance=year, jourDateNaissance=28)
        return await self.get(params=born, token=unique_token(), headers={"Connection": "close"})

    async def own(self, number: int, path: str) -> Answer:
        return await GatewayClient(self.session, f"http://{HOST}:{self._port + number}").get(path, token="")

    async def answered(self, number: int) -> float:
        text = (await self.own(number, "/metrics")).body.decode()
        families = {family.name: family for family in text_string_to_metric_families(text)}
        return sum(sample.value for sample in families["bouquet_gateway_requests"].samples if "_total" in sample.name)

    def pids(self) -> dict[int, int]:
        """Returns the current process id of each gateway process, by the number of the process."""
        return {line["number"]: line["pid"] for line in self.parent.logged("gateway process started")}

    async def all_ready(self) -> None:
        async with asyncio.timeout(LONG_S):
            for number in range(1, COUNT + 1):
                while (await self.own(number, "/readyz")).status != 200:  # noqa: ASYNC110 - other processes
                    await asyncio.sleep(0.05)

    async def all_started(self, times: int = COUNT) -> None:
        await self.parent.until_logged("gateway started", times=times, within_s=LONG_S)


async def family(system: ProcessMesh, **more: str | float) -> Processes:
    port = ports_in_a_row(COUNT + 1)
    parent, common = await system.gateway(processes=COUNT, port=port, **more)
    made = Processes(parent, common, port)
    await made.all_started()
    return made


@pytest.fixture
async def system(broker_url: str) -> AsyncIterator[ProcessMesh]:
    async with process_mesh(broker_url) as made:
        yield made


async def test_processes_answer_on_one_port_and_show_metrics_on_their_own(system: ProcessMesh) -> None:
    await asyncio.gather(system.worker("cnaf"), system.worker("msa"))
    gateways = await family(system)
    await gateways.all_ready()
    answers = await asyncio.gather(*(gateways.call() for _ in range(CALLS)))
    assert [answer.status for answer in answers] == [200] * CALLS
    counts = [await gateways.answered(number) for number in range(1, COUNT + 1)]
    assert sum(counts) == CALLS
    assert min(counts) > 0
    for number in range(1, COUNT + 1):
        assert (await gateways.own(number, "/readyz")).status == 200
        assert (await gateways.own(number, INTROSPECT)).status == 404
    elsewhere = await gateways.get("/metrics", token="")
    assert (elsewhere.status, "at ports" in elsewhere.body.decode()) == (404, True)
    connected = {line["connection"] for line in gateways.parent.logged("broker connected")}
    assert connected == {f"bouquet-gateway {number}" for number in range(1, COUNT + 1)}


async def test_sigterm_to_several_processes_under_load_loses_no_call(system: ProcessMesh) -> None:
    await asyncio.gather(system.worker("cnaf"), system.worker("msa"))
    gateways = await family(system, deadline_s=60)
    await gateways.all_ready()
    system.upstreams.hold()
    begun = [asyncio.create_task(gateways.ask_about(1930 + n)) for n in range(HELD)]
    await until(lambda: len(system.received("cnaf")) == HELD, within_s=LONG_S)
    stopping = asyncio.create_task(gateways.parent.stop())
    await gateways.parent.until_logged("gateway stopping", times=COUNT)
    await until_refused(gateways)
    assert not stopping.done()
    system.upstreams.open.set()
    assert {answer.status for answer in await asyncio.gather(*begun)} == {200}
    assert await stopping == 0


async def test_a_killed_process_is_replaced_and_what_it_recorded_is_sent(broker_url: str, tmp_path: Path) -> None:
    """Kills two gateway processes while the broker is unavailable. Tests that they are replaced, and that the access
    records of all processes wait on disk and are sent once the broker is back."""
    own = journal_settings(tmp_path, journal="true", journal_key=f"{KEY.name}:{KEY.secret.reveal()}")
    async with (
        TcpProxy(broker_url) as relay,
        open_outbox(broker_url, "tests") as outbox,
        collecting(outbox) as archive,
        process_mesh(relay.url) as system,
    ):
        gateways = await family(system, **own)
        assert {(await gateways.call()).status for _ in range(CALLS)} == {200}
        before = gateways.pids()
        for number in (1, 2):
            os.kill(before[number], signal.SIGKILL)
        await gateways.all_started(COUNT + 2)
        after = gateways.pids()
        assert (after[1] != before[1], after[2] != before[2], after[3]) == (True, True, before[3])
        assert {line["status"] for line in gateways.parent.logged("gateway process ended")} == {128 + signal.SIGKILL}
        written = {access_record.decode(record).id for record in spooled_records(tmp_path)}
        assert len(written) == CALLS
        await relay.open()
        await until(lambda: {access_record.decode(body).id for body in archive.bodies} == written, within_s=LONG_S)
        assert {(await gateways.call()).status for _ in range(CALLS)} == {200}


async def test_settings_gone_wrong_stop_no_running_process_and_are_read_again(
    system: ProcessMesh, tmp_path: Path
) -> None:
    url = tmp_path / "cache-url"
    url.write_text("memory:")
    gateways = await family(system, cache_url_file=str(url))
    url.write_text("elsewhere:")
    os.kill(gateways.pids()[2], signal.SIGKILL)
    await gateways.parent.until_logged("gateway process ended", times=2, within_s=LONG_S)
    assert (await gateways.own(1, "/livez")).status == 200
    assert (await gateways.call()).status == 200
    url.write_text("memory:")
    await gateways.all_started(COUNT + 1)
    assert (await gateways.own(2, "/livez")).status == 200


async def test_no_process_outlives_its_parent(system: ProcessMesh) -> None:
    gateways = await family(system)
    await gateways.parent.kill()  # returns once every process has closed its output
    await until_refused(gateways)
    assert len(gateways.parent.logged("gateway stopping")) == COUNT


async def test_a_second_signal_ends_every_process_at_once(system: ProcessMesh) -> None:
    await asyncio.gather(system.worker("cnaf"), system.worker("msa"))
    gateways = await family(system, deadline_s=60)
    await gateways.all_ready()
    system.upstreams.hold()
    begun = asyncio.create_task(gateways.ask_about(1950))
    await until(lambda: bool(system.received("cnaf")))
    gateways.parent.signal(signal.SIGTERM)
    await gateways.parent.until_logged("gateway stopping", times=COUNT)
    gateways.parent.signal(signal.SIGTERM)
    assert await gateways.parent.wait() == 128 + signal.SIGTERM
    with pytest.raises(ClientConnectionError):
        await begun


GOOD = {
    "BOUQUET_GATEWAY_TOKEN_KEY": TOKEN_KEY.reveal(),
    "BOUQUET_GATEWAY_TOKENS_FROM": "claims",
    "BOUQUET_GATEWAY_PROVIDERS": "cnaf",
}


@pytest.mark.parametrize(
    ("count", "wrong", "told"),
    [
        ("2", {"BOUQUET_BUS_URL": "memory:"}, "BOUQUET_GATEWAY_PROCESSES: several processes need a broker"),
        ("0", {}, "BOUQUET_GATEWAY_PROCESSES: must be 1 or more"),
        ("2", {"BOUQUET_GATEWAY_PORT": "0"}, "BOUQUET_GATEWAY_PORT: must not be 0"),
        ("2", {"BOUQUET_GATEWAY_HEDGE_AFTER_S": "60"}, "BOUQUET_GATEWAY_HEDGE_AFTER_S: must be shorter"),
        ("2", {"BOUQUET_GATEWAY_PROVIDERS": ""}, "BOUQUET_GATEWAY_PROVIDERS: is required"),
        (
            "2",
            {"BOUQUET_GATEWAY_CACHE_URL": "elsewhere:"},
            "BOUQUET_GATEWAY_CACHE_URL: must be memory: or redis(s)://…",
        ),
    ],
)
async def test_wrong_settings_of_several_processes_are_one_line(
    broker_url: str, count: str, wrong: Mapping[str, str], told: str
) -> None:
    port = {"BOUQUET_GATEWAY_PORT": str(ports_in_a_row(3))}
    environ = {"BOUQUET_BUS_URL": broker_url, **GOOD, **port, **wrong}
    async with running_command(environ, "bouquet-gateway", "serve", "--processes", count) as process:
        assert await process.wait(within_s=LONG_S) == 2
        [line] = [line for line in process.output.splitlines() if not line.startswith("{")]
        assert line.startswith(told)


async def test_several_processes_report_an_unwritable_spool_once(broker_url: str, tmp_path: Path) -> None:
    """Tests that a file in the place of the spool folder is reported as an error once, not once per process."""
    (tmp_path / "spool").write_text("a file")
    spool = {
        "BOUQUET_GATEWAY_JOURNAL": "true",
        "BOUQUET_GATEWAY_JOURNAL_KEY": f"{KEY.name}:{KEY.secret.reveal()}",
        "BOUQUET_GATEWAY_JOURNAL_SPOOL": str(tmp_path / "spool"),
    }
    environ = {"BOUQUET_BUS_URL": broker_url, "BOUQUET_GATEWAY_PORT": str(ports_in_a_row(3)), **GOOD, **spool}
    async with running_command(environ, "bouquet-gateway", "serve", "--processes", "2") as process:
        assert await process.wait(within_s=LONG_S) == 2
        assert re.findall(r"BOUQUET_GATEWAY_JOURNAL_SPOOL: .*", process.output) == [
            "BOUQUET_GATEWAY_JOURNAL_SPOOL: cannot be written (File exists)"
        ]


@pytest.mark.parametrize("taken", [0, 2])
async def test_a_port_used_by_other_processes_is_refused(broker_url: str, taken: int) -> None:
    first = ports_in_a_row(3)
    with listener(first + taken, socket.SO_REUSEPORT):
        environ = {"BOUQUET_BUS_URL": broker_url, "BOUQUET_GATEWAY_PORT": str(first), **GOOD}
        async with running_command(environ, "bouquet-gateway", "serve", "--processes", "2") as process:
            assert await process.wait(within_s=LONG_S) == 2
            assert f"127.0.0.1:{first + taken}: cannot be listened on: Address already in use" in process.output


async def test_a_single_gateway_reports_that_its_port_is_taken(broker_url: str) -> None:
    port = ports_in_a_row(1)
    with listener(port, socket.SO_REUSEADDR):
        environ = {"BOUQUET_BUS_URL": broker_url, "BOUQUET_GATEWAY_PORT": str(port), **GOOD}
        async with running_command(environ, "bouquet-gateway", "serve") as process:
            assert await process.wait(within_s=LONG_S) == 2
            assert f"127.0.0.1:{port}: cannot be listened on: Address already in use" in process.output


def listener(port: int, option: int) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, option, 1)
    made.bind((HOST, port))
    made.listen()
    return made


async def until_refused(gateways: Processes) -> None:
    async with asyncio.timeout(LONG_S):
        while True:
            try:
                await gateways.call()
            except ClientConnectionError:
                return
