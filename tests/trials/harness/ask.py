"""Calls to a running demo. Each answer comes with the requests that the simulated providers received for it."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from tests.support.daemon import free_port

RECIPIENT = "13002526500013"
READY_WITHIN_S = 90.0
CLOSED_WITHIN_S = 90.0
"""Longest wait, in seconds, for the demo to close a connection."""
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")


class Answer(NamedTuple):
    status: int
    body: Any
    headers: Mapping[str, str]
    sent: list[dict[str, Any]]
    """Requests that the simulated providers received for this call. Each is a dict with the keys `to` (the provider),
    `path`, `query` and `body`."""

    @property
    def codes(self) -> list[str]:
        return [error["code"] for error in self.body.get("errors", ())]

    @property
    def end(self) -> tuple[int, list[str]]:
        return self.status, self.codes

    @property
    def words(self) -> list[dict[str, Any]]:
        """Returns a dict for each request that providers received, with the fields of its query and of its JSON
        body."""
        return [one["query"] | (json.loads(one["body"]) if one["body"] else {}) for one in self.sent]


class Demo(NamedTuple):
    port: int
    spy: int
    token: str

    def ask(self, path: str, params: Mapping[str, Any] | None = None, *, token: str = "") -> Answer:
        """Calls a path with `params`, and with a valid `recipient` if they contain none. Leaves out parameters whose
        value is `None`, and keeps the demo from answering from its cache."""
        self._sent()
        asked = {"recipient": RECIPIENT} | dict(params or {})
        headers = {"Authorization": f"Bearer {token or self.token}", "Cache-Control": "no-cache"}
        return self.get(f"{path}?{urlencode(list(_pairs(asked)))}", headers)

    def get(self, target: str, headers: Mapping[str, str]) -> Answer:
        status, told, data = _http(self.port, "GET", target, headers)
        return Answer(status, json.loads(data), told, self._sent())

    def citizen(self, token: str, **told: Any) -> None:
        self._tell("/fc", {"token": token} | told)

    def make_hub_answer(self, fund: str, who: list[str], **told: Any) -> None:
        self._tell("/hub", {"fund": fund, "who": who} | told)

    def raw(self, *chunks: bytes, delay_s: float = 0.0, gap_s: float = 0.0) -> list[str]:
        """Sends bytes over a new connection, and returns the statuses of the demo's answers. Fails if the demo does
        not close the connection."""
        got = b""
        with socket.create_connection(("127.0.0.1", self.port)) as client:
            time.sleep(delay_s)
            client.sendall(chunks[0])
            for chunk in chunks[1:]:
                time.sleep(gap_s)
                client.sendall(chunk)
            client.settimeout(CLOSED_WITHIN_S)
            while data := client.recv(65536):
                got += data
        return [status.decode() for status in STATUS.findall(got)]

    def _sent(self) -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = json.loads(_http(self.spy, "GET", "/spy", {})[2])
        return sent

    def _tell(self, path: str, told: Mapping[str, Any]) -> None:
        json_type = {"Content-Type": "application/json"}
        assert _http(self.spy, "POST", path, json_type, json.dumps(told).encode())[0] == 200


@contextmanager
def demo_in(folder: Path) -> Iterator[Demo]:
    program = Path(__file__).with_name("demo_spied.py")
    command = [sys.executable, str(program), str(folder), "--port", str(free_port())]
    log = folder / "log"  # a file: a pipe would fill up once the demo is ready
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            _wait_ready(process, log)
            port, spy = (int((folder / name).read_text()) for name in ("port", "spy.port"))
            yield Demo(port, spy, (folder / "token").read_text())
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(READY_WITHIN_S)


def _wait_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    give_up = time.monotonic() + READY_WITHIN_S
    while "READY " not in log.read_text():
        assert process.poll() is None and time.monotonic() < give_up, "the demo did not start"
        time.sleep(0.1)


def _pairs(params: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in params.items():
        if isinstance(value, list):
            yield from ((f"{name}[]", item) for item in value)
        elif value is not None:
            yield name, value


def _http(
    port: int, method: str, target: str, headers: Mapping[str, str], body: bytes | None = None
) -> tuple[int, dict[str, str], bytes]:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    client.request(method, target, body=body, headers=dict(headers))
    answer = client.getresponse()
    told = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    client.close()
    return told
