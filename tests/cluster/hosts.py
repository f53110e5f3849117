"""Lists of the queues of each node, which the broker's management API returns, and the doctor's report of them."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from bouquet_proto.names import JOURNAL_QUEUE
from tests.support.bus import PROVIDER
from tests.support.doctor_report import Report, run_doctor
from tests.support.gateway_client import TOKEN_KEY
from tests.support.rabbitmq import RabbitNode
from tests.support.waiting import TEST_TIMEOUT_S

CREDENTIALS = b64encode(b"guest:guest").decode()


async def until_listed(node: RabbitNode, url: str, states: Mapping[str, str], journal_copies: int) -> bytes:
    """Waits until a node lists each queue of `states` in the given state, and the journal's queue with that number of
    running copies. Returns the list, of the queues in the vhost of `url`."""
    async with asyncio.timeout(TEST_TIMEOUT_S):
        while True:
            document = await asyncio.to_thread(_listed, node, url)
            queues: dict[str, dict[str, Any]] = {queue["name"]: queue for queue in json.loads(document)}
            found = {name: queues.get(name, {}).get("state") for name in states}
            if found == states and len(queues.get(JOURNAL_QUEUE, {}).get("online", ())) == journal_copies:
                return document
            await asyncio.sleep(0.2)


def _listed(node: RabbitNode, url: str) -> bytes:
    path = f"/api/queues/{url.rpartition('/')[2]}?disable_stats=true"
    request = Request(f"{node.management_url}{path}", headers={"Authorization": f"Basic {CREDENTIALS}"})
    with urlopen(request, timeout=TEST_TIMEOUT_S) as response:
        document: bytes = response.read()
    return document


async def doctor(url: str, document: bytes, folder: Path) -> Report:
    """Runs the gateway's doctor with a list of queues."""
    file = folder / "queues.json"
    file.write_bytes(document)
    environ = {
        "BOUQUET_BUS_URL": url,
        "BOUQUET_GATEWAY_TOKEN_KEY": TOKEN_KEY.reveal(),
        "BOUQUET_GATEWAY_PROVIDERS": PROVIDER,
        "BOUQUET_GATEWAY_TOKENS_FROM": "claims",
        "BOUQUET_GATEWAY_JOURNAL": "false",
    }
    return await run_doctor(environ, "bouquet-gateway", "doctor", "--queues", str(file))
