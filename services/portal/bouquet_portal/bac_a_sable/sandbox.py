"""The sandbox (a gateway whose answers are about invented people): its documents, and calls to it. The portal neither
stores nor logs these calls."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from functools import cache
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from bouquet_portal.bac_a_sable import cases
from bouquet_portal.bac_a_sable.cases import CallParameters, Cases
from bouquet_portal.documents import errors, openapi
from bouquet_portal.documents.archive import Archive
from bouquet_portal.documents.client import Answer, Client, GatewayError
from bouquet_portal.documents.document import Document
from bouquet_portal.documents.model import ErrorCode, Operation
from bouquet_portal.documents.refreshed_value import RefreshedValue
from bouquet_portal.environment import PortalSettings
from bouquet_portal.site import site

T = TypeVar("T")

CASES = "/bouquet/v1/sandbox/cases"
CHECK = f"{CASES}/check"
TOKENS = "/bouquet/v1/sandbox/tokens"
CALL_S = 10.0
"""Longest time, in seconds, that a call to the sandbox may take."""
MAX_BYTES = 1_000_000
"""Largest size, in bytes, of the body of a sandbox's answer. A larger body raises `GatewayError`."""
TOKEN_KEPT_S = 3600.0
"""Seconds for which the portal reuses a token that the sandbox issued for a choice of scopes."""
# The sandbox accepts the token for up to a day, so that visitors can use it in copied programs.
MAX_TOKENS = 1_000
"""Largest number of tokens that the portal keeps in memory. At this number, the portal forgets all tokens."""


class Call(Struct, frozen=True):
    """Call that the portal makes to an operation of the sandbox."""

    operation: Operation
    asked: CallParameters
    token: str

    @property
    def parts(self) -> list[tuple[str, str]]:
        """Names and values in the query string of the call, in order. A parameter with several values occurs once for
        each value."""
        return [
            (name, one) for name, value in self.asked.items() for one in ((value,) if isinstance(value, str) else value)
        ]

    @property
    def query(self) -> str:
        return urlencode(self.parts)

    @property
    def credential(self) -> tuple[str, str]:
        """Name and value of the header that carries the token."""
        header, prefix = self.operation.credential
        return header, f"{prefix}{self.token}"


class Result(Struct, frozen=True):
    """Answer of the sandbox to a call."""

    status: int
    phrase: str
    duration_ms: int
    headers: Mapping[str, str]
    """Response headers, by name in lower case."""
    body: Any


class Fault(Struct, frozen=True):
    """Fault that the sandbox has found in a proposed test case file."""

    message: str
    path: str = ""
    line: int = 0


class Report(Struct, frozen=True):
    """Result of checking a proposed test case file. `case` is the test case, or None if the file cannot be read."""

    faults: tuple[Fault, ...]
    case: cases.Case | None = None


class Sandbox:
    """Client of the sandbox gateway: reads the gateway's documents, and calls its operations."""

    def __init__(
        self, settings: PortalSettings, archive: Archive | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.url = settings.sandbox_api_url or settings.sandbox_url
        """URL of the sandbox, as pages show it to visitors. The portal itself may call the sandbox at another URL."""
        self.token = settings.sandbox_token.reveal()
        """Token with which the portal calls the sandbox. Pages show the token to every visitor."""
        reading = Client(settings.sandbox_url, timeout_s=settings.gateway_timeout_s, cafile=settings.sandbox_cafile)
        self._calling = Client(
            settings.sandbox_url, timeout_s=CALL_S, cafile=settings.sandbox_cafile, max_bytes=MAX_BYTES
        )

        def refreshed(name: str, path: str, parse: Callable[[Any], T]) -> RefreshedValue[T]:
            document = Document(reading, path, parse, archive)
            return RefreshedValue(name, document.read, every_s=settings.documents_every_s, restore=document.restore)

        self.cases: RefreshedValue[Cases] = refreshed("sandbox cases", CASES, cases.parse_cases)
        self.operations: RefreshedValue[tuple[Operation, ...]] = refreshed(
            "sandbox openapi", "/api/openapi.json", openapi.operations
        )
        self.errors: RefreshedValue[tuple[ErrorCode, ...]] = refreshed(
            "sandbox errors", "/api/errors", errors.error_codes
        )
        self._clock = clock
        self._tokens: dict[frozenset[str], tuple[float, str]] = {}
        self._lock = threading.Lock()

    def call(self, call: Call) -> Result:
        """Makes a call to the sandbox and returns the answer, whatever its status. Raises `GatewayError` if the sandbox
        does not answer with JSON within `CALL_S` seconds."""
        address = f"{call.operation.path}?{call.query}"
        return _timed(lambda: self._calling.get(address, dict([call.credential])))

    def send(self, path: str, body: bytes) -> Result:
        """Posts JSON to the sandbox with the portal's own token, and returns the answer, whatever its status. Raises
        `GatewayError` if the sandbox does not answer with JSON within `CALL_S` seconds."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        return _timed(lambda: self._calling.post(path, body, headers))

    def token_for(self, scopes: frozenset[str]) -> str:
        """Returns a token of the sandbox that has these scopes and no others. Raises `GatewayError` if the sandbox
        issues none."""
        now = self._clock()
        with self._lock:
            until, token = self._tokens.get(scopes, (0.0, ""))
        if now < until:
            return token
        body = msgspec.json.encode({"scopes": sorted(scopes)})
        issued = self._posted(TOKENS, body, "application/json")
        token = str(issued.get("token", "")) if isinstance(issued, dict) else ""
        if not token:
            raise GatewayError("the sandbox issues no token")
        with self._lock:
            if len(self._tokens) >= MAX_TOKENS:
                self._tokens.clear()
            self._tokens[scopes] = (now + TOKEN_KEPT_S, token)
        return token

    def check(self, operation_id: str, text: str) -> Report:
        """Has the sandbox check a case file that a visitor proposes for an operation, and returns the sandbox's report.
        Raises `GatewayError` if the sandbox does not answer with a valid report."""
        path = f"{CHECK}?{urlencode({'operation_id': operation_id})}"
        try:
            return msgspec.convert(self._posted(path, text.encode(), "application/yaml"), Report)
        except msgspec.ValidationError as error:
            raise GatewayError("the sandbox's report has another form than expected") from error

    def _posted(self, path: str, body: bytes, kind: str) -> Any:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind}
        answer: Answer = self._calling.post(path, body, headers)
        if answer.status != HTTPStatus.OK:
            raise GatewayError(f"the sandbox answers {path.partition('?')[0]} with {answer.status}")
        return answer.json()


def _timed(call: Callable[[], Answer]) -> Result:
    begun = time.perf_counter()
    answer = call()
    took_ms = round((time.perf_counter() - begun) * 1000)
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Result(answer.status, HTTPStatus(answer.status).phrase, took_ms, headers, answer.json())


@cache
def sandbox() -> Sandbox | None:
    """Returns the client of the sandbox, the same for the whole process, or None if the settings name no sandbox."""
    current = site()
    return Sandbox(current.settings, current.archive) if current.settings.sandbox_url else None
