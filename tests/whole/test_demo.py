"""Tests of `make demo`: it prints READY and a curl command that works, and Ctrl-C ends all its processes."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from deploy.demo.demo import free_port
from tests.support.demo import Demo, demo, marked, started
from tests.support.gateway_client import QUOTIENT_FAMILIAL_PATH, GatewayClient, gateway_client
from tests.support.people import CAF_ALLOCATAIRE, MSA_ALLOCATAIRE
from tests.support.waiting import TEST_TIMEOUT_S, until

CALL = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"


async def ran(command: list[str]) -> Any:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(output)


async def ends_cleanly(running: Demo, *, interruptions: int) -> None:
    assert len(running.alive) > 2
    for _ in range(interruptions):
        running.interrupt()
    assert await running.process.wait() == 0
    assert running.alive == []
    assert "Traceback" not in running.process.output


async def calls_are_kept(client: GatewayClient) -> None:
    """Waits until the gateway's metrics show that the broker has confirmed the access record of at least one call."""
    async with asyncio.timeout(TEST_TIMEOUT_S):
        while True:
            metrics = await client.get("/metrics")
            if re.search(rb"^bouquet_gateway_journal_sent_total [1-9]", metrics.body, re.MULTILINE):
                return
            await asyncio.sleep(0.1)


async def test_the_demo_answers_in_one_process() -> None:
    async with demo() as (running, client):
        if shutil.which("curl"):
            body = await ran(running.curl)
            assert body["data"]["quotient_familial"]["fournisseur"] == "CNAF"
        assert (await client.get(QUOTIENT_FAMILIAL_PATH, CAF_ALLOCATAIRE)).summary == "200 CNAF"
        assert (await client.get(QUOTIENT_FAMILIAL_PATH, MSA_ALLOCATAIRE)).summary == "200 MSA"
        await calls_are_kept(client)
        habilitations = (await ran(running.registry_curl))["data"]
        assert len(habilitations) == 2
        assert (await client.get("/api/introspect")).json["scopes"] == sorted(habilitations[0]["scopes"])
        assert (await ran(running.editor_curl))["data"]["quotient_familial"]["fournisseur"] == "CNAF"
        async with gateway_client(running.portal) as browser:
            assert (await browser.get("/")).status == 200
        await ends_cleanly(running, interruptions=1)


@pytest.mark.broker
async def test_the_demo_in_several_processes_logs_one_trace_id(broker_url: str) -> None:
    async with demo("--bus", broker_url) as (running, client):
        if shutil.which("curl"):
            body = await ran(running.curl)
            assert body["data"]["quotient_familial"]["fournisseur"] == "CNAF"
        headers = {"X-Request-Id": CALL, "Cache-Control": "no-cache"}
        assert (await client.get(QUOTIENT_FAMILIAL_PATH, MSA_ALLOCATAIRE, headers=headers)).summary == "200 MSA"
        services = {"bouquet-gateway", "bouquet-cnaf", "bouquet-msa", "bouquet-simulators"}
        await until(lambda: services == {line["service"] for line in running.of_trace_of(CALL)})
        await calls_are_kept(client)
        await ends_cleanly(running, interruptions=3)  # by one who does not like to wait


def test_the_demo_chooses_ports_that_no_outgoing_connection_takes() -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = {free_port() for _ in range(50)}
    assert len(ports) == 50
    assert max(ports) < first


@pytest.mark.slow
async def test_a_demo_whose_port_is_taken_says_so_and_leaves_nothing_behind() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        async with started(port=taken.getsockname()[1]) as (process, mark):
            assert await process.wait(within_s=TEST_TIMEOUT_S) == 1
            assert "bouquet-gateway serve ended with status" in process.output
            assert "cannot be listened on: Address already in use" in process.output
            assert "Traceback" not in process.output
            assert marked(mark) == []
