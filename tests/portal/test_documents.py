"""Tests of how the portal reads the gateway's documents, and keeps the last known values while reading fails."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from bouquet_portal.documents import openapi
from bouquet_portal.documents.archive import ArchivedBody
from bouquet_portal.documents.client import Answer, Client, GatewayError
from bouquet_portal.documents.document import Document
from bouquet_portal.documents.gateway import Gateway
from bouquet_portal.documents.model import ErrorCode, Operation
from bouquet_portal.documents.refreshed_value import RefreshedValue
from bouquet_portal.environment import PortalSettings
from tests.portal.servers import GatewayServer
from tests.support.waiting import TEST_TIMEOUT_S

QUOTIENT = "/v3/dss/quotient_familial/identite"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"


@contextmanager
def slow_server(beginning: bytes) -> Iterator[str]:
    """Address of a server that answers with `beginning`, then with one byte every tenth of a second, without end."""
    over = threading.Event()

    def answer_slowly(connection: socket.socket) -> None:
        with connection:
            try:
                connection.sendall(beginning)
                while not over.wait(0.1):
                    connection.sendall(b"x")
            except OSError:
                pass

    def accept(listener: socket.socket) -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer_slowly, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        over.set()


class OneDocument:
    """Archive that holds one document, whatever its URL."""

    def __init__(self, body: bytes = b"") -> None:
        self.body = body

    def load(self, url: str) -> ArchivedBody | None:
        return ArchivedBody(self.body, datetime(2026, 11, 30, tzinfo=UTC)) if self.body else None

    def save(self, url: str, body: bytes) -> None:
        self.body = body

    def confirm(self, url: str) -> None:
        pass


@pytest.fixture
def documents(gateway: GatewayServer) -> Iterator[Gateway]:
    published = Gateway.of(PortalSettings(gateway_url=gateway.url))
    yield published
    published.stop()


@pytest.fixture
def operations(documents: Gateway) -> dict[str, Operation]:
    return {operation.path: operation for operation in documents.operations.read()}


def test_operations_have_version_resource_and_modality(operations: dict[str, Operation]) -> None:
    shape = {path: (one.version, one.resource, one.modality) for path, one in operations.items()}
    assert shape[QUOTIENT] == ("v3", "dss/quotient_familial", "identite")
    assert shape["/v5/men/scolarites/identite"] == ("v5", "men/scolarites", "identite")
    assert shape["/api/v2/composition-familiale"] == ("v2", "composition-familiale", "")
    assert not any(path.startswith("/api/ping") for path in operations)


def test_each_field_has_the_scopes_that_open_it(operations: dict[str, Operation]) -> None:
    scopes = {field.path: field.scopes for field in operations[QUOTIENT].all_fields()}
    assert scopes["quotient_familial"] == ("cnaf_quotient_familial",)
    assert scopes["quotient_familial.valeur"] == ("cnaf_quotient_familial",)
    assert scopes["allocataires[]"] == ("cnaf_allocataires",)
    assert scopes["adresse.code_postal_ville"] == ("cnaf_adresse",)


def test_parameters_have_the_flags_of_the_document(operations: dict[str, Operation]) -> None:
    required = {one.name for one in operations[QUOTIENT].parameters if one.is_required}
    assert required == {"recipient", "codeCogInseePaysNaissance", "nomNaissance"}
    [sex] = [one for one in operations[QUOTIENT].parameters if one.name == "sexeEtatCivil"]
    assert sex.choices == ("M", "F")


def test_an_unchanged_document_is_not_understood_again(gateway: GatewayServer) -> None:
    understood: list[object] = []

    def count(content: object) -> int:
        understood.append(content)
        return len(understood)

    client = Client(gateway.url, timeout_s=TEST_TIMEOUT_S)
    document = Document(client, "/api/openapi.json", count)
    assert [document.read(), document.read()] == [1, 1]
    client.close()


def test_every_operation_of_every_version_has_fields(operations: dict[str, Operation]) -> None:
    assert len(operations) > 40
    assert [path for path, one in operations.items() if not one.fields] == []


def test_an_error_stands_once_with_its_causes_and_operations(documents: Gateway) -> None:
    errors: dict[str, ErrorCode] = {error.code: error for error in documents.errors.read()}
    assert errors["23003"].provider == "CNAF"
    assert len(errors["23003"].causes) > 3
    assert errors["00101"].operation_ids == ()


def test_states_are_read_by_name(documents: Gateway) -> None:
    assert documents.states.read()["cnaf_msa_quotient_familial"].state == "ok"


def test_the_last_known_value_stays_while_reading_fails() -> None:
    answers: list[int | None] = [1, None, None, 2]

    def read() -> int:
        answer = answers.pop(0) if answers else 2
        if answer is None:
            raise GatewayError
        return answer

    kept = RefreshedValue("openapi", read, every_s=0.01)
    seen = set()
    while (2, True) not in seen:
        latest = kept.latest()
        assert latest
        seen.add((latest.value, latest.is_current))
    kept.stop()
    assert {(1, True), (2, True)} <= seen <= {(1, True), (1, False), (2, True)}


def test_reading_goes_on_after_an_unexpected_exception() -> None:
    answers: list[Exception] = [ZeroDivisionError(), RecursionError()]

    def read() -> int:
        if answers:
            raise answers.pop()
        return 1

    kept = RefreshedValue("openapi", read, every_s=0.01, first_wait_s=TEST_TIMEOUT_S)
    ends = datetime.now(UTC).timestamp() + TEST_TIMEOUT_S
    while kept.latest() is None:
        assert datetime.now(UTC).timestamp() < ends
    kept.stop()
    assert answers == []


@pytest.mark.parametrize("beginning", [HEAD, b"HTTP/1.1 200 OK\r\nX-Slow: ", b""], ids=["body", "header", "status"])
def test_a_gateway_that_answers_byte_by_byte_does_not_hold_its_caller(beginning: bytes) -> None:
    with slow_server(beginning) as url:
        client = Client(url, timeout_s=0.5)
        with pytest.raises(GatewayError):
            client.get("/api/openapi.json")
        client.close()


def test_json_that_is_nested_without_end_is_a_faulty_answer() -> None:
    with pytest.raises(GatewayError):
        Answer(200, {}, b"[" * 200_000).json()


def test_an_archived_document_stands_in_for_a_gateway_that_does_not_answer(gateway: GatewayServer) -> None:
    archive = OneDocument()
    client = Client(gateway.url, timeout_s=TEST_TIMEOUT_S)
    assert Document(client, "/api/errors", len, archive).read() > 0
    client.close()
    away = Client("http://127.0.0.1:9", timeout_s=0.5)
    document = Document(away, "/api/errors", len, archive)
    kept = RefreshedValue("errors", document.read, every_s=60, first_wait_s=TEST_TIMEOUT_S, restore=document.restore)
    latest = kept.latest()
    kept.stop()
    assert latest is not None
    assert (latest.value > 0, latest.at, latest.is_current) == (True, datetime(2026, 11, 30, tzinfo=UTC), False)


@pytest.mark.parametrize("body", [b"", b"{", b'{"paths": 1}', b"[" * 200_000])
def test_an_archived_document_of_another_form_is_ignored(body: bytes) -> None:
    client = Client("http://127.0.0.1:9", timeout_s=0.5)
    assert Document(client, "/api/openapi.json", openapi.operations, OneDocument(body)).restore() is None


def test_a_page_waits_a_bounded_time_for_a_first_value() -> None:
    def read() -> int:
        raise GatewayError

    kept = RefreshedValue("openapi", read, every_s=0.01, first_wait_s=0.05)
    assert kept.latest() is None
    kept.stop()
